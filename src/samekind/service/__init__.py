"""Searches over HTTP, and the page to draw, type and look on: `samekind serve`."""
