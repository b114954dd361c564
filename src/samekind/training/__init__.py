"""Adapting a retriever to pictures that nobody labelled: data, loops, checkpoints, one file set per method."""
