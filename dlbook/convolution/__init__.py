"""Convolutional networks, from the Neocognitron to residual networks."""
