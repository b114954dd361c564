"""How much of the true ten best an index finds, and which effort that takes: asked with pictures and with words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

from samekind.errors import SamekindError
from samekind.gallery import search
from samekind.gallery.ann.finder import Finder
from samekind.gallery.ann.record import AIM, TEN, Ann, Effort
from samekind.gallery.vectors import Snapshot
from samekind.retriever.protocol import RetrieverLike

PICTURES = 128  # queries that are rows of the gallery, each leaving itself out
_APART = 5.0  # percent of pictures whose nearest other one is further than the line between near and far
# Efforts from little to much: which part of the cells is looked into, and how many candidates are scored.
_NEAR = ((50, 100), (20, 200), (8, 300), (4, 500), (2, 500), (1, 500), (1, 1000), (1, 3000))
_FAR = ((4, 1000), (2, 1000), (1, 1000), (1, 3000))
_LEAST = 8  # cells that are looked into at least

_WORDS = (
    "airplane apple arm axe bag banana basket bear bed bee bench bicycle bird boat book bottle bowl bread bridge brush "
    "bus butterfly cake camel camera candle car castle cat chair church clock cloud computer cow crab crown cup dog "
    "dolphin door dragon drum duck elephant eye fan fence fish flower fork fox frog giraffe glasses guitar hammer hand "
    "hat helicopter horse house ice key knife ladder lamp leaf lion lobster moon mountain mouse mushroom owl piano pig "
    "pizza rabbit river road rocket sailor shark shoe snail snake spider spoon star strawberry sun swan sword table "
    "teapot telephone tent tiger train tree truck umbrella violin wheel whale window zebra"
)


@dataclass(frozen=True)
class Sample:
    """Queries with the scores of their ten best rows. `own`: the row that a query is, and does not find; or -1.

    Rows of the gallery stand for pictures that are asked with: as if a row were not there, and came as a query. The
    words stand for texts, which lie far from all pictures, so that what is nearest is spread over many cells: an index
    that is good for pictures may be bad for them.
    """

    queries: Float32[np.ndarray, "q w"]
    own: Int[np.ndarray, " q"]
    best: Float64[np.ndarray, "q 10"]

    def kinds(self) -> dict[str, Int[np.ndarray, " m"]]:
        """Which queries are of which kind."""
        found = {"pictures": np.flatnonzero(self.own >= 0), "words": np.flatnonzero(self.own < 0)}
        return {name: queries for name, queries in found.items() if len(queries)}


@dataclass(frozen=True)
class Answer:
    """What one effort found: the share of each query's ten best, and the score of the best one (-inf: nothing)."""

    recall: Float64[np.ndarray, " q"]
    first: Float64[np.ndarray, " q"]


def sample(snapshot: Snapshot, retriever: Callable[[], RetrieverLike]) -> Sample:
    """Draw queries, always the same ones for the same gallery, and compare them with every row.

    A retriever that is not there, or knows no words, leaves pictures alone.
    """
    drawn = np.random.default_rng(0).choice(len(snapshot), min(PICTURES, len(snapshot)), replace=False)
    own = np.sort(drawn)
    queries = snapshot.space.queries(snapshot.vectors_of(own.tolist()))
    try:
        words = snapshot.space.queries(retriever().encode_texts(_texts()))
    except (SamekindError, ValueError):
        words = queries[:0]
    queries = np.concatenate([queries, words])
    own = np.concatenate([own, np.full(len(words), -1)])
    space, longest = snapshot.space, snapshot.longest
    found = search.top_k(snapshot.vectors, queries, TEN + 1, space=space, longest=longest)
    best = [_others(rows, scores, int(one)) for (rows, scores), one in zip(found, own, strict=True)]
    return Sample(queries, own, np.stack(best))


def _texts() -> list[str]:
    """Words as people type them, and as models are asked."""
    return [f"a photo of a {word}" if number % 2 else word for number, word in enumerate(_WORDS.split())]


def _others(rows: Int[np.ndarray, " k"], scores: Float64[np.ndarray, " k"], own: int) -> Float64[np.ndarray, " t"]:
    return np.asarray(scores[rows != own][:TEN])


def asked(finder: Finder, drawn: Sample, effort: Effort) -> Answer:
    """Ask with one effort. Whatever scores as well as the tenth best counts as found: ties have no order."""
    recall, first = np.zeros(len(drawn.own)), np.full(len(drawn.own), -np.inf)
    for number, (query, own, best) in enumerate(zip(drawn.queries, drawn.own, drawn.best, strict=True)):
        if found := finder.ask(query, TEN + 1, effort):
            scores = _others(*found, int(own))
            recall[number], first[number] = np.count_nonzero(scores >= best[-1]) / TEN, scores[0]
    return Answer(recall, first)


def tuned(finder: Finder, drawn: Sample) -> Ann:
    """The least efforts that reach the aim, and what they find together; state `exact` where none does.

    The line between queries that are near to rows and far from all is where the pictures' own nearest neighbours thin
    out. Far ones have their neighbours in very many cells. An effort reaches the aim with both halves of the queries,
    so that chance does not choose it.
    """
    line = float(np.percentile(drawn.best[drawn.own >= 0, 0], _APART))
    near_ones = drawn.best[:, 0] >= line
    answers: dict[Effort, Answer] = {}
    near = _least(finder, drawn, near_ones, _NEAR, answers)
    far = _least(finder, drawn, ~near_ones, _FAR, answers) if near else None
    last = near or list(answers)[-1]
    recall = answers[last].recall
    if near:
        again = answers[far].recall if far else np.ones_like(recall)  # compared with every row
        recall = np.where(answers[near].first >= line, recall, again)
    kinds = drawn.kinds()
    found = {name: round(float(recall[queries].mean()), 4) for name, queries in kinds.items()}
    ready = near is not None and all(share >= AIM for share in found.values())
    return replace(
        finder.ann,
        state="ready" if ready else "exact",
        near=last,
        far=None if far == near else far,
        line=line if far != near else None,
        recall=found,
        queries={name: len(queries) for name, queries in kinds.items()},
    )


def _least(
    finder: Finder,
    drawn: Sample,
    ones: Bool[np.ndarray, " q"],
    ladder: Sequence[tuple[int, int]],
    answers: dict[Effort, Answer],
) -> Effort | None:
    """The first effort that reaches the aim with these queries; `answers` gets what was asked."""
    partitions = finder.ann.partitions
    for part, candidates in ladder:
        effort = Effort(min(partitions, max(_LEAST, partitions // part)), candidates)
        if effort not in answers:
            answers[effort] = asked(finder, drawn, effort)
        if _reached(answers[effort].recall[ones]):
            return effort
    return None


def _reached(recall: Float64[np.ndarray, " q"]) -> bool:
    return all(half.mean() >= AIM for half in (recall[::2], recall[1::2]) if len(half))
