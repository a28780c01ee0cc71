"""Memory, gates, attention, and the Transformer."""
