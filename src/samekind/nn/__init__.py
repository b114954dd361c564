"""Tensor code that two methods or more share; no files, no I/O."""
