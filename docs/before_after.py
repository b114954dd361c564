"""Draws docs/images/tpsnet.png: what `mini` finds for three paintings among sketches, before and after TPSNet.

    python docs/before_after.py [--per-class 40]

The drawn world, its paintings and sketches; training looks at all pictures and knows no class, but how many there are.
The three queries are not chosen for their beauty: the one whose average precision gained most, the one in the middle,
the one that lost most.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import samekind
from samekind.datasets.toyworld import CLASSES, generate
from samekind.retriever.store import Retriever

QUERY, GALLERY = "painting", "sketch"
SIDE, GAP, HITS = 96, 6, 8
GREEN, RED, GREY = (40, 140, 70), (200, 50, 50), (110, 110, 110)


def main() -> None:
    """Draw the world, train, search, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images" / "tpsnet.png")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samekind-world-") as folder:
        world = Path(folder)
        generate(world, per_class=options.per_class)
        after = samekind.train("tpsnet", world, domains=[QUERY, GALLERY], classes_count=len(CLASSES))
        files = {domain: sorted((world / domain).rglob("*.png")) for domain in (QUERY, GALLERY)}
        orders = [ranked(each, files) for each in (samekind.load("mini"), after)]
        relevant = np.array(
            [[query.parent.name == hit.parent.name for hit in files[GALLERY]] for query in files[QUERY]]
        )
        before, then = (precision(np.take_along_axis(relevant, order, 1)) for order in orders)
        gain = np.argsort(then - before, kind="stable")
        rows = [("gained most", gain[-1]), ("in the middle", gain[len(gain) // 2]), ("lost most", gain[0])]
        title = f"{len(before)} paintings among {len(files[GALLERY])} sketches: mean average precision "
        title += f"{before.mean():.2f} with mini, {then.mean():.2f} after TPSNet"
        sheet(title, rows, orders, files, (before, then)).save(options.out, optimize=True)


def ranked(retriever: Retriever, files: dict[str, list[Path]]) -> np.ndarray:
    """For each query the gallery's places, best first."""
    queries, gallery = (retriever.encode_images([str(each) for each in files[name]]) for name in (QUERY, GALLERY))
    return np.argsort(-queries @ gallery.T, axis=1, kind="stable")


def precision(hits: np.ndarray) -> np.ndarray:
    """The average precision of each query."""
    at = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    return (at * hits).sum(1) / np.maximum(hits.sum(1), 1)


def sheet(
    title: str,
    rows: list[tuple[str, int]],
    orders: list[np.ndarray],
    files: dict[str, list[Path]],
    precisions: tuple[np.ndarray, np.ndarray],
) -> Image.Image:
    """A query, then two rows of hits: green frames are of its class."""
    step, label = SIDE + GAP, 18
    height = 2 * (step + label) + 2 * GAP
    canvas = Image.new("RGB", (GAP + step * (HITS + 1) + 3 * GAP, height * len(rows) + 30), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    draw.text((GAP, GAP), title, "black", font)
    for row, (said, query) in enumerate(rows):
        top, asked = row * height + GAP + 30, files[QUERY][query]
        draw.text((GAP, top), said, GREY, font)
        canvas.paste(thumbnail(asked), (GAP, top + label))
        draw.text((GAP, top + label + step), asked.parent.name, GREY, font)
        for line, (name, order) in enumerate(zip(("mini", "TPSNet"), orders, strict=True)):
            left, y = GAP + step + 3 * GAP, top + line * (step + label)
            draw.text((left, y), f"{name}, average precision {precisions[line][query]:.2f}", GREY, font)
            for place, hit in enumerate(order[query][:HITS]):
                found = files[GALLERY][hit]
                x = left + place * step
                frame = GREEN if found.parent.name == asked.parent.name else RED
                draw.rectangle((x - 2, y + label - 2, x + SIDE + 1, y + label + SIDE + 1), fill=frame)
                canvas.paste(thumbnail(found), (x, y + label))
    return canvas


def thumbnail(file: Path) -> Image.Image:
    """A picture at the sheet's size."""
    with Image.open(file) as picture:
        return picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
