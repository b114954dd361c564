"""What the demo finds: labelled vectors, the scores of all pairs of domains, and a page of queries with their hits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int

from samekind.datasets.folder import Folder
from samekind.errors import SamekindError
from samekind.evaluation.pairs import Pair, mean, score_pair, score_pairs
from samekind.gallery.hits import Hit
from samekind.gallery.page import Row, Section, Table, render_page
from samekind.gallery.query import Term
from samekind.gallery.store import Gallery
from samekind.retriever.protocol import RetrieverLike

METRICS = ("P@1", "P@5", "mAP@all")
HITS = 6
MANY, SOME = 20, 8  # rows on the page: of the pair that it opens with, and of each of the others
SECTIONS = 4

# Parts of domains' names, the most telling first, that say which domain is drawn and which is photographed.
DRAWN = ("sketch", "draw", "line", "clipart", "cartoon", "art", "paint")
PHOTOGRAPHED = ("photo", "real", "product", "image")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Every picture of the gallery with its class: row n of `vectors` shows classes[labels[n]], of the domain of[n]."""

    folder: Folder
    vectors: Float32[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    of: list[str]
    uris: list[str]
    classes: tuple[str, ...]

    @property
    def domains(self) -> list[str]:
        """The domains that have pictures, sorted."""
        return sorted(set(self.of))

    @property
    def leading(self) -> tuple[str, str]:
        """The domain that asks first (drawn, where one is) and the one that answers first (photographed)."""
        return leading(self.domains)


@dataclass(frozen=True, slots=True)
class Results:
    """The scores of the demo: pictures against pictures, and class names against pictures."""

    pairs: list[Pair]
    texts: list[Pair]


def labelled(gallery: Gallery, folder: Folder) -> Labelled:
    """The gallery's vectors with the classes that their paths name; exact duplicates count at each of their places.

    Raises SamekindError where fewer than two domains have pictures.
    """
    snapshot = gallery.snapshot()
    names = {name: n for n, name in enumerate(folder.every_class)}
    places = [
        (row, place, uri)
        for row, found in enumerate(uris(gallery))
        for uri in found
        if (place := folder.place(uri)) is not None
    ]
    of = [domain for _, (domain, _), _ in places]
    if len(set(of)) < 2:
        raise SamekindError(
            f"Fewer than two domains of {folder.root} have pictures that can be used, so there is nothing to search "
            f"across; {gallery.path}/skipped.jsonl says what is wrong with the others."
        )
    return Labelled(
        folder,
        np.asarray(snapshot.vectors[[row for row, _, _ in places]], np.float32),
        np.array([names[label] for _, (_, label), _ in places]),
        of,
        [uri for _, _, uri in places],
        folder.every_class,
    )


def uris(gallery: Gallery) -> list[list[str]]:
    """The places of each row of the gallery."""
    rows = gallery.snapshot().rows
    first, copies = rows.column("uri").to_pylist(), rows.column("copies").to_pylist()
    return [[uri, *(copy["uri"] for copy in more)] for uri, more in zip(first, copies, strict=True)]


def leading(domains: Sequence[str]) -> tuple[str, str]:
    """Two different domains: a drawn one, if there is one, to ask, and a photographed one to answer."""

    def first(words: Sequence[str], among: Sequence[str]) -> str | None:
        return next((name for word in words for name in among if word in name.lower()), None)

    photo = first(PHOTOGRAPHED, domains) or domains[-1]
    others = [name for name in domains if name != photo]
    return first(DRAWN, others) or others[0], photo


def sentence(name: str) -> str:
    """A class name as a person would type it."""
    words = name.replace("_", " ").lower()
    return f"an {words}" if words[:1] in "aeiou" else f"a {words}"


def results(found: Labelled, retriever: RetrieverLike) -> Results:
    """P@1, P@5 and mAP of all ordered pairs of domains, and of the class names against each domain."""
    of, classes = np.asarray(found.of), np.arange(len(found.classes))
    texts = retriever.encode_texts([sentence(name) for name in found.classes])
    scored = [
        score_pair(("class name", domain), (texts, classes), (found.vectors[of == domain], found.labels[of == domain]))
        for domain in found.domains
    ]
    return Results(score_pairs(found.vectors, found.labels, found.of), scored)


def page(gallery: Gallery, found: Labelled, scores: Results) -> str:
    """A self-contained page: the scores, then some queries of some pairs with their hits, ticked by class."""
    query, photo = found.leading
    shown = [(query, photo), (photo, query)]
    shown += [(query, name) for name in found.domains if name not in (query, photo)]
    shown += [(name, photo) for name in found.domains if name not in (query, photo)]
    sections = [_pictures(gallery, found, pair, MANY if n == 0 else SOME) for n, pair in enumerate(shown[:SECTIONS])]
    sections.append(_names(gallery, found, photo))
    first = next(pair for pair in scores.pairs if (pair.query, pair.gallery) == (query, photo))
    lead = (
        f"{len(found.uris):,} pictures of {len(found.classes)} classes in {len(found.domains)} domains, encoded by "
        f"{gallery.meta.name}. Queries from {query}, hits from {photo}: the first hit is of the same class for "
        f"{round(first.metrics['P@1'] * first.queries):,} of the {first.queries:,} queries, by chance for "
        f"{round(first.chance * first.queries):,}."
    )
    title = "The same kind of thing, in another style"
    return render_page(title, sections, lead=lead, tables=[_matrix(found, scores)])


def _matrix(found: Labelled, scores: Results) -> Table:
    """P@1, queries down, galleries across."""
    of = {(pair.query, pair.gallery): f"{pair.metrics['P@1']:.2f}" for pair in (*scores.pairs, *scores.texts)}
    chance = sum(pair.chance for pair in scores.pairs) / len(scores.pairs)
    rows = [[query, *(of.get((query, name), "") for name in found.domains)] for query in (*found.domains, "class name")]
    caption = f"P@1: mean over pairs of domains {mean(scores.pairs, 'P@1'):.2f}, by chance {chance:.2f}"
    return Table(caption, ["query", *(f"in {name}" for name in found.domains)], rows)


def _pictures(gallery: Gallery, found: Labelled, pair: tuple[str, str], limit: int) -> Section:
    """One picture of each class (of `limit` classes) as queries, drawn by lot."""
    rng = np.random.default_rng(0)
    asked = np.flatnonzero(np.asarray(found.of) == pair[0])
    chosen = [int(rng.choice(asked[found.labels[asked] == label])) for label in np.unique(found.labels[asked])]
    chosen = sorted(rng.permutation(chosen)[:limit].tolist(), key=chosen.index)
    hits = gallery.nearest(found.vectors[chosen], HITS, domains=[pair[1]])
    rows = [
        _row(found, Term("image", found.uris[n]), int(found.labels[n]), each)
        for n, each in zip(chosen, hits, strict=True)
    ]
    return Section(f"{pair[0]} finds {pair[1]}", rows)


def _names(gallery: Gallery, found: Labelled, domain: str) -> Section:
    """Class names as queries."""
    every = range(len(found.classes))
    chosen = sorted(np.random.default_rng(0).permutation(every)[:SOME].tolist())
    terms = [Term("text", sentence(found.classes[n])) for n in chosen]
    vectors = gallery.retriever.encode_texts([str(term.value) for term in terms])
    hits = gallery.nearest(vectors, HITS, domains=[domain])
    rows = [_row(found, term, n, each) for term, n, each in zip(terms, chosen, hits, strict=True)]
    return Section(f"class names find {domain}", rows)


def _row(found: Labelled, query: Term, label: int, hits: Sequence[Hit]) -> Row:
    name = found.classes[label]
    places = [found.folder.place(hit.uri) for hit in hits]
    return Row([query], hits, name, [place is not None and place[1] == name for place in places])
