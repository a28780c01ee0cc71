"""Five ways to draw a new example, pixel by pixel or all at once."""
