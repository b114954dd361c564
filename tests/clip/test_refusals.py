"""A checkpoint that is damaged, or that lies, is refused by file and key before anything large is allocated."""

import struct
from typing import Any

import pytest
import torch
from safetensors import safe_open

A_WEIGHT = "text_model.final_layer_norm.weight"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "tf_model.h5"])
def test_other_weight_formats_are_refused_with_the_way_to_convert(checkpoint, name: str) -> None:
    (checkpoint.folder / "model.safetensors").rename(checkpoint.folder / name)
    message = checkpoint.refusal()
    assert name in message
    assert "save_pretrained" in message


CONFIG_DAMAGE = [
    (lambda c: c.update(model_type="bert"), "model_type is 'bert'"),
    (lambda c: c.update(model_type=["clip"]), "model_type"),
    (lambda c: c.update(model_type="siglip2"), "fixed-resolution"),
    (lambda c: c.update(text_config=[1]), "text_config"),
    (lambda c: c.update(projection_dim="16"), "projection_dim is '16'"),
    (lambda c: c.update(projection_dim=0), "projection_dim is 0"),
    (lambda c: c.update(projection_dim=17), "projection.weight has shape"),
    (lambda c: c["text_config"].update(hidden_size=10**12), "text_config.hidden_size"),
    (lambda c: c["text_config"].update(hidden_size=True), "text_config.hidden_size"),
    (lambda c: c["text_config"].update(hidden_size=-24), "text_config.hidden_size"),
    (lambda c: c["text_config"].update(num_attention_heads=5), "num_attention_heads"),
    (lambda c: c["text_config"].update(num_hidden_layers=10**9), "num_hidden_layers"),
    (lambda c: c["text_config"].update(num_hidden_layers=3), "text_model.encoder.layers.2"),
    (lambda c: c["text_config"].update(num_hidden_layers=1), "text_model.encoder.layers.1"),
    (lambda c: c["text_config"].update(vocab_size=1001), "token_embedding.weight has shape [1000, 24]"),
    (lambda c: c["text_config"].update(vocab_size=400), "vocab_size is 400"),
    (lambda c: c["text_config"].update(eos_token_id=7), "eos_token_id is 7"),
    (lambda c: c["text_config"].update(eos_token_id=[2]), "eos_token_id"),
    (lambda c: c["text_config"].update(max_position_embeddings=2), "context of 2"),
    (lambda c: c["text_config"].update(layer_norm_eps=-1.0), "layer_norm_eps"),
    (lambda c: c["text_config"].update(hidden_act="os.system"), "hidden_act 'os.system'"),
    (lambda c: c["vision_config"].update(image_size=[32, 64]), "image_size"),
    (lambda c: c["vision_config"].update(patch_size=64), "patch_size"),
    (lambda c: c["vision_config"].update(image_size=40), "32 pixels"),
    (lambda c: c["vision_config"].update(num_channels=4), "num_channels"),
    (lambda c: c["vision_config"].update(hidden_size=16384, num_attention_heads=4), "vision_model"),
]


@pytest.mark.parametrize(("change", "named"), CONFIG_DAMAGE, ids=[named for _, named in CONFIG_DAMAGE])
def test_a_config_that_does_not_fit_is_refused_by_its_key(checkpoint, change: Any, named: str) -> None:
    checkpoint.edit("config.json", change)
    assert named in checkpoint.refusal()


def test_a_config_that_asks_for_absurd_sizes_is_refused_before_a_file_is_opened(checkpoint) -> None:
    def huge(config: dict[str, Any]) -> None:
        for section in ("vision_config", "text_config"):
            config[section] |= {"hidden_size": 8192, "intermediate_size": 131072, "num_hidden_layers": 256}

    checkpoint.edit("config.json", huge)
    (checkpoint.folder / "model.safetensors").write_bytes(b"not even opened")
    assert "parameters" in checkpoint.refusal()


WEIGHT_DAMAGE = [
    (lambda t: t.pop(A_WEIGHT), f"lacks {A_WEIGHT}"),
    (lambda t: t.update(more=torch.zeros(2)), "more has no place"),
    (lambda t: t.update({A_WEIGHT: torch.zeros(25)}), "has shape [25]"),
    (lambda t: t.update({A_WEIGHT: torch.zeros(24, dtype=torch.int32)}), "type I32"),
    (lambda t: t[A_WEIGHT].fill_(float("nan")), "not finite"),
    (lambda t: t[A_WEIGHT][3:4].fill_(float("inf")), "not finite"),
]


class HeadersOnly:
    """safetensors' reader, but for tensors: reading one fails."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.opened = safe_open(*args, **kwargs)

    def __enter__(self) -> "HeadersOnly":
        self.opened.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.opened.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        assert name != "get_tensor", "a tensor was read before all headers were compared"
        return getattr(self.opened, name)


@pytest.mark.parametrize(("change", "named"), WEIGHT_DAMAGE[:4], ids=[named for _, named in WEIGHT_DAMAGE[:4]])
def test_headers_are_compared_before_anything_is_read(checkpoint, monkeypatch, change: Any, named: str) -> None:
    checkpoint.edit_weights(change)
    monkeypatch.setattr("samekind.clip.checkpoint.safe_open", HeadersOnly)
    assert named in checkpoint.refusal()


@pytest.mark.parametrize(("change", "named"), WEIGHT_DAMAGE, ids=[named for _, named in WEIGHT_DAMAGE])
def test_weights_that_do_not_fit_are_refused_by_file_and_tensor(checkpoint, change: Any, named: str) -> None:
    checkpoint.edit_weights(change)
    message = checkpoint.refusal()
    assert named in message
    assert "model.safetensors" in message


def with_header(header: bytes, data: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        b"PK\x03\x04 a zip, or a pickle",
        struct.pack("<Q", 2**62) + b"{}",
        with_header(b"not json"),
        with_header(b'{"logit_scale": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}'),
        with_header(
            b'{"logit_scale": {"dtype": "F32", "shape": [4611686018427387904], "data_offsets": [0, 4]}}', b"abcd"
        ),
        with_header(b'{"logit_scale": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', b"abcd"),
        with_header(b'{"logit_scale": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}', b"abcd"),
    ],
)
def test_a_weight_file_that_is_damaged_or_lies_is_refused_by_name(checkpoint, content: bytes) -> None:
    (checkpoint.folder / "model.safetensors").write_bytes(content)
    message = checkpoint.refusal()
    assert "model.safetensors is not a sound safetensors file" in message


def test_a_file_cut_short_is_refused(checkpoint) -> None:
    data = (checkpoint.folder / "model.safetensors").read_bytes()
    (checkpoint.folder / "model.safetensors").write_bytes(data[:-10])
    assert "model.safetensors" in checkpoint.refusal()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_a_json_file_that_is_damaged_is_refused_by_name(checkpoint, name: str, content: bytes) -> None:
    (checkpoint.folder / name).write_bytes(content)
    assert name in checkpoint.refusal()


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "vocab.json", "model.safetensors"])
def test_a_missing_file_is_named(checkpoint, name: str) -> None:
    (checkpoint.folder / name).unlink()
    assert name in checkpoint.refusal()
