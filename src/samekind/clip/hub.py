"""Where a checkpoint's folder is: in the package, on this machine, or on the Hugging Face hub."""

import re
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from samekind.errors import SamekindError

# Everything that is read, and nothing that can run code.
PATTERNS = [
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
]
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class Place(NamedTuple):
    """A checkpoint's folder; `source` finds it again, `revision` is the commit of a hub checkpoint."""

    folder: Path
    name: str
    source: str
    revision: str | None


def find(ref: str | Path, revision: str | None) -> Place:
    """Resolve "mini", a folder or a hub id; raises SamekindError with the remedy."""
    folder = Path(ref).expanduser()
    bundled = str(ref) == "mini"
    if revision is not None and (bundled or folder.is_dir()):
        raise SamekindError(f"revision {revision!r} was given for {ref}: only checkpoints on the hub have revisions.")
    if bundled:
        return Place(_bundled(), "mini", "mini", None)
    if folder.is_dir():
        folder = folder.absolute()
        return Place(folder, folder.resolve().name, str(folder), None)
    if folder.exists():
        raise SamekindError(f"{folder} is a file: give the folder that holds config.json and model.safetensors.")
    if isinstance(ref, Path) or not HUB_ID.fullmatch(ref):
        raise SamekindError(f"there is no folder {ref}, and a checkpoint on the hub is named OWNER/NAME.")
    return _download(ref, revision)


def _bundled() -> Path:
    folder = Path(str(resources.files("samekind.clip") / "mini"))
    if not (folder / "config.json").is_file():
        raise SamekindError(
            f"the bundled encoder is missing from this installation ({folder}). Install samekind again, make it with "
            "`samekind pretrain`, or give the folder or hub id of a CLIP checkpoint instead."
        )
    return folder


def _download(hub_id: str, revision: str | None) -> Place:
    from huggingface_hub import snapshot_download  # slow to import, and seldom needed

    try:
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=PATTERNS))
    except Exception as error:  # whatever the library and its HTTP client raise: no network, no such name, no access
        raise SamekindError(
            f"{hub_id} is no folder here and cannot be fetched from the Hugging Face hub ({_first_line(error)}). "
            f"Without network: run `hf download {hub_id} --local-dir FOLDER` elsewhere, copy it, and give FOLDER."
        ) from error
    # A snapshot's folder is named by its commit: that pins what a branch name does not.
    return Place(folder, hub_id, hub_id, folder.name)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
