"""Images changed so little that nobody sees it, and so that a network answers wrong."""
