"""What a service is allowed and refuses: one frozen value, checked when it is made."""

import math
from dataclasses import dataclass
from pathlib import Path

from samekind.errors import UsageError

_SHORT = 16  # characters of a token that nobody can guess


@dataclass(frozen=True, slots=True)
class Settings:
    """The limits of a service; the defaults suit a laptop.

    token: what `Authorization: Bearer` must carry, None for no check; roots: folders whose pictures may be shown beside
    those that were indexed; hosts: names that a request's Host may have, none for any; allow_urls: pictures of http(s)
    addresses are fetched.

    max_bytes, max_pixels: of one picture; decoders: processes that open pictures, each decode with decode_seconds and
    decode_mebibytes of memory; batch: queries that are encoded and searched together; waiting: queries that may wait
    before others are sent away; searches_per_second, requests_per_second: of one client, 0 for no limit;
    thumbnails_mebibytes: of small pictures kept on disk; reload_seconds: between looks for new pictures.

    Raises UsageError for values that make no sense.
    """

    token: str | None = None
    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    allow_urls: bool = False
    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    decoders: int = 2
    decode_seconds: float = 10.0
    decode_mebibytes: int = 1024
    batch: int = 16
    waiting: int = 64
    searches_per_second: float = 20.0
    requests_per_second: float = 200.0
    thumbnails_mebibytes: int = 512
    reload_seconds: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what could not be served."""
        token = self.token
        if token is not None and (len(token) < _SHORT or not token.isascii() or not token.isprintable()):
            raise UsageError(f"The token must be {_SHORT} or more printable ASCII characters: openssl rand -hex 32.")
        for name in ("max_bytes", "max_pixels", "decoders", "decode_mebibytes", "batch", "waiting"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be 1 or more, not {getattr(self, name)}.")
        for name in ("decode_seconds", "reload_seconds"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise UsageError(f"{name} must be more than 0, not {getattr(self, name)}.")
        for name in ("searches_per_second", "requests_per_second", "thumbnails_mebibytes"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise UsageError(f"{name} must be 0 or more, not {getattr(self, name)}.")
