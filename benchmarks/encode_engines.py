"""One encoder under measurement, in a process of its own: files to vectors, timed after a warm-up.

    python benchmarks/encode_engines.py JOB.json

The job names engine, checkpoint, files and counts; the result is one line of JSON on standard output. A process for
each measurement keeps peak memory, thread pools and caches apart.
"""

import json
import logging
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BATCH = 32
Encode = Callable[[list[str]], np.ndarray]


def ours(checkpoint: Path, job: dict[str, Any]) -> Encode:
    """What a user of samekind calls."""
    from samekind.retriever.store import load

    return load(checkpoint).encode_images


def bare(checkpoint: Path, job: dict[str, Any]) -> Encode:
    """The forward pass alone, on ready tensors, in the precision that samekind chooses here: the files are not read."""
    import torch

    from samekind.clip.inference import encoding_copy
    from samekind.retriever.store import load

    retriever = load(checkpoint)
    size = retriever.preprocess.size
    pixels = torch.randn(BATCH, 3, size, size, generator=torch.Generator().manual_seed(0))
    tower = encoding_copy(retriever.encoder.vision_model, getattr(torch, retriever.precision))

    @torch.inference_mode()
    def encode(paths: list[str]) -> np.ndarray:
        parts = [tower(pixels[: len(paths[start : start + BATCH])])[1] for start in range(0, len(paths), BATCH)]
        return torch.cat(parts).numpy()

    return encode


def sentence_transformers(checkpoint: Path, job: dict[str, Any]) -> Encode:
    """The library as it comes: a list of files, its own defaults, its own batches of 32."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(checkpoint), device="cpu")
    return lambda paths: model.encode(paths, show_progress_bar=False)


def onnxruntime(checkpoint: Path, job: dict[str, Any]) -> Encode:
    """The same tower in float32, fed by a plain loop over Pillow."""
    import onnxruntime as ort

    session = ort.InferenceSession(job["onnx"], providers=["CPUExecutionProvider"])
    settings = json.loads((checkpoint / "preprocessor_config.json").read_text())
    mean, std = (np.array(settings[key], np.float32) for key in ("image_mean", "image_std"))
    size = settings["crop_size"]["width"]

    def pixels(path: str) -> np.ndarray:
        picture = Image.open(path).convert("RGB")
        scale = size / min(picture.size)
        picture = picture.resize([int(side * scale) for side in picture.size], Image.Resampling.BICUBIC)
        left, top = ((side - size) // 2 for side in picture.size)
        picture = picture.crop((left, top, left + size, top + size))
        return ((np.asarray(picture, np.float32) / 255 - mean) / std).transpose(2, 0, 1)

    def batches(paths: list[str]) -> Iterator[np.ndarray]:
        for start in range(0, len(paths), BATCH):
            batch = np.stack([pixels(path) for path in paths[start : start + BATCH]])
            yield session.run(["pooled"], {"pixels": batch})[0]

    return lambda paths: np.concatenate(list(batches(paths)))


def export(checkpoint: Path, job: dict[str, Any]) -> Encode:
    """No measurement: writes the picture tower as ONNX, for `onnxruntime`."""
    import warnings

    import torch

    from samekind.clip.weights import load_encoder

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tower = load_encoder(checkpoint).vision_model

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.tower(pixels)[1]

    size = json.loads((checkpoint / "config.json").read_text())["vision_config"]["image_size"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Pooled().eval(),
            (torch.zeros(2, 3, size, size),),
            job["onnx"],
            input_names=["pixels"],
            output_names=["pooled"],
            dynamic_axes={"pixels": {0: "batch"}, "pooled": {0: "batch"}},
            opset_version=17,
            dynamo=False,  # the older exporter needs no further package
        )
    return lambda paths: np.zeros((len(paths), 1), np.float32)


ENGINES = {"ours": ours, "bare": bare, "sentence_transformers": sentence_transformers}
ENGINES |= {"onnxruntime": onnxruntime, "export": export}


def peak_mb() -> float:
    """Peak resident memory of this process, in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would count the parent's memory before exec, too
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def restart_peak() -> None:
    """Let the peak begin anew (Linux), so that loading does not hide what encoding takes."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def main() -> None:
    """Measure one job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    encode = ENGINES[job["engine"]](Path(job["checkpoint"]), job)
    paths: list[str] = job["paths"]
    encode(paths[: job["warm_up"]])
    warm = peak_mb()
    restart_peak()
    seconds = []
    for _ in range(job["repeats"]):
        began = time.perf_counter()
        vectors = encode(paths)
        seconds.append(time.perf_counter() - began)
    if "vectors" in job:
        np.save(job["vectors"], np.asarray(vectors[:64], np.float32))
    print(json.dumps({"seconds": seconds, "load_mb": warm, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
