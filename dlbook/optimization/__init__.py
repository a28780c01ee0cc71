"""Ways down a landscape with millions of directions."""
