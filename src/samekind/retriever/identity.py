"""Which retriever this is: a hash over everything that a vector depends on, and the card that carries it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from samekind.clip.encoder import DualEncoder
from samekind.methods.base import Method
from samekind.retriever.card import Backbone, Card


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def backbone_sha256(encoder: DualEncoder) -> str:
    """The encoder's own hash, or that of its tensors when it was never on disk.

    Whoever changes an encoder's weights in memory has to set its `sha256` to the empty string.
    """
    return encoder.sha256 or tensors_sha256(encoder.state_dict())


def fingerprint(backbone: str, encoder: DualEncoder, method: Method) -> str:
    """SHA-256 (hex) of a retriever: backbone's hash, preprocessing, method, its configuration and its tensors.

    Names, scores and dates make no difference, nor does the way to the backbone.
    """
    whole = {
        "backbone": backbone,
        "preprocess": encoder.preprocess.to_dict(),
        "method": method.name,
        "config": method.config(),
        "tensors": tensors_sha256(method.state_dict()),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def describe(
    encoder: DualEncoder,
    method: Method,
    *,
    name: str | None = None,
    data_sha256: str | None = None,
    seed: int | None = None,
    commit: str | None = None,
    scores: Mapping[str, float] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Card:
    """The card of a backbone with a method: what training knows goes in by name; the backbone's name is the default."""
    backbone = backbone_sha256(encoder)
    return Card(
        name=name or encoder.name,
        method=method.name,
        config=method.config(),
        backbone=Backbone(encoder.source, encoder.name, backbone, encoder.revision),
        preprocess=encoder.preprocess,
        space=method.space,
        dim=method.dim,
        sha256=fingerprint(backbone, encoder, method),
        data_sha256=data_sha256,
        seed=seed,
        commit=commit,
        scores=scores or {},
        training=training or {},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
