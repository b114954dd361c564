"""A gallery of sixty pictures and a manifest of forty queries, for searches with many pictures at once."""

import json
from pathlib import Path

import pytest
from palette import PaletteRetriever, paint

from samekind.gallery import batch, report
from samekind.gallery.store import Gallery
from samekind.retriever import encode


def smaller(patch: pytest.MonkeyPatch) -> None:
    """Batches of four, two of them in a block; progress of every picture."""
    patch.setattr(encode, "BATCH", 4)
    patch.setattr(batch, "BLOCK", 8)
    patch.setattr(report, "TICK", 0.0)


def ask(folder: Path) -> Path:
    """A manifest: pictures of two domains, some of them twice, and three that are none."""
    for seed in range(30):
        paint(folder / "asked" / f"{seed:02}.png", 100 + seed)
    (folder / "asked" / "text.png").write_text("no picture")
    rows = [{"uri": f"asked/{n % 30:02}.png", "domain": ["photo", "other"][n % 2]} for n in range(37)]
    rows[5:5] = [{"uri": "asked/gone.png"}, {"uri": "asked/text.png"}, {"uri": "http://localhost/a.png"}]
    manifest = folder / "asked.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


def paint_sixty(folder: Path) -> Path:
    """Pictures in three domains."""
    for seed in range(60):
        paint(folder / "pictures" / f"d{seed % 3}" / f"{seed}.png", seed)
    return folder / "pictures"


def filled(pictures: Path, retriever: PaletteRetriever) -> Gallery:
    """A gallery of them, made once for each retriever."""
    gallery = Gallery.open(pictures.parent / retriever.name, retriever, create=True)
    if not gallery.rows:
        gallery.add(pictures, domain_from_folder=True)
    return gallery
