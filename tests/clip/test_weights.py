"""Checkpoints come back as they were written, and what does not fit is refused by file and key."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from samekind.clip import weights
from samekind.clip.weights import load_encoder, new_encoder, save_encoder
from samekind.errors import SamekindError
from samekind.images.preprocess import Preprocess

A_WEIGHT = "text_model.final_layer_norm.weight"


def test_a_saved_encoder_comes_back_bit_by_bit_with_the_same_hash(tiny_clip: Path, tmp_path: Path) -> None:
    first = load_encoder(tiny_clip)
    save_encoder(first, tmp_path / "a")
    second = load_encoder(tmp_path / "a")
    assert {name: tensor.tolist() for name, tensor in first.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in second.state_dict().items()
    }
    assert (second.sha256, second.preprocess, second.config) == (first.sha256, first.preprocess, first.config)
    assert second.tokenize(["a dog"]).ids.tolist() == first.tokenize(["a dog"]).ids.tolist()


def test_saving_writes_the_folder_and_nothing_beside_it(tiny_clip: Path, tmp_path: Path) -> None:
    save_encoder(load_encoder(tiny_clip), tmp_path / "a")
    names = {"config.json", "model.safetensors", "preprocessor_config.json", "vocab.json", "merges.txt"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    (tmp_path / "plain").touch()
    assert {path.stat().st_mode for path in (tmp_path / "a").iterdir()} == {(tmp_path / "plain").stat().st_mode}


def test_loading_writes_nothing(checkpoint) -> None:
    parent = checkpoint.folder.parent
    before = {path: path.stat().st_mtime_ns for path in parent.rglob("*")}
    load_encoder(checkpoint.folder)
    assert len(before) == 6
    assert {path: path.stat().st_mtime_ns for path in parent.rglob("*")} == before


def test_half_precision_halves_the_file_and_loads_as_float32(tiny_clip: Path, tmp_path: Path) -> None:
    exact = load_encoder(tiny_clip)
    save_encoder(exact, tmp_path / "half", dtype=torch.float16)
    half = load_encoder(tmp_path / "half")
    sizes = [(path / "model.safetensors").stat().st_size for path in (tiny_clip, tmp_path / "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert {tensor.dtype for tensor in half.state_dict().values()} == {torch.float32}
    assert torch.equal(half.logit_scale, exact.logit_scale.half().float())
    assert half.sha256 != exact.sha256


def test_transformers_reads_what_we_write(tiny_clip: Path) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    reference, encoder = CLIPModel.from_pretrained(tiny_clip).eval(), load_encoder(tiny_clip)
    ids = CLIPTokenizer.from_pretrained(tiny_clip)("a photo of a dog", return_tensors="pt").input_ids
    with torch.no_grad():
        theirs = reference.text_projection(reference.text_model(input_ids=ids).pooler_output)
    torch.testing.assert_close(encoder.encode_text(["a photo of a dog"]), theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("resize", ["shortest", "squash", "pad"])
@pytest.mark.parametrize("edge", [None, 36])
def test_preprocessing_travels_with_the_weights(checkpoint, resize: Any, edge: int | None) -> None:
    encoder = load_encoder(checkpoint.folder)
    encoder.preprocess = Preprocess(32, resize, "bilinear", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), edge)
    save_encoder(encoder, checkpoint.folder)
    assert load_encoder(checkpoint.folder).preprocess == encoder.preprocess
    if resize != "pad":  # HF's own keys alone must mean the same
        checkpoint.edit("preprocessor_config.json", lambda values: values.pop("samekind"))
        assert load_encoder(checkpoint.folder).preprocess == encoder.preprocess


def test_preprocessing_is_found_where_transformers_5_puts_it(checkpoint) -> None:
    expected = load_encoder(checkpoint.folder).preprocess
    values = json.loads((checkpoint.folder / "preprocessor_config.json").read_text())
    (checkpoint.folder / "preprocessor_config.json").unlink()
    values.pop("samekind")
    (checkpoint.folder / "processor_config.json").write_text(json.dumps({"image_processor": values}))
    assert load_encoder(checkpoint.folder).preprocess == expected


def test_a_loaded_encoder_is_frozen_and_in_eval_mode(tiny_clip: Path) -> None:
    encoder = load_encoder(tiny_clip)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert not encoder.training
    assert (encoder.name, encoder.source, encoder.revision) == ("tiny", str(tiny_clip), None)


def test_loading_imports_neither_compiler_nor_transformers_nor_hub(tiny_clip: Path) -> None:
    code = (
        "import sys; from samekind.clip.weights import load_encoder; load_encoder(sys.argv[1]);"
        "print([name for name in ('torch._dynamo', 'transformers', 'huggingface_hub', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tiny_clip)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_hash_follows_what_vectors_depend_on_and_nothing_else(checkpoint, tmp_path: Path) -> None:
    before = load_encoder(checkpoint.folder).sha256
    checkpoint.edit("config.json", lambda values: values.update(transformers_version="9", architectures=["X"]))
    checkpoint.edit("preprocessor_config.json", lambda values: values["samekind"].update(mean=[0.0, 0.0, 0.0]))
    checkpoint.folder = checkpoint.folder.rename(tmp_path / "moved")
    assert load_encoder(checkpoint.folder).sha256 == before
    seen = {before}
    checkpoint.edit("config.json", lambda values: values["text_config"].update(layer_norm_eps=1e-3))
    seen.add(load_encoder(checkpoint.folder).sha256)
    checkpoint.edit_weights(lambda tensors: tensors[A_WEIGHT].add_(1e-3))
    seen.add(load_encoder(checkpoint.folder).sha256)
    merges = checkpoint.folder / "merges.txt"
    merges.write_bytes(merges.read_bytes() + b"\n")
    seen.add(load_encoder(checkpoint.folder).sha256)
    assert len(seen) == 4


def test_mini_has_the_same_format_with_a_tower_of_its_own(tiny_clip: Path, tmp_path: Path) -> None:
    config = json.loads((tiny_clip / "config.json").read_text()) | {
        "model_type": "samekind_mini",
        "vision_config": {"model_type": "samekind_mobilenet_v2", "image_size": 64, "projection_dim": 16},
    }
    files = {name: (tiny_clip / name).read_bytes() for name in ("vocab.json", "merges.txt")}
    preprocess = Preprocess(64, "pad", "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    made = new_encoder(config, files, preprocess).eval()
    save_encoder(made, tmp_path / "mini")
    names = load_file(tmp_path / "mini" / "model.safetensors").keys()
    assert {"text_projection.weight", "logit_scale", "vision_model.projection.weight"} <= names
    encoder = load_encoder(tmp_path / "mini")
    pixels = torch.rand(2, 3, 64, 64)
    assert encoder.image(pixels).tokens.shape == (2, 4, encoder.token_dim)
    assert torch.equal(encoder.image(pixels).pooled, made.image(pixels).pooled)
    assert torch.equal(encoder.encode_text(["a dog"]), made.encode_text(["a dog"]))


def test_weights_in_several_files_are_read(checkpoint) -> None:
    expected = load_encoder(checkpoint.folder).encode_text(["a dog"])
    checkpoint.split()
    assert torch.equal(load_encoder(checkpoint.folder).encode_text(["a dog"]), expected)


@pytest.mark.parametrize(
    "name",
    ["../copy/model-00001-of-00002.safetensors", "/etc/passwd", "x/y.safetensors", "..", "w.bin", "no.safetensors"],
)
def test_an_index_may_name_only_safetensors_files_of_its_own_folder(checkpoint, name: str) -> None:
    index = checkpoint.split()
    index["weight_map"][A_WEIGHT] = name
    (checkpoint.folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert name in checkpoint.refusal()


def test_an_index_without_a_map_is_refused(checkpoint) -> None:
    checkpoint.split()
    (checkpoint.folder / "model.safetensors.index.json").write_text('{"weight_map": [1]}')
    assert "weight_map" in checkpoint.refusal()


def test_a_tensor_that_is_in_two_files_is_refused(checkpoint) -> None:
    checkpoint.split()
    first = load_file(checkpoint.folder / "model-00001-of-00002.safetensors")
    second = load_file(checkpoint.folder / "model-00002-of-00002.safetensors")
    name = sorted(first)[0]
    save_file(second | {name: first[name]}, checkpoint.folder / "model-00002-of-00002.safetensors")
    assert name in checkpoint.refusal()


def test_large_finite_weights_are_no_damage(checkpoint) -> None:
    checkpoint.edit_weights(lambda tensors: tensors[A_WEIGHT].fill_(3e38))
    assert float(load_encoder(checkpoint.folder).text_model.final_layer_norm.weight[0]) == pytest.approx(3e38)


def test_position_ids_of_older_files_are_left_out(checkpoint) -> None:
    checkpoint.edit_weights(lambda t: t.update({"text_model.embeddings.position_ids": torch.arange(12)[None]}))
    assert load_encoder(checkpoint.folder).context == 12


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_become_float32(checkpoint, dtype: torch.dtype) -> None:
    expected = load_encoder(checkpoint.folder).text_model.final_layer_norm.weight
    checkpoint.edit_weights(lambda tensors: tensors.update({name: t.to(dtype) for name, t in tensors.items()}))
    found = load_encoder(checkpoint.folder).text_model.final_layer_norm.weight
    assert found.dtype == torch.float32
    assert torch.equal(found, expected.to(dtype).float())


def test_a_full_disk_leaves_the_old_checkpoint_whole(checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load_encoder(checkpoint.folder)
    before = {path.name: path.read_bytes() for path in checkpoint.folder.iterdir()}

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(SamekindError, match="No space left"):
        save_encoder(encoder, checkpoint.folder)
    assert {path.name: path.read_bytes() for path in checkpoint.folder.iterdir()} == before
