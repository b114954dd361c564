"""Small pictures inside the page, each once, opened through the guarded decoder; what cannot be shown says why."""

import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from samekind.images.decode import Limits, open_image
from samekind.images.errors import ImageError

SIDE = 128  # pixels of the longer side; a page shows them at 90 to 110
QUALITY = 72
LIMITS = Limits(max_bytes=64 * 2**20, max_pixels=100_000_000)
THREADS = 4
NO_DATA = "no picture: --data was not given"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small JPEG as a data URI with its size in pixels, or `problem`, which says why there is none."""

    source: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


class Thumbnails:
    """Thumbnails by file; `root` is the folder that the files' paths are below, None where it is not known."""

    def __init__(self, root: Path | None) -> None:
        """Nothing is opened yet."""
        self.root = root
        self._known: dict[str, Thumbnail] = {}
        self._numbers: dict[str, int] = {}

    def prepare(self, files: Iterable[str]) -> None:
        """Make them all, in threads."""
        fresh = [file for file in dict.fromkeys(files) if file not in self._known]
        with ThreadPoolExecutor(THREADS, thread_name_prefix="samekind-thumbnail") as pool:
            self._known.update(zip(fresh, pool.map(self._made, fresh), strict=True))

    def get(self, file: str) -> Thumbnail:
        """One of them, made now if it is not known yet."""
        if file not in self._known:
            self._known[file] = self._made(file)
        return self._known[file]

    def name(self, file: str) -> str:
        """What the page calls the picture of a file."""
        return f"p{self._numbers.setdefault(file, len(self._numbers))}"

    def definitions(self) -> str:
        """Every picture that was named, as symbols that the page can show any number of times."""
        symbols = []
        for file in self._numbers:
            each = self.get(file)
            size = f'width="{each.width}" height="{each.height}"'
            box = f"0 0 {each.width} {each.height}"
            symbols.append(
                f'<symbol id="{self.name(file)}" viewBox="{box}"><image {size} href="{each.source}"/></symbol>'
            )
        return f'<svg class="store" aria-hidden="true" width="0" height="0">\n{chr(10).join(symbols)}\n</svg>'

    def _made(self, file: str) -> Thumbnail:
        if self.root is None:
            return Thumbnail(problem=NO_DATA)
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts:
            return Thumbnail(problem="not below the data's root")
        try:
            image = open_image(str(self.root / path), target=SIDE, limits=LIMITS).image
        except ImageError as error:
            return Thumbnail(problem=f"cannot be shown ({error.reason.replace('_', ' ')})")
        small, out = image.copy(), io.BytesIO()
        small.thumbnail((SIDE, SIDE))
        small.save(out, "JPEG", quality=QUALITY, optimize=True)
        return Thumbnail(f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}", *small.size)
