"""How plots look: colours with enough contrast on light and dark ground, markers, files without a date in them."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "os^DvPX*"
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "+++", "***")
DPI = 110


@dataclass(frozen=True, slots=True)
class Look:
    """A ground, an ink, a line for what matters less, and eight colours that keep 3:1 to the ground (WCAG 1.4.11)."""

    name: str
    ground: str
    ink: str
    soft: str
    colours: tuple[str, ...]
    ramp: str  # matplotlib's name of the colours for amounts

    def colour(self, n: int) -> str:
        """The n-th colour, from the first again after the last; markers, dashes or hatches then tell apart."""
        return self.colours[n % len(self.colours)]


LIGHT = Look(
    "light",
    "#ffffff",
    "#1c1c20",
    "#76767e",
    ("#0b5fa5", "#b8441a", "#1b7a4b", "#7b3fa0", "#6b5b00", "#b0246f", "#4a4a52", "#007a87"),
    "Blues",
)
DARK = Look(
    "dark",
    "#1f2125",
    "#ebe9e4",
    "#8d8b86",
    ("#7db8f0", "#f0a07a", "#74d19c", "#c9a0e8", "#d8c860", "#f08fc0", "#cfcfd4", "#6fd3de"),
    "cividis",
)


@contextmanager
def drawing(look: Look) -> Iterator[None]:
    """Matplotlib's settings for a look, for as long as the block lasts."""
    import matplotlib as mpl

    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor"), look.ink)
    ground = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), look.ground)
    other: dict[str, Any] = {
        "axes.edgecolor": look.soft,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": look.soft,
        "grid.alpha": 0.35,
        "legend.edgecolor": look.soft,
        "legend.framealpha": 0.9,
        "font.family": "DejaVu Sans",
        "font.size": 10.0,
        "axes.titlesize": 10.5,
        "svg.hashsalt": "samekind",
        "text.parse_math": False,
        "hatch.linewidth": 0.7,
    }
    settings: Any = {**ink, **ground, **other}
    with mpl.rc_context(settings):
        yield


def figure(width: float, height: float) -> "Figure":
    """A figure of inches that no global state knows of; saved by the Agg renderer whatever the machine has."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(made)
    return made


def png(made: "Figure") -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    file = io.BytesIO()
    made.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue()


def svg(made: "Figure") -> bytes:
    """The figure as SVG, without a date in it."""
    file = io.BytesIO()
    made.savefig(file, format="svg", metadata={"Date": None, "Creator": "samekind"})
    return file.getvalue()
