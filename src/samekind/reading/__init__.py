"""From pictures' addresses to pixels or vectors, in order: by threads, by processes, or on a Ray cluster."""
