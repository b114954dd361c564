"""Settings of Hugging Face processors: read as they are meant, refused where we could not do alike."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from samekind.errors import UsageError
from samekind.images.preprocess import Preprocess

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = {
    "crop_size": 224,
    "do_center_crop": True,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor",
    "image_mean": list(CLIP_MEAN),
    "image_std": list(CLIP_STD),
    "resample": 3,
    "size": 224,
}
SIGLIP = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": list(HALF),
    "image_processor_type": "SiglipImageProcessor",
    "image_std": list(HALF),
    "processor_class": "SiglipProcessor",
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 256, "width": 256},
}


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**config, **changes}


def test_clip_files_old_and_new_mean_the_same() -> None:
    expected = Preprocess(224, "shortest", "bicubic", CLIP_MEAN, CLIP_STD)
    new = {
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "image_processor_type": "CLIPImageProcessorFast",
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_convert_rgb": True,
        "do_pad": None,
        "size_divisor": None,
        "data_format": "channels_first",
    }
    assert Preprocess.from_hf(CLIP) == expected
    assert Preprocess.from_hf({**CLIP, "feature_extractor_type": None, **new}) == expected
    assert Preprocess.from_hf({"image_processor_type": "CLIPImageProcessor"}) == expected, "the class's defaults"
    unnamed = {key: value for key, value in CLIP.items() if key != "feature_extractor_type"}
    assert Preprocess.from_hf(unnamed) == expected


def test_a_crop_smaller_than_the_edge_is_kept_apart() -> None:
    assert Preprocess.from_hf(changed(CLIP, size=256)) == Preprocess(
        224, "shortest", "bicubic", CLIP_MEAN, CLIP_STD, edge=256
    )


def test_siglip_squashes() -> None:
    assert Preprocess.from_hf(SIGLIP) == Preprocess(256, "squash", "bicubic", HALF, HALF)
    assert Preprocess.from_hf({"image_processor_type": "SiglipImageProcessor"}).size == 224


def test_vit_squashes_bilinearly() -> None:
    old = {
        "feature_extractor_type": "ViTFeatureExtractor",
        "size": 224,
        "resample": 2,
        "image_mean": HALF,
        "image_std": HALF,
    }
    expected = Preprocess(224, "squash", "bilinear", HALF, HALF)
    assert Preprocess.from_hf(old) == expected
    assert Preprocess.from_hf({"image_processor_type": "ViTImageProcessor"}) == expected


def test_lanczos_and_imagenet_statistics_are_read() -> None:
    config = changed(CLIP, resample=1, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD)
    assert Preprocess.from_hf(config) == Preprocess(224, "shortest", "lanczos", IMAGENET_MEAN, IMAGENET_STD)


def test_another_rescaling_is_folded_into_mean_and_deviation() -> None:
    """(x f - m) / s for x in 0..255 must equal (x / 255 - mean) / std."""
    values = np.array([0.0, 10.0, 255.0])
    for changes, factor, mean, std in (
        ({"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3}, 1 / 127.5, 1.0, 1.0),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, 1.0, 127.5, 127.5),
        ({"do_normalize": False}, 1 / 255, 0.0, 1.0),
    ):
        ours = Preprocess.from_hf(changed(CLIP, **changes))
        np.testing.assert_allclose(
            (values / 255 - ours.mean[0]) / ours.std[0], (values * factor - mean) / std, atol=1e-6
        )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "'size' is missing"),
        ({"image_processor_type": "StrangeImageProcessor", "size": 224}, "strange"),
        (changed(CLIP, resample=0), "resample"),
        (changed(CLIP, resample=[3]), "resample"),
        (changed(CLIP, size={"longest_edge": 224}), "size"),
        (changed(CLIP, size={"shortest_edge": 224, "longest_edge": 336}), "size"),
        (changed(CLIP, size="224"), "size"),
        (changed(CLIP, size={"shortest_edge": "x"}), "size"),
        (changed(SIGLIP, size={"height": 224, "width": 336}), "square"),
        (changed(CLIP, crop_size={"height": 224, "width": 336}), "square"),
        (changed(CLIP, crop_size=225), "larger"),
        (changed(CLIP, do_center_crop=False), "differing sizes"),
        (changed(CLIP, do_resize=False), "do_resize"),
        (changed(CLIP, do_pad=True), "do_pad"),
        (changed(CLIP, do_flip_channel_order=True), "do_flip_channel_order"),
        (changed(CLIP, crop_pct=0.875), "crop_pct"),
        (changed(CLIP, image_mean=[0.5, 0.5]), "mean"),
        (changed(CLIP, image_mean=["a", "b", "c"]), "no numbers"),
        (changed(CLIP, image_std=0.5), "no numbers"),
        (changed(CLIP, rescale_factor=0), "no numbers"),
        (changed(CLIP, image_std=[0.0, 0.0, 0.0]), "std"),
    ],
)
def test_what_cannot_be_done_alike_is_refused(config: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Preprocess.from_hf(config)


SIZES = [
    (224, 224),
    (225, 223),
    (333, 517),
    (640, 427),
    (227, 227),
    (91, 160),
    (1, 1),
    (7, 100),
    (1023, 300),
    (500, 3000),
]


@pytest.mark.parametrize("kind", ["clip", "siglip", "vit", "clip with an edge", "clip by lanczos"])
def test_pixels_equal_those_of_transformers(kind: str) -> None:
    """Before normalisation, byte by byte; the processors for Pillow need no torchvision."""
    pytest.importorskip("transformers")
    name = kind.partition(" ")[0]
    module = pytest.importorskip(f"transformers.models.{name}.image_processing_pil_{name}")
    make = getattr(module, {"clip": "CLIP", "siglip": "Siglip", "vit": "ViT"}[name] + "ImageProcessorPil")
    options: dict[str, Any] = {
        "clip with an edge": {"size": {"shortest_edge": 257}},
        "clip by lanczos": {"resample": 1},
    }
    processor = make(**options.get(kind, {}))
    ours = Preprocess.from_hf(processor.to_dict())
    rng = np.random.default_rng(0)
    for width, height in SIZES:
        image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        (expected,) = processor(image, do_rescale=False, do_normalize=False)["pixel_values"]
        assert (ours.pixels(image) == np.asarray(expected).transpose(1, 2, 0)).all(), (width, height)


def test_normalised_values_equal_those_of_transformers() -> None:
    module = pytest.importorskip("transformers.models.clip.image_processing_pil_clip")
    processor = module.CLIPImageProcessorPil()
    ours = Preprocess.from_hf(processor.to_dict())
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8))
    (expected,) = processor(image)["pixel_values"]
    normalised = (ours.pixels(image) / 255 - np.array(ours.mean)) / np.array(ours.std)
    np.testing.assert_allclose(normalised.transpose(2, 0, 1), expected, atol=1e-5)
