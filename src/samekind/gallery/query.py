"""What to search for: pictures and texts, weighted, added and subtracted."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32
from PIL import Image

from samekind.errors import UsageError
from samekind.gallery.spaces import space_of
from samekind.images.source import EXTENSIONS
from samekind.images.storage import is_object
from samekind.retriever.protocol import RetrieverLike

_WEIGHT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a query: a picture (a path or PIL's) or a text, with the weight that its vector gets."""

    kind: Literal["image", "text"]
    value: str | Path | Image.Image
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight == 0:
            raise UsageError(f"A weight must be a number other than 0, not {self.weight}, for {self.value}.")
        if self.kind == "text" and not str(self.value).strip():
            raise UsageError("A text to search for is empty.")


@dataclass(frozen=True, slots=True)
class Query:
    """A weighted sum of pictures and texts."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not self.terms:
            raise UsageError("There is nothing to search for; give a picture's path or a text in quotes.")

    @classmethod
    def parse(cls, words: Sequence[str]) -> "Query":
        """Read a command line: `"2:a red car" ./sketch.png - "toy"`.

        Each word is a picture or a text, after an optional weight and a colon; a lone `-` makes the next one negative.
        A word that is the path of a file is a picture, also if it looks like something else; so is an address in object
        storage. Otherwise `image:PATH` and `text:WORDS` say what follows, to the end of the word (`text:3:10 to Yuma`);
        a word with a picture's extension or a slash is taken for a mistyped path and refused; the others are texts.
        Raises UsageError.
        """
        terms: list[Term] = []
        sign = 1.0
        for word in words:
            if word == "-" and sign > 0:
                sign = -1.0
            elif word == "-":
                raise UsageError("There are two lone - in a row; each must stand before a picture or a text.")
            else:
                terms.append(_term(word, sign))
                sign = 1.0
        if sign < 0:
            raise UsageError("The last word is a lone -; it must stand before a picture or a text.")
        return cls(tuple(terms))

    def vector(self, retriever: RetrieverLike) -> Float32[np.ndarray, " d"]:
        """The weighted sum of the parts, as a vector of the retriever's space.

        For the cosine it is the sum of the parts' normalised vectors, normalised. In the ball it is the weighted mean
        of the parts in the tangent space at the centre, exp0(sum of w log0(x) / sum of |w|), so that a single part is
        its own point, whatever its weight, or mirrored at the centre where that is negative.

        Raises ImageError for a picture that cannot be opened, UsageError for parts that cancel out, SamekindError for
        a part that the retriever has no point in the ball for.
        """
        images = [term for term in self.terms if term.kind == "image"]
        texts = [term for term in self.terms if term.kind == "text"]
        found = [retriever.encode_images([term.value for term in images])] if images else []
        found += [retriever.encode_texts([str(term.value) for term in texts])] if texts else []
        weights = np.array([term.weight for term in (*images, *texts)], np.float64)
        space = space_of(retriever.space, f"The retriever {retriever.name}")
        return space.composed(weights, np.concatenate(found))


def _term(word: str, sign: float) -> Term:
    if _is_file(word):
        return Term("image", word, sign)
    if found := _WEIGHT.fullmatch(word):
        sign, word = sign * float(found[1]), found[2]
    if word.startswith("text:"):
        return Term("text", word.removeprefix("text:"), sign)
    forced = word.startswith("image:")
    path = word.removeprefix("image:")
    if _is_file(path) or is_object(path):
        return Term("image", path, sign)
    if forced or "/" in word or "\\" in word or Path(word).suffix.lower().removeprefix(".") in EXTENSIONS:
        raise UsageError(_no_picture(path, forced=forced))
    return Term("text", word, sign)


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return False


def _no_picture(path: str, *, forced: bool) -> str:
    if "://" in path:
        return f"{path} is an address; a search fetches none. Download the picture, and search with the file."
    try:
        found = Path(path).is_dir()
    except (OSError, ValueError):
        found = False
    what = "is a folder, not a picture" if found else "does not exist"
    return f"The picture {path} {what}." + ("" if forced else f" If it is a text, write 'text:{path}'.")
