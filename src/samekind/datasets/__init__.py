"""Labelled sets of pictures, each a short declaration."""
