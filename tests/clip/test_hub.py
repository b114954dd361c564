"""A checkpoint is found in the package, in a folder or on the hub, or the message says what to do."""

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from samekind.clip import hub
from samekind.clip.weights import load_encoder
from samekind.errors import SamekindError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_a_hub_checkpoint_records_the_commit_and_fetches_no_code(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, **options: Any) -> str:
        asked.update(options, name=name)
        (tmp_path / COMMIT).symlink_to(tiny_clip)
        return str(tmp_path / COMMIT)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    encoder = load_encoder("some/clip", revision="main")
    assert (encoder.name, encoder.source, encoder.revision) == ("some/clip", "some/clip", COMMIT)
    assert (asked["name"], asked["revision"]) == ("some/clip", "main")
    assert all(pattern.endswith((".json", ".safetensors", "merges.txt")) for pattern in asked["allow_patterns"])


def test_without_network_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SamekindError, match=r"some/clip .*hf download some/clip --local-dir FOLDER"):
        load_encoder("some/clip")


@pytest.mark.parametrize("ref", ["nowhere", "./no/such", "a/b/c", "../x", "a b/c", ""])
def test_what_is_neither_folder_nor_hub_id_is_refused_without_asking_the_hub(
    ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(SamekindError):
        load_encoder(ref)


def test_a_path_is_never_taken_for_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    with pytest.raises(SamekindError, match="no folder some/clip"):
        load_encoder(Path("some/clip"))


def test_a_file_instead_of_a_folder_is_refused(tiny_clip: Path) -> None:
    with pytest.raises(SamekindError, match="is a file"):
        load_encoder(tiny_clip / "model.safetensors")


@pytest.mark.parametrize("ref", ["mini", "folder"])
def test_only_hub_checkpoints_have_revisions(ref: str, tiny_clip: Path) -> None:
    with pytest.raises(SamekindError, match="revision 'v1'"):
        load_encoder(tiny_clip if ref == "folder" else ref, revision="v1")


def test_an_installation_without_mini_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.resources, "files", lambda _: tmp_path)
    with pytest.raises(SamekindError, match="bundled encoder is missing"):
        load_encoder("mini")
