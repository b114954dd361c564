"""What runs in a process that opens pictures: a request on standard input, its answer on standard output, and again."""

import io
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from samekind.images import formats
from samekind.images.decode import DEFAULT_LIMITS, FORMATS, Limits, decode
from samekind.images.errors import ImageError
from samekind.images.pipes import GRACE, channel, give_up, receive, send
from samekind.images.preprocess import Preprocess

FAILED, HEAVY = "failed", "heavy"  # beside the reasons of ImageError
VIEW_SIDE = 2048  # pixels of the longer side of what is shown in place of a file
BROWSER_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
    "BMP": "image/bmp",
}

_QUALITY = 82  # of WebP
_NICE = 5

Reply = tuple[dict[str, Any], bytes]
Job = Callable[..., Reply]


def pixels(data: bytes, *, preprocess: Mapping[str, Any], max_bytes: int, max_pixels: int) -> Reply:
    """A picture from a stranger made ready for a retriever: size x size x 3 bytes."""
    prepare = Preprocess.from_dict(preprocess)
    found = decode(data, target=prepare.target, limits=Limits(max_bytes, max_pixels))
    return {}, prepare.pixels(found.image).tobytes()


def thumbnail(data: bytes, *, size: int) -> Reply:
    """A picture of the gallery as a small WebP."""
    return {}, _small(data, size)


def view(data: bytes, *, max_bytes: int, max_pixels: int) -> Reply:
    """The type of a file that a browser opens as it is, or, without a type, a WebP in its place.

    Files beyond the limits are shown smaller too: they were indexed, so that refusing them would help nobody.
    """
    try:
        image = formats.identify(data, FORMATS, DEFAULT_LIMITS.max_pixels)
    except ImageError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged input
        raise formats.explain(error, data) from error
    kind = BROWSER_TYPES.get(image.format or "")
    if kind and len(data) <= max_bytes and image.width * image.height <= max_pixels:
        return {"type": kind}, b""
    return {}, _small(data, VIEW_SIDE)


def _small(data: bytes, size: int) -> bytes:
    """Upright, on white, without metadata; no side longer than `size`, none enlarged."""
    image, file = decode(data, target=size).image, io.BytesIO()
    image.thumbnail((size, size))
    image.save(file, "WEBP", quality=_QUALITY)
    return file.getvalue()


JOBS: dict[str, Job] = {"pixels": pixels, "thumbnail": thumbnail, "view": view}


def main(jobs: Mapping[str, Job] = JOBS) -> None:
    """Answer until standard input ends. Arguments: mebibytes that a job may take, seconds that it may."""
    mebibytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    requests, answers = sys.stdin.buffer, channel()
    _confine(mebibytes)
    send(answers, {"ready": True}, b"")
    while (request := receive(requests)) is not None:
        facts, data = request
        # Only for the case that the service is gone and a decoder hangs: the service's own clock is stricter.
        signal.alarm(int(seconds) + GRACE)
        send(answers, *_answer(jobs[facts.pop("job")], facts, data))
        signal.alarm(0)
        del data, request  # or the next one would have to fit in beside it


def _answer(job: Job, facts: Mapping[str, Any], data: bytes) -> Reply:
    """What the job gives, or why it gives nothing."""
    try:
        return job(data, **facts)
    except MemoryError:
        return {"error": HEAVY}, b""
    except ImageError as error:
        if _is_memory(error.__cause__):
            return {"error": HEAVY}, b""
        return {"error": error.reason, "message": str(error)}, b""
    except Exception as error:  # a shape or a mode that nobody thought of
        return {"error": FAILED, "message": f"{type(error).__name__}: {error}"}, b""


def _is_memory(cause: BaseException | None) -> bool:
    """Whether memory ran out; Pillow says so in several ways."""
    return isinstance(cause, MemoryError) or (isinstance(cause, OSError) and "out of memory" in str(cause))


def _confine(mebibytes: int) -> None:
    """Set limits for what comes, beyond what the libraries have mapped already."""
    give_up()
    os.nice(_NICE)
    with suppress(FileNotFoundError):  # without /proc, as on macOS, such a limit is not kept to either
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = mapped + mebibytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
