"""The retriever's folder on disk: card.json, weights.safetensors, README.md, and the backbone beside them."""

import contextlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from samekind.clip.encoder import DualEncoder
from samekind.clip.weights import load_encoder, save_encoder
from samekind.errors import SamekindError, UsageError
from samekind.methods import METHODS, method_class
from samekind.methods.base import EncoderFacts, Method
from samekind.retriever.card import CARD_NAME, Backbone, Card, read_card, render_readme
from samekind.retriever.identity import fingerprint

WEIGHTS_NAME = "weights.safetensors"
BACKBONE_NAME = "backbone"
BUNDLED = "mini"


def is_retriever(folder: Path) -> bool:
    """Whether a folder claims to be a retriever."""
    return (folder / CARD_NAME).is_file()


def write_folder(target: Path, encoder: DualEncoder, method: Method, card: Card) -> Card:
    """Write a retriever as a whole or not at all; returns the card as written.

    The backbone is copied into the folder, so that loading needs nothing else; only the one that is bundled with
    samekind is named by its hash instead. An older retriever at the same place is replaced. Raises UsageError when
    something else is there, SamekindError when it cannot be written.
    """
    target = target.absolute()
    if target.is_symlink() or (target.exists() and not _may_replace(target)):
        raise UsageError(f"{target} exists and is no retriever: choose another folder, or remove it yourself.")
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        fresh.mkdir(parents=True)
        files_sha256 = None
        if not _is_bundled(encoder):
            save_encoder(encoder, fresh / BACKBONE_NAME)
            # Reading it back proves that the folder can be loaded, and gives the hash to know damage by.
            files_sha256 = load_encoder(fresh / BACKBONE_NAME).sha256
        card = replace(card, backbone=replace(card.backbone, files_sha256=files_sha256))
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()}
        save_file(tensors, fresh / WEIGHTS_NAME, metadata={"format": "pt"})
        (fresh / CARD_NAME).write_text(json.dumps(card.to_dict(), indent=2) + "\n", encoding="utf-8")
        (fresh / "README.md").write_text(render_readme(card), encoding="utf-8")
        _swap(fresh, target)
    except OSError as error:
        raise SamekindError(f"The retriever cannot be written to {target}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return card


def _may_replace(target: Path) -> bool:
    return target.is_dir() and (is_retriever(target) or not any(target.iterdir()))


def _is_bundled(encoder: DualEncoder) -> bool:
    return encoder.source == BUNDLED and bool(encoder.sha256)


def _swap(fresh: Path, target: Path) -> None:
    """Put the new folder in the old one's place; the old one waits beside it until that is done."""
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        with contextlib.suppress(OSError):
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_folder(folder: Path) -> tuple[DualEncoder, Method, Card]:
    """Everything that `write_folder` wrote, checked against the card's hashes.

    Raises SamekindError, saying what to do, when something is missing, damaged, or from a newer samekind.
    """
    card = read_card(folder)
    if card.method not in METHODS:
        raise SamekindError(
            f"{folder} was made by the method {card.method!r}, which samekind does not know (it knows "
            f"{', '.join(sorted(METHODS))}). Upgrade: pip install --upgrade samekind."
        )
    encoder = _read_backbone(folder, card)
    method = method_class(card.method).from_config(card.config, EncoderFacts.of(encoder))
    weights = folder / WEIGHTS_NAME
    try:
        method.load_state_dict(load_file(weights))
    except FileNotFoundError as error:
        raise SamekindError(f"{folder} is incomplete: {WEIGHTS_NAME} is missing. {_RESTORE}") from error
    except (OSError, SafetensorError, RuntimeError) as error:
        raise SamekindError(
            f"{weights} does not hold what its card describes ({_first_line(error)}). {_RESTORE}"
        ) from error
    found = fingerprint(card.backbone.sha256, encoder, method)
    if (found, method.dim, method.space) != (card.sha256, card.dim, card.space):
        raise SamekindError(
            f"{folder} does not match its card (sha256 {found[:12]}, not {card.sha256[:12]}). {_RESTORE}"
        )
    return encoder, method, card


def _read_backbone(folder: Path, card: Card) -> DualEncoder:
    expected: Backbone = card.backbone
    if expected.files_sha256 is None:
        encoder = load_encoder(BUNDLED)
        if encoder.sha256 != expected.sha256:
            raise SamekindError(
                f"{folder} was made on another {BUNDLED!r} (sha256 {expected.sha256[:12]}) than that of this samekind "
                f"({encoder.sha256[:12]}). Install the one it was made with (pip install samekind=={card.samekind}), "
                "or make the retriever again."
            )
        return encoder
    path = folder / BACKBONE_NAME
    if not path.is_dir():
        raise SamekindError(f"{folder} is incomplete: its backbone in {path} is missing. {_RESTORE}")
    encoder = load_encoder(path)
    if encoder.sha256 != expected.files_sha256:
        raise SamekindError(f"{path} is not the backbone that the card describes. {_RESTORE}")
    # A copy is written anew and so has another hash as a file; what it is, the card says.
    encoder.name, encoder.sha256, encoder.revision = expected.name, expected.sha256, expected.revision
    encoder.preprocess = card.preprocess
    return encoder


_RESTORE = "Restore the folder from a copy, or make the retriever again."


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
