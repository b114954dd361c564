"""Draws docs/images/tki.png: what TKI learned from the names of the drawn world, and where its pictures then lie.

    python docs/tki_map.py [--per-class 12]

To the left the Poincare disk: names, their texts under all domain words, and pictures that training never saw. Points
of the ball come to the disk by the two directions in which the names differ most (a principal component analysis of
tangent vectors at the centre, which keeps the centre where it is) and the map back into a ball of two dimensions.
To the right some of the domain words: the real words under which texts look most alike to those under the learned one.
"""

import argparse
import tempfile
from pathlib import Path
from typing import cast

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor

import samekind
from samekind.datasets.toyworld import CLASSES, generate
from samekind.methods.tki import TKI
from samekind.nn import poincare
from samekind.training.names import read_names
from samekind.training.styles import StyledTexts, WordSettings, WordStage

DOMAINS = {"photo": "o", "sketch": "s", "cartoon": "^", "painting": "D"}
SHOWN = 10  # names in colours of their own
WORDS = 12  # in the table


def main() -> None:
    """Learn from names, encode pictures, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-class", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images" / "tki.png")
    options = parser.parse_args()
    names = [name.replace("_", " ") for name in sorted(CLASSES)]
    retriever = samekind.train("tki", classes=names)
    method = cast("TKI", retriever.method)
    # The words themselves are not part of a retriever: the same seed learns the same ones.
    stage = WordStage(StyledTexts(retriever.encoder, names), WordSettings(), 0)
    for number in range(stage.epochs):
        stage.epoch(number)
    with tempfile.TemporaryDirectory(prefix="samekind-world-") as folder, torch.no_grad():
        generate(Path(folder), per_class=options.per_class)
        styled = stage.texts.under(stage.words, torch.arange(SHOWN)).flatten(0, 1)
        plain = samekind.load("mini")
        pictures = {
            domain: torch.from_numpy(
                np.concatenate(
                    [
                        plain.encode_images(
                            [str(file) for file in sorted((Path(folder) / domain / name).glob("*.png"))]
                        )
                        for name in sorted(CLASSES)[:SHOWN]
                    ]
                )
            )
            for domain in DOMAINS
        }
        tangents = {
            "names": method.tangent(method.project(method.names)),
            "texts": method.tangent(method.project(styled)),
            **{domain: method.tangent(method.project(each)) for domain, each in pictures.items()},
        }
    mpl.rcParams.update({"font.size": 8, "svg.hashsalt": "samekind"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5.6), width_ratios=(1.1, 1))
    disk(left, tangents, names[:SHOWN], options.per_class)
    table(right, stage)
    figure.tight_layout()
    figure.savefig(options.out, dpi=110)


def disk(axes: plt.Axes, tangents: dict[str, Tensor], names: list[str], per_class: int) -> None:
    """The disk of radius one, with everything in it."""
    _, _, directions = torch.linalg.svd(tangents["names"][:SHOWN] - tangents["names"][:SHOWN].mean(0))
    flat = {key: poincare.exp0(2.0 * each @ directions[:2].T, 1.0).numpy() for key, each in tangents.items()}
    colours = plt.get_cmap("tab10")(np.arange(SHOWN))
    axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.6"))
    words = len(flat["texts"]) // SHOWN
    axes.scatter(*flat["texts"].T, s=2, color=np.tile(colours, (words, 1)), alpha=0.25)
    for domain, mark in DOMAINS.items():
        own = np.repeat(colours, per_class, axis=0)
        axes.scatter(*flat[domain].T, s=12, marker=mark, color=own, edgecolors="white", linewidths=0.3, label=domain)
    for name, place, colour in zip(names, flat["names"], colours, strict=False):
        axes.annotate(name, place, color=colour, weight="bold", ha="center", va="center", fontsize=9)
    legend = axes.legend(loc="lower left", title="pictures of")
    for handle in legend.legend_handles:
        handle.set_color("0.3")
    axes.set(aspect="equal", xlim=(-1.02, 1.02), ylim=(-1.02, 1.02))
    axes.set_title("names (bold), their texts under 80 domain words (dots),\nand pictures that training never saw")
    axes.axis("off")


def table(axes: plt.Axes, stage: WordStage) -> None:
    """Domain words, the nouns whose texts are most like theirs, and the cosines."""
    nouns = read_names("generic").names
    with torch.no_grad():
        style = stage.texts.features(stage.words[:WORDS])
        plain = stage.texts.encoder.encode_text([stage.texts.template.format(noun) for noun in nouns])
        cosines, places = (style @ torch.nn.functional.normalize(plain, dim=1).T).topk(3, dim=1)
    rows = [
        [f"S{number + 1}", ", ".join(f"{nouns[place]} {value:.2f}" for place, value in zip(at, near, strict=True))]
        for number, (at, near) in enumerate(zip(places.tolist(), cosines.tolist(), strict=True))
    ]
    axes.axis("off")
    made = axes.table(
        rows, colLabels=["", "nearest: “a ... style of a”"], colWidths=[0.1, 0.9], loc="center", cellLoc="left"
    )
    made.auto_set_font_size(False)
    made.set_fontsize(8)
    made.scale(1, 1.3)
    axes.set_title(
        "some domain words, and the nouns they are most like,\n"
        f"with cosines (among the words: {stage.alike():.2f} on average)"
    )


if __name__ == "__main__":
    main()
