"""The vector index of a gallery: built, measured against the exact search, kept up to date, asked."""
