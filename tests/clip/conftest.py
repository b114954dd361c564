"""Checkpoints that transformers writes, for comparing our towers with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

CLIP_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 24,
    "patch_size": 8,
}
CLIP_TEXT = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "max_position_embeddings": 12,
    "vocab_size": 600,
    "eos_token_id": 513,
    "bos_token_id": 512,
}


def spread(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that a swapped matrix or a wrong activation shows far above 1e-5."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.data = centre + 0.2 * torch.randn(parameter.shape, generator=generator)


def finish(folder: Path, size: int, tiny_clip: Path) -> Path:
    """Add the tokenizer and preprocessing files that a checkpoint has beside its weights."""
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(tiny_clip / name, folder / name)
    settings = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": size}, "crop_size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def hf_clip(tmp_path: Path, tiny_clip: Path) -> Callable[..., tuple[Any, Path]]:
    """Make a random CLIPModel of transformers and the folder that it saves itself to."""
    from transformers import CLIPConfig, CLIPModel

    def make(vision: dict[str, Any], text: dict[str, Any], seed: int = 0, **rest: Any) -> tuple[Any, Path]:
        vision, text = CLIP_VISION | vision, CLIP_TEXT | text
        model = CLIPModel(CLIPConfig(vision_config=vision, text_config=text, projection_dim=20, **rest)).eval()
        spread(model, seed)
        folder = tmp_path / "hf"
        model.save_pretrained(folder)
        return model, finish(folder, vision["image_size"], tiny_clip)

    return make


@pytest.fixture
def siglip_folder(tmp_path: Path) -> Callable[..., tuple[Any, Path]]:
    """Make a random SiglipModel of transformers and the folder that it saves itself to, with a word tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import SiglipConfig, SiglipModel

    def make(projection: int | None = None) -> tuple[Any, Path]:
        vision = CLIP_VISION | {"hidden_act": "gelu_pytorch_tanh"}
        text = {key: CLIP_TEXT[key] for key in CLIP_TEXT if "token_id" not in key} | {"hidden_size": 32}
        text |= {"num_attention_heads": 4, "projection_size": projection}
        model = SiglipModel(SiglipConfig(vision_config=vision, text_config=text)).eval()
        spread(model, 0)
        folder = tmp_path / "siglip"
        model.save_pretrained(folder)
        words = {word: place for place, word in enumerate(["<pad>", "</s>", "<unk>", "a", "photo", "of", "dog", "!"])}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>"})
        )
        settings = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 24, "width": 24}}
        (folder / "preprocessor_config.json").write_text(json.dumps(settings))
        return model, folder

    return make


class Checkpoint:
    """A copy of the tiny checkpoint that a test may change and damage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, name: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a JSON file in place."""
        values = json.loads((self.folder / name).read_text())
        change(values)
        (self.folder / name).write_text(json.dumps(values))

    def edit_weights(self, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
        """Change model.safetensors in place."""
        tensors = load_file(self.folder / "model.safetensors")
        change(tensors)
        save_file(tensors, self.folder / "model.safetensors", metadata={"format": "pt"})

    def split(self) -> dict[str, Any]:
        """Put the weights into two files with an index; gives the index's values."""
        tensors = load_file(self.folder / "model.safetensors")
        (self.folder / "model.safetensors").unlink()
        names = sorted(tensors)
        parts = {f"model-0000{n}-of-00002.safetensors": names[n - 1 :: 2] for n in (1, 2)}
        for part, inside in parts.items():
            save_file({name: tensors[name] for name in inside}, self.folder / part)
        index = {"metadata": {}, "weight_map": {name: part for part, inside in parts.items() for name in inside}}
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(index))
        return index

    def refusal(self) -> str:
        """The message with which loading is refused."""
        from samekind.clip.weights import load_encoder
        from samekind.errors import SamekindError

        with pytest.raises(SamekindError) as error:
            load_encoder(self.folder)
        return str(error.value)


@pytest.fixture
def checkpoint(tiny_clip: Path, tmp_path: Path) -> Checkpoint:
    """The tiny checkpoint, copied."""
    return Checkpoint(Path(shutil.copytree(tiny_clip, tmp_path / "copy")))
