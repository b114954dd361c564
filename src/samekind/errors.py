"""The errors that a user can act on; everything else that is raised is a bug."""


class SamekindError(Exception):
    """A job failed for a reason that the message names, with what to do (exit status 1)."""


class UsageError(SamekindError):
    """The request itself is wrong (exit status 2)."""
