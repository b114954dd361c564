"""Pictures, checkpoints and galleries that a benchmark makes for itself: deterministic, without downloads."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image, ImageDraw
from tokenizers import pre_tokenizers

from samekind.clip.weights import new_encoder, save_encoder
from samekind.gallery.schema import Meta, table_schema, write_meta
from samekind.gallery.table import PictureTable
from samekind.images.preprocess import Preprocess

LARGE = (4000, 3000)  # 12 megapixels
SMALL = (224, 224)
QUALITY = 88
BASES = 4
DOMAINS = ("photo", "sketch", "cartoon", "painting")
RARE = 1000  # one row in so many has this domain instead
PART = 10_000  # rows per commit


@cache
def _base(number: int) -> Image.Image:
    """A large picture like a photograph's statistics: noise at every scale, weaker the finer, with some hard edges."""
    generator = np.random.default_rng(number)
    size = LARGE[0] * 9 // 8, LARGE[1] * 9 // 8

    def noise(cells: int, strength: float) -> np.ndarray:
        coarse = generator.normal(0, strength, (cells * 3 // 4, cells)).astype(np.float32)
        return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR))

    light = 128 + sum(noise(4 * 3**octave, 45 * 0.68**octave) for octave in range(7))
    light += generator.normal(0, 5, light.shape)  # the sensor's own
    colours = [128 + noise(4, 20) + noise(40, 6) for _ in range(2)]
    planes = [Image.fromarray(plane.clip(0, 255).astype(np.uint8)) for plane in (light, *colours)]
    picture = Image.merge("YCbCr", planes).convert("RGB")
    shapes, shade = Image.new("L", size), picture.point(lambda value: value * 6 // 10)
    for _ in range(40):
        x, y, w, h = (int(value) for value in generator.integers(0, size[0], 4) // (1, 1, 5, 5))
        ImageDraw.Draw(shapes).ellipse((x, y, x + w, y + h), fill=int(generator.integers(0, 2)) * 255)
    return Image.composite(shade, picture, shapes)


def make_pictures(folder: Path, count: int, size: tuple[int, int]) -> list[str]:
    """`count` JPEGs of `size` pixels (width, height): windows of a few large pictures, turned and tinted. Paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        generator = np.random.default_rng((number, *size))
        base = _base(number % BASES)
        window = LARGE if size == LARGE else (size[0] * 8, size[1] * 8)
        left, top = (int(generator.integers(0, room - side + 1)) for room, side in zip(base.size, window, strict=True))
        picture = base.crop((left, top, left + window[0], top + window[1]))
        if generator.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        light = generator.uniform(0.7, 1.1, 3)
        tint = [min(255, int(value * factor)) for factor in light for value in range(256)]
        picture.point(tint).save(path, quality=QUALITY)
        paths.append(str(path))
    return paths


def make_checkpoint(folder: Path, patch: int) -> Path:
    """A random CLIP ViT-B with patches of `patch` pixels in the Hugging Face format, as openai/clip-vit-base-patchN."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(f"{byte}</w>" for byte in alphabet), "<|startoftext|>", "<|endoftext|>"]
    # One merge, as some readers refuse a merges.txt without any.
    files = {
        "vocab.json": json.dumps({token: place for place, token in enumerate([*tokens, "ab"])}).encode(),
        "merges.txt": b"#version: 0.2\na b\n",
    }
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": 512,
        "vision_config": {"model_type": "clip_vision_model", "patch_size": patch, "image_size": 224},
        "text_config": {"model_type": "clip_text_model", "eos_token_id": 513, "bos_token_id": 512, "vocab_size": 515},
    }
    torch.manual_seed(patch)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    save_encoder(new_encoder(config, files, Preprocess(224, "shortest", "bicubic", mean, std)), folder)
    return folder


def make_gallery(folder: Path, rows: int, meta: Meta, given: np.ndarray | None = None) -> None:
    """A gallery as the indexer would leave it, of these or of random unit vectors, without pictures."""
    write_meta(folder, meta)
    table = PictureTable.create(folder, meta.dim)
    rng = np.random.default_rng(0)
    for start in range(0, rows, PART):
        numbers = range(start, min(start + PART, rows))
        vectors = unit(rng, len(numbers), meta.dim) if given is None else given[start : numbers.stop]
        columns = {
            "id": [f"{number:024x}" for number in numbers],
            "seq": list(numbers),
            "uri": [f"/pictures/{number}.jpg" for number in numbers],
            "domain": [DOMAINS[number % 4] if number % RARE else "rare" for number in numbers],
            "content_hash": [f"{number:064x}" for number in numbers],
            "size": [100_000] * len(numbers),
            "mtime_ns": [0] * len(numbers),
            "width": [number % 1000 for number in numbers],
            "height": [500] * len(numbers),
            "copies": [[]] * len(numbers),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), meta.dim),
        }
        table.append(pa.table(columns, schema=table_schema(meta.dim)))


def unit(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Random directions, float32."""
    vectors = rng.standard_normal((count, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
