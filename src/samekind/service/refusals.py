"""What a service turns away: one named refusal per reason, each with its HTTP status and a slug for machines."""

# ruff: noqa: N818 (these are answers: a busy service has not failed, and their names are the slugs that clients see)

from typing import ClassVar

from samekind.errors import SamekindError


class Refusal(SamekindError):
    """A request is turned away; `status` is HTTP's, `slug` for machines, the message a sentence without any path."""

    status: ClassVar[int]
    slug: ClassVar[str]


class Overloaded(Refusal):
    """More waits than can be answered soon; `retry_after` is in seconds."""

    status = 503
    slug = "overloaded"

    def __init__(self, retry_after: float, message: str | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message or f"The service is busy. Try again in {retry_after:.0f} s.")


class UnknownItem(Refusal):
    """No picture of the gallery has this id."""

    status = 404
    slug = "unknown_item"

    def __init__(self, item: str) -> None:
        super().__init__(f"No picture of the gallery has the id {item[:64]!r}; it may have been taken out since.")


class UnknownGallery(Refusal):
    """No gallery of this name is served."""

    status = 404
    slug = "unknown_gallery"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no gallery {name[:64]!r} here; GET /api/v1/galleries lists those that there are.")


class OutsideRoots(Refusal):
    """The picture's file lies outside of every folder that may be shown."""

    status = 403
    slug = "outside_roots"

    def __init__(self) -> None:
        super().__init__(
            "The picture is at a place that this service does not show pictures from. "
            "Whoever runs it can allow the folder: samekind serve --root FOLDER."
        )


class Changed(Refusal):
    """There is something else at the picture's place now."""

    status = 410
    slug = "changed"

    def __init__(self) -> None:
        super().__init__("The picture has changed since it was indexed. Index its folder again to find what is there.")


class Gone(Refusal):
    """The picture is no longer there, or can no longer be read."""

    status = 410
    slug = "vanished"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or "The picture is no longer where it was indexed. Index its folder again.")


class DecodeTooLong(Refusal):
    """Opening the picture took longer than allowed and was stopped."""

    status = 422
    slug = "decode_too_long"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Opening the picture took more than {seconds:g} s. Make it smaller, or save it as JPEG.")


class DecodeTooHeavy(Refusal):
    """Opening the picture took more memory than allowed, or ended the process that did it."""

    status = 422
    slug = "decode_too_heavy"

    def __init__(self) -> None:
        super().__init__("Opening the picture takes more memory than allowed. Make it smaller, or save it as JPEG.")
