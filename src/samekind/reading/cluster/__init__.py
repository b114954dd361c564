"""Reading on a Ray cluster: its nodes open and encode pictures, one process decides and writes."""
