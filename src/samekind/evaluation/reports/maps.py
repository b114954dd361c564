"""Maps of the pictures: vectors laid out in two dimensions, coloured by class and by domain."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from samekind.evaluation.reports.look import MARKERS, Look, figure
from samekind.evaluation.reports.plots import Plot, plot
from samekind.evaluation.reports.vectors import Vectors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Way = Literal["pca", "tsne"]
POINTS = 1500  # pictures on a map: more hide each other, and t-SNE takes its time
NAMED = 30  # classes whose name can stand in a map
LEGEND = 12  # groups that a legend can explain
BEFORE_TSNE = 50  # dimensions


def pca(vectors: Float[np.ndarray, "n d"], dimensions: int) -> tuple[Float64[np.ndarray, "n k"], float]:
    """The projection onto the directions of most variance, and the share of the variance that it keeps.

    Signs are chosen so that the largest coordinate of each direction is positive: the same vectors give the same map.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    kept = directions[:dimensions]
    signs = np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])
    total = float((sizes**2).sum())
    share = float((sizes[:dimensions] ** 2).sum()) / total if total else 1.0
    found = centred @ (kept * signs[:, None]).T
    return np.pad(found, ((0, 0), (0, dimensions - found.shape[1]))), share


def tsne(vectors: Float[np.ndarray, "n d"], seed: int) -> Float64[np.ndarray, "n 2"]:
    """t-SNE (van der Maaten and Hinton 2008) of the 50 first principal components, by scikit-learn."""
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    flat, _ = pca(vectors, min(BEFORE_TSNE, *vectors.shape))
    perplexity = max(1.0, min(30.0, (len(flat) - 1) / 3))
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(flat), np.float64)


def can_tsne() -> bool:
    """Whether scikit-learn is installed."""
    from importlib.util import find_spec

    return find_spec("sklearn") is not None


def drawn_by_lot(
    label: Int[np.ndarray, " n"], domain: Int[np.ndarray, " n"], most: int, seed: int
) -> Int[np.ndarray, " m"]:
    """At most `most` rows, as equal a number of each class and domain as there are."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(label))
    turn: dict[tuple[int, int], int] = {}
    turns = np.zeros(len(label), np.int64)
    for row in order:
        key = int(label[row]), int(domain[row])
        turns[row] = turn[key] = turn.get(key, 0) + 1
    chosen = order[np.argsort(turns[order], kind="stable")][:most]
    return np.sort(chosen)


def map_plot(label: str, vectors: Vectors, way: Way, *, seed: int = 0, number: int = 0) -> Plot:
    """One retriever's map, twice: with the classes and with the domains marked. Both show the same points."""
    rows = drawn_by_lot(vectors.label, vectors.domain, POINTS, seed)
    held = vectors.vectors[rows]
    if way == "tsne" and len(rows) > 5:
        at = tsne(held, seed)
        how = (
            "The layout is t-SNE: neighbours stay neighbours, but distances between groups and the sizes of groups "
            "mean nothing."
        )
    else:
        at, share = pca(held, 2)
        how = f"The layout is PCA: the two directions of most variance, which hold {share:.0%} of it."

    def draw(look: Look) -> "Figure":
        made = figure(10.4, 5.4)
        left, right = made.subplots(1, 2)
        _panel(left, at, vectors.label[rows], vectors.classes, look, named=True)
        left.set_title("by class")
        _panel(right, at, vectors.domain[rows], vectors.domains, look, named=False)
        right.set_title("by domain")
        return made

    shown = (
        f"{len(rows):,} of {len(vectors.label):,} pictures, drawn by lot"
        if len(rows) < len(vectors.label)
        else "every picture"
    )
    caption = (
        f"Each point is a picture ({shown}), placed by its vector. {how} For retrieval across domains, points of one "
        "class should lie together on the left, whatever their domain on the right. Colour and marker together tell "
        "groups apart."
    )
    alt = f"Map of {len(rows):,} pictures as {label} sees them, coloured by class and by domain."
    return plot(f"map-{number + 1}", f"The pictures as {label} sees them", caption, alt, draw)


def densest(points: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " 2"]:
    """The point with the smallest distances to the nearer third of the others: where a name says most."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = np.sort(apart, axis=1)[:, : max(2, len(points) // 3)]
    return np.asarray(points[near.mean(axis=1).argmin()])


def _panel(
    at: "Axes",
    points: Float64[np.ndarray, "n 2"],
    group: Int[np.ndarray, " n"],
    names: tuple[str, ...],
    look: Look,
    *,
    named: bool,
) -> None:
    present = np.unique(group)
    for n, each in enumerate(present):
        mine: Bool[np.ndarray, " n"] = group == each
        # Colour and marker run through all their pairs, so that 64 groups differ.
        marker = MARKERS[(n + n // len(look.colours)) % len(MARKERS)]
        style: dict[str, Any] = {"color": look.colour(n), "marker": marker, "linewidths": 0, "alpha": 0.75}
        at.scatter(points[mine, 0], points[mine, 1], s=16, label=_plain(names[each]) if named else names[each], **style)
    if named and len(present) <= NAMED:
        for each in present:
            x, y = densest(points[group == each])
            box = {"boxstyle": "round,pad=0.15", "facecolor": look.ground, "edgecolor": "none", "alpha": 0.6}
            above: dict[str, Any] = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center", "va": "bottom"}
            at.annotate(_plain(names[each]), (x, y), fontsize=8, bbox=box, **above)
    if len(present) <= LEGEND:
        place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.01), "frameon": False}
        at.legend(ncols=4, markerscale=1.5, columnspacing=1.0, handletextpad=0.2, **place)
    at.set_xticks([])
    at.set_yticks([])


def _plain(name: str) -> str:
    return name.replace("_", " ")
