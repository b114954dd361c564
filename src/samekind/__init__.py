"""samekind finds pictures of the same kind of thing, in whatever style they were made."""

__version__ = "0.1.0"
