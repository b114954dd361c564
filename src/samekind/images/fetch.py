"""Pictures behind http(s) addresses: public hosts only, within bounds of size and time."""

from samekind.images.errors import UrlFailedError


def fetch(url: str, *, max_bytes: int) -> bytes:
    """The body behind `url`; raises ImageError."""
    raise UrlFailedError(f"{url} cannot be fetched (at most {max_bytes} bytes)")
