"""Our towers give what transformers gives, to 1e-5, on tiny random checkpoints that transformers wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from samekind.clip.weights import load_encoder

TOLERANCE = {"atol": 1e-5, "rtol": 1e-5}
VARIANTS = [
    ({}, {}),
    ({"hidden_act": "gelu"}, {"hidden_act": "gelu"}),  # OpenCLIP's checkpoints in this format
    ({"patch_size": 6, "num_attention_heads": 2, "num_hidden_layers": 1}, {"num_attention_heads": 8}),
    ({"image_size": 28, "patch_size": 8, "layer_norm_eps": 1e-3}, {"layer_norm_eps": 1e-3}),
    ({"hidden_size": 40, "num_attention_heads": 5}, {"eos_token_id": 2, "num_hidden_layers": 1}),
]


@pytest.mark.parametrize(("vision", "text"), VARIANTS)
def test_clip_pictures_and_texts_equal_transformers(hf_clip: Callable[..., Any], vision: Any, text: Any) -> None:
    reference, folder = hf_clip(vision, text)
    encoder = load_encoder(folder)
    size = encoder.preprocess.size
    pixels = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    ids, end = encoder.tokenize(["a photo of a dog", "cat", "", "a red toy car, painting of the sketch of a dog"])
    with torch.no_grad():
        seen = reference.vision_model(pixel_values=pixels)
        read = reference.text_model(input_ids=ids)
        ours = encoder.image(pixels)
        torch.testing.assert_close(ours.tokens, seen.last_hidden_state, **TOLERANCE)
        torch.testing.assert_close(ours.pooled, reference.visual_projection(seen.pooler_output), **TOLERANCE)
        expected = reference.text_projection(read.pooler_output)
        torch.testing.assert_close(encoder.text(encoder.embed(ids), end), expected, **TOLERANCE)
    assert expected.std() > 0.1, "the comparison is empty if all vectors are nearly zero"
    torch.testing.assert_close(encoder.logit_scale, reference.logit_scale.data)


def test_the_end_is_found_as_transformers_finds_it_for_any_ids(hf_clip: Callable[..., Any]) -> None:
    ids = torch.randint(0, 600, (50, 9), generator=torch.Generator().manual_seed(2))
    ids[::2, 4] = 513
    ids[::5, 2] = 513
    for eos in (513, 2):
        reference, folder = hf_clip({}, {"eos_token_id": eos})
        encoder = load_encoder(folder)
        with torch.no_grad():
            expected = reference.text_projection(reference.text_model(input_ids=ids).pooler_output)
            ours = encoder.text(encoder.embed(ids), encoder.text_model.end(ids))
        torch.testing.assert_close(ours, expected, **TOLERANCE)


def test_gradients_reach_the_token_embeddings_as_in_transformers(hf_clip: Callable[..., Any]) -> None:
    reference, folder = hf_clip({}, {})
    encoder = load_encoder(folder)
    ids, end = encoder.tokenize(["a photo of a dog", "the red car"])
    direction = torch.randn(2, 20, generator=torch.Generator().manual_seed(3))
    table = reference.text_model.embeddings.token_embedding.weight
    (reference.text_projection(reference.text_model(input_ids=ids).pooler_output) * direction).sum().backward()
    embeddings = encoder.embed(ids).requires_grad_(True)
    (encoder.text(embeddings, end) * direction).sum().backward()
    ours = torch.zeros_like(table).index_add_(0, ids.flatten(), embeddings.grad.flatten(0, 1))
    assert ours.abs().max() > 0.1
    torch.testing.assert_close(ours, table.grad, **TOLERANCE)


@pytest.mark.parametrize("projection", [None, 32])
def test_siglip_pictures_and_texts_equal_transformers(
    tmp_path: Path, siglip_folder: Callable[..., tuple[Any, Path]], projection: int | None
) -> None:
    reference, folder = siglip_folder(projection)
    encoder = load_encoder(folder)
    pixels = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    ids, end = encoder.tokenize(["a photo of a dog", ""])
    assert ids.shape == (2, encoder.context), "SigLIP was trained on texts padded to the whole context"
    with torch.no_grad():
        seen = reference.vision_model(pixel_values=pixels)
        expected = reference.text_model(input_ids=ids).pooler_output
        ours = encoder.image(pixels)
        torch.testing.assert_close(ours.tokens, seen.last_hidden_state, **TOLERANCE)
        torch.testing.assert_close(ours.pooled, seen.pooler_output, **TOLERANCE)
        torch.testing.assert_close(encoder.text(encoder.embed(ids), end), expected, **TOLERANCE)
    torch.testing.assert_close(encoder.logit_bias, reference.logit_bias.data)


def test_values_that_a_config_leaves_out_are_those_of_transformers() -> None:
    from transformers import CLIPTextConfig, CLIPVisionConfig, SiglipTextConfig, SiglipVisionConfig

    from samekind.clip.config import TextConfig, VisionConfig
    from samekind.clip.families import SIGLIP_TEXT, SIGLIP_VISION

    pairs = [
        (TextConfig(), CLIPTextConfig()),
        (VisionConfig(), CLIPVisionConfig()),
        (TextConfig.from_dict(SIGLIP_TEXT), SiglipTextConfig()),
        (VisionConfig.from_dict(SIGLIP_VISION), SiglipVisionConfig()),
    ]
    for ours, theirs in pairs:
        shared = {name for name in ours.__slots__ if hasattr(theirs, name)}
        assert {"hidden_size", "hidden_act", "layer_norm_eps"} <= shared
        assert {name: getattr(ours, name) for name in shared} == {name: getattr(theirs, name) for name in shared}


def test_the_copy_of_the_text_configuration_in_old_files_wins_as_in_transformers(hf_clip: Callable[..., Any]) -> None:
    from transformers import CLIPConfig

    _, folder = hf_clip({}, {})
    config = json.loads((folder / "config.json").read_text())
    config["text_config_dict"] = config["text_config"]
    config["text_config"] = {"hidden_size": 7}
    (folder / "config.json").write_text(json.dumps(config))
    width = CLIPConfig.from_pretrained(folder).text_config.hidden_size
    assert load_encoder(folder).text_width == width == 24
