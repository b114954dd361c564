"""A gallery in shards: each on some machine, all asked, and what they tell is one answer."""
