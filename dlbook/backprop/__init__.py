"""Chapters of the part Back-propagation."""
