"""Both stages one after the other, from a captions table to a checkpoint folder with a card."""

import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

import samekind
from samekind.clip.mobilenet import HEAD_CHANNELS, STRIDE, MobileNet
from samekind.clip.weights import new_encoder, save_encoder
from samekind.errors import UsageError
from samekind.images.preprocess import Preprocess
from samekind.nn.processes import first_alone, place
from samekind.pretrain.augment import DRAWING, PAINTING
from samekind.pretrain.captions import Captioned, Told, balanced_weights, load_pictures, read_captions
from samekind.pretrain.exclude import lookalikes
from samekind.pretrain.head import finish
from samekind.pretrain.origin import Inputs, Origin, TextPart, find_origin
from samekind.pretrain.recipe import Recipe
from samekind.pretrain.visual import NO_DOMAIN, Material, train_visual

Report = Callable[[str, dict[str, float]], None]
GIVEN_STYLES = {DRAWING: "drawing", PAINTING: "painting"}  # what a changed picture is called
SKIPPED = "skipped.jsonl"  # of the table's pictures, with the reasons
HOLD_OUT = 12  # every twelfth picture, by the hash of its path, of captions that two domains share


def pretrain(
    inputs: Inputs, out: Path, recipe: Recipe, *, seed: int, report: Report, command: str | None = None
) -> dict[str, Any]:
    """Make a dual encoder in the folder `out` and return its card, which keeps `command`, what was typed.

    The same call again goes on where a killed one stopped (`out/work`). The folder is a checkpoint that
    `samekind index --retriever out` takes.
    """
    if recipe.image_size % STRIDE:
        raise UsageError(f"image_size {recipe.image_size} must be a multiple of {STRIDE}: a token is as wide")
    work = out / "work"
    clock = Clock(work, report)
    with first_alone():
        listed, opening = read_captions(inputs.captions), clock.counting("opening")
        rows, pictures, skipped = load_pictures(inputs.captions.parent, listed, work, opening)
        dropped = np.zeros(len(rows), bool)
        if inputs.exclude:
            dropped = lookalikes(rows, pictures, inputs.exclude, work, clock.counting("excluding"))
        held = held_out(rows) & ~dropped
        origin = find_origin(inputs, recipe)
        material = gather(rows, pictures, dropped | held, origin, recipe, work, clock.counting("asking"))
    # Before training, which changes this tower in place.
    before = {name: tensor.clone() for name, tensor in origin.tower.state_dict().items()}
    scores = {"before": held_out_scores(origin.tower, material, rows, held, recipe.image_size)}
    tower = train_visual(
        origin.tower, material, recipe.visual, seed=seed, work=work, report=lambda parts: clock("pictures", parts)
    )
    with first_alone():
        text = origin.text_part(sorted({row.caption for row in rows}), seed, work, lambda parts: clock("words", parts))
    if place()[0] > 0:
        return {}
    scores["trained"] = held_out_scores(tower, material, rows, held, recipe.image_size)
    finish(before, tower, material, recipe.head, recipe.visual, seed=seed, report=lambda parts: clock("head", parts))
    scores["finished"] = held_out_scores(tower, material, rows, held, recipe.image_size)
    card = {
        "schema": 1,
        "samekind": samekind.__version__,
        "name": out.resolve().name,
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "command": command,
        "seconds": round(clock.seconds()),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "seed": seed,
        "recipe": recipe.to_dict(),
        "data": {
            "pictures": len(rows) - int(dropped.sum()) - int(held.sum()),
            "held_out": int(held.sum()),
            "dropped_as_lookalikes": dict(Counter(rows[i].domain or "-" for i in np.flatnonzero(dropped))),
            "unreadable": len(skipped),
            "captions_sha256": hashlib.sha256(inputs.captions.read_bytes()).hexdigest(),
            **origin.facts,
        },
        "scores": scores,
    }
    write_encoder(out, tower, text, recipe)
    (out / SKIPPED).write_text("".join(f"{json.dumps(each)}\n" for each in skipped), encoding="utf-8")
    (out / "pretrain.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    return card


class Clock:
    """Passes reports on, and keeps the seconds of all calls for one folder, those of killed ones included."""

    def __init__(self, work: Path, report: Report) -> None:
        self.file, self.report = work / "seconds", report
        self.before = float(self.file.read_text()) if self.file.is_file() else 0.0
        self.began = self.written = time.monotonic()

    def __call__(self, stage: str, parts: dict[str, float]) -> None:
        """A report; the time is written down at most once a second."""
        if place()[0] > 0:
            return
        if time.monotonic() - self.written > 1:
            self.written = time.monotonic()
            self.file.write_text(f"{self.seconds():.1f}")
        self.report(stage, parts)

    def counting(self, stage: str) -> Told:
        """What a stage without figures is to call: how many things are done, and of how many."""
        return lambda done, total: self(stage, {"step": float(done), "steps": float(total)})

    def seconds(self) -> float:
        """Spent so far."""
        return self.before + time.monotonic() - self.began


def held_out(rows: Sequence[Captioned]) -> Bool[np.ndarray, " n"]:
    """Marks the pictures that training never sees: the card's scores are measured on them."""
    domains: dict[str, set[str]] = {}
    for row in rows:
        domains.setdefault(row.caption, set()).add(row.domain)
    chosen = [int(hashlib.sha256(row.file.encode()).hexdigest(), 16) % HOLD_OUT == 0 for row in rows]
    return np.array([pick and len(domains[row.caption]) > 1 for pick, row in zip(chosen, rows, strict=True)], bool)


def gather(
    rows: Sequence[Captioned],
    pictures: np.ndarray,
    unused: Bool[np.ndarray, " n"],
    origin: Origin,
    recipe: Recipe,
    work: Path,
    told: Told,
) -> Material:
    """Everything the visual stage needs; the teacher's answers are kept in `work`."""
    captions, domains = sorted({row.caption for row in rows}), sorted({row.domain for row in rows})
    weights = balanced_weights(list(rows), recipe.shares)
    weights[unused] = 0
    trusted = torch.tensor([recipe.trust.get(row.domain, 1.0) for row in rows])
    logs, features = ask(origin, pictures, trusted > 0, work / "teacher.safetensors", told)
    words = [recipe.domain_words.get(domain, domain.replace("_", " ") or "picture") for domain in domains]
    words = [*words, *(style for style in GIVEN_STYLES.values() if style not in words)]
    given = [words.index(GIVEN_STYLES[style]) if style in GIVEN_STYLES else NO_DOMAIN for style in range(4)]
    caption_row = {caption: i for i, caption in enumerate(captions)}
    return Material(
        pictures=pictures,
        weights=weights / weights.sum(),
        caption=torch.tensor([caption_row[row.caption] for row in rows]),
        domain=torch.tensor([domains.index(row.domain) for row in rows]),
        drawn=torch.tensor([plain_ground(picture) for picture in pictures]),
        texts=origin.space(captions),
        domain_texts=origin.space(words),
        given=torch.tensor(given),
        label_texts=origin.label_texts,
        label_logs=logs,
        features=features,
        trusted=trusted,
    )


def ask(
    origin: Origin, pictures: np.ndarray, wanted: Bool[Tensor, " n"], cache: Path, told: Told
) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n f"]]:
    """What the origin says of the wanted pictures, zeros for the others; kept in the file `cache`."""
    digest = hashlib.sha256(origin.key + wanted.numpy().tobytes())
    digest.update(np.ascontiguousarray(pictures[:, ::40, ::40]).tobytes())  # sixteen pixels tell the pictures apart
    key = digest.hexdigest()
    if cache.is_file():
        with safe_open(cache, "pt") as file:
            if file.metadata() == {"key": key}:
                return file.get_tensor("logs").float(), file.get_tensor("features").float()
    logs, features = torch.zeros(len(pictures), len(origin.label_texts)), torch.zeros(len(pictures), HEAD_CHANNELS)
    origin.tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    chosen, done = torch.nonzero(wanted).flatten(), 0
    for rows in torch.split(chosen, 64):
        logs[rows], features[rows] = origin.describe(torch.from_numpy(pictures[rows.numpy()]))
        done += len(rows)
        told(done, len(chosen))
    save_file({"logs": logs.half(), "features": features.half()}, cache, metadata={"key": key})
    return logs.half().float(), features.half().float()


def plain_ground(picture: np.ndarray) -> bool:
    """Whether the picture's border is white nearly everywhere: a drawing, an icon, a silhouette."""
    border = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return bool((border.min(1) > 235).mean() > 0.9)


def held_out_scores(
    tower: MobileNet, material: Material, rows: Sequence[Captioned], held: Bool[np.ndarray, " n"], size: int
) -> dict[str, float]:
    """P@1 among the held-out pictures: does the nearest one of another domain have the same caption?"""
    places = np.flatnonzero(held)
    if len(places) < 2:
        return {}
    vectors = []
    with torch.inference_mode():
        for part in np.array_split(places, max(1, len(places) // 64)):
            pixels = torch.from_numpy(material.pictures[part]).permute(0, 3, 1, 2).float() / 127.5 - 1
            pixels = F.interpolate(pixels, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
            vectors.append(F.normalize(tower(pixels)[1], dim=1))
    z, caption, domain = torch.cat(vectors), material.caption[places], material.domain[places]
    similar = (z @ z.T).masked_fill(domain[:, None] == domain[None], -2)
    possible = ((caption[:, None] == caption[None]) & (domain[:, None] != domain[None])).any(1)
    if not possible.any():
        return {}
    right = caption[similar.argmax(1)] == caption
    named = material.texts[caption]
    return {
        "held-out P@1 across domains": round(float(right[possible].float().mean()), 4),
        "held-out cosine to the caption": round(float((z * named).sum(1).mean()), 4),
    }


def write_encoder(out: Path, tower: MobileNet, text: TextPart, recipe: Recipe) -> None:
    """The checkpoint folder: Hugging Face's layout, float16."""
    size = recipe.image_size
    config = {
        "model_type": "samekind_mini",
        "projection_dim": tower.config.projection_dim,
        "vision_config": {**tower.config.to_dict(), "image_size": size},
        "text_config": text.config,
    }
    middle = (0.5, 0.5, 0.5)
    preprocess = Preprocess(size=size, resize="squash", interpolation="bicubic", mean=middle, std=middle)
    encoder = new_encoder(config, text.files, preprocess)
    encoder.vision_model.load_state_dict(tower.state_dict())
    encoder.text_model.load_state_dict(text.tensors)
    with torch.no_grad():
        encoder.logit_scale.fill_(-float(np.log(recipe.visual.temperature)))
    save_encoder(encoder, out, dtype=torch.float16)
