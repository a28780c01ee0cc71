"""Chapters as notebooks: what they claim."""
