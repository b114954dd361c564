"""A persistent collection of encoded pictures: indexing and search."""
