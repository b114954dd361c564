"""The errors that a user can act on; everything else that is raised is a bug."""


class SamekindError(Exception):
    """A job failed for a reason that the message names, with what to do (exit status 1)."""


class Unavailable(SamekindError):  # noqa: N818 (nothing has failed for good)
    """Something that is needed is away just now; in `retry_after` seconds the same may go well."""

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class UsageError(SamekindError):
    """The request itself is wrong (exit status 2)."""
