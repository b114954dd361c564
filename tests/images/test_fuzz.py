"""However a picture is damaged, the outcome is a picture or a named error."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from samekind.images.decode import Decoded, ImageError, Limits, decode
from samekind.images.errors import SLUGS

# Pillow remarks on damaged directories in warnings; the errors are what counts here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def saved(format: str, **options: Any) -> bytes:
    noise = np.random.default_rng(7).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format, **options)
    return buffer.getvalue()


def check_outcome(data: bytes, target: int | None) -> None:
    """A picture within the limits, or a named error; anything else passes through and fails the test."""
    outcome: Decoded | ImageError
    try:
        outcome = decode(data, target=target, limits=Limits(max_pixels=1_000_000))
    except ImageError as error:
        outcome = error
    if isinstance(outcome, ImageError):
        assert outcome.reason in SLUGS
        assert str(outcome)
    else:
        assert outcome.image.mode == "RGB"
        assert 1 <= outcome.width * outcome.height <= 1_000_000


SEEDS = {
    **{format: saved(format) for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")},
    "progressive": saved("JPEG", progressive=True),
    "LZW": saved("TIFF", compression="tiff_lzw"),
    "lossless": saved("WEBP", lossless=True),
}
damage = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.floats(0, 1), st.binary(min_size=1, max_size=4)),
        st.tuples(st.just("insert"), st.floats(0, 1), st.binary(min_size=1, max_size=64)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.binary(min_size=1, max_size=64)),
        st.tuples(st.just("end"), st.floats(0, 1), st.just(b"")),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data: bytes, steps: list[tuple[str, float, bytes]]) -> bytes:
    for kind, where, what in steps:
        place = int(where**3 * len(data))  # most of it in the header
        if kind == "flip":
            data = data[:place] + what + data[place + len(what) :]
        elif kind == "insert":
            data = data[:place] + what + data[place:]
        elif kind == "cut":
            data = data[:place] + data[place + len(what) :]
        else:
            data = data[:place]
    return data


@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=damage, target=st.sampled_from([None, 4]))
def test_damage_ends_in_a_picture_or_a_named_error(
    seed: str, steps: list[tuple[str, float, bytes]], target: int | None
) -> None:
    check_outcome(damaged(SEEDS[seed], steps), target)


@settings(max_examples=200, deadline=None)
@given(
    prefix=st.sampled_from(
        [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"GIF89a", b"BM", b"II*\0"]
    ),
    rest=st.binary(max_size=300),
)
def test_noise_behind_a_signature_ends_in_a_named_error(prefix: bytes, rest: bytes) -> None:
    check_outcome(prefix + rest, None)
