"""Pictures are encoded once: what a run finds of earlier ones, what it makes again, and what it never believes."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from quick import draw

from samekind.clip.encoder import DualEncoder
from samekind.clip.weights import load_encoder
from samekind.errors import SamekindError
from samekind.images.errors import UnreadableError
from samekind.methods.zero_shot import ZeroShot
from samekind.retriever import kept_chunks, kept_pictures
from samekind.retriever.encode import Engine
from samekind.training.cache import PictureCache
from samekind.training.data import Unlabelled, find_pictures

GIB = 2**30
Reads = list[str]
Make = Callable[..., PictureCache]


@pytest.fixture(scope="module")
def encoder(tiny_clip: Path) -> DualEncoder:
    return load_encoder(tiny_clip)


@pytest.fixture
def make(encoder: DualEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """make(root, *domains, limit=..., tokens=..., dtype=..., progress=..., work=...) with a store below `tmp_path`."""
    monkeypatch.setattr(kept_chunks, "CHUNK", 4)

    def made(root: Path, *domains: str, **options: Any) -> PictureCache:
        data = find_pictures(root, domains or None)
        engine = Engine(encoder, ZeroShot(encoder.dim), torch.device("cpu"), options.pop("dtype", torch.float32))
        options = {"limit": GIB, "tokens": True, "store": tmp_path / "store", **options}
        return PictureCache(data, engine, options.pop("work", tmp_path / "work"), **options)

    return made


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The names of the pictures that are read, in some order."""
    names: Reads = []
    read = kept_pictures.read

    def noted(uri: str) -> bytes:
        names.append("/".join(Path(uri).parts[-3:]))
        return read(uri)

    monkeypatch.setattr(kept_pictures, "read", noted)
    return names


def plain(cache: PictureCache, data: Unlabelled) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """Pixels, tokens and pooled vectors without any cache."""
    found = [kept_pictures.prepared(data, row, cache.engine.encoder.preprocess) for row in range(len(data))]
    pixels = np.stack([each for each in found if isinstance(each, np.ndarray)])
    with torch.no_grad():
        features = cache.engine.features(cache.engine.normalised(pixels))
    return pixels, features.tokens, features.pooled


def check(cache: PictureCache) -> None:
    """Everything is as without a cache, for rows in any order, also twice the same."""
    pixels, tokens, pooled = plain(cache, cache.data)
    torch.testing.assert_close(cache.pooled, pooled, atol=1e-5, rtol=1e-4)
    rows = np.random.default_rng(0).permutation(len(cache.data))[[0, 3, 1, 5, 0]]
    np.testing.assert_array_equal(cache.pixels(rows), pixels[rows])
    x, features = cache.batch(rows)
    torch.testing.assert_close(x, cache.engine.normalised(pixels[rows]))
    assert features is not None
    torch.testing.assert_close(features.tokens, tokens[rows], atol=5e-3, rtol=2e-3)
    torch.testing.assert_close(features.pooled, pooled[rows], atol=1e-5, rtol=1e-4)


def stored(tmp_path: Path, ending: str = "") -> list[Path]:
    return sorted((tmp_path / "store").glob(f"*{ending}"))


def test_what_is_kept_is_what_the_backbone_says(world: Path, make: Make) -> None:
    check(make(world))


def test_a_second_run_opens_no_picture_and_has_the_very_same_numbers(world: Path, make: Make, reads: Reads) -> None:
    first = make(world)
    assert len(reads) == 30
    reads.clear()
    second = make(world)
    assert not reads
    assert torch.equal(first.pooled, second.pooled)
    check(second)


def test_another_pair_finds_the_domain_that_it_shares(make: Make, reads: Reads, tmp_path: Path) -> None:
    root = draw(tmp_path / "w", ("art", "photo", "sketch"))
    make(root, "photo", "sketch")
    reads.clear()
    check(make(root, "art", "photo"))
    assert {name.split("/")[0] for name in reads[:15]} == {"art"}


def test_one_picture_more_changes_one_chunk(world: Path, make: Make, reads: Reads, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    before = make(root)
    reads.clear()
    (root / "photo" / "red" / "new.png").write_bytes((world / "sketch" / "red" / "0.png").read_bytes())
    after = make(root)
    assert len(after.data) == len(before.data) + 1
    assert "photo/red/new.png" in reads
    assert len(reads) <= 10
    check(after)


def test_a_killed_run_goes_on_behind_the_last_whole_chunk(
    world: Path, make: Make, reads: Reads, tmp_path: Path
) -> None:
    def dying(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(world, progress=dying)
    assert not [file for file in stored(tmp_path) if file.suffix == ".part"]
    told: list[tuple[int, int]] = []
    reads.clear()
    resumed = make(world, progress=lambda *n: told.append(n))
    done = told[0][0]
    assert 10 <= done <= 20
    assert len(reads) == 30 - done
    assert told[-1] == (30, 30)
    check(resumed)
    assert torch.equal(resumed.pooled, make(world, store=tmp_path / "other").pooled)


def test_what_was_not_used_for_longest_goes_but_nothing_of_this_run(
    make: Make, reads: Reads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = draw(tmp_path / "w", ("art", "photo", "sketch"))
    make(root, "art", "photo")
    size = sum(file.stat().st_size for file in stored(tmp_path))
    monkeypatch.setenv("SAMEKIND_CACHE_GIB", str(1.1 * size / GIB))
    check(make(root, "photo", "sketch"))  # art must go
    assert sum(file.stat().st_size for file in stored(tmp_path)) <= 1.1 * size
    reads.clear()
    make(root, "photo", "sketch")
    assert not reads
    monkeypatch.setenv("SAMEKIND_CACHE_GIB", "0")
    make(root, "art", "photo")
    assert {name.split("/")[0] for name in reads} == {"art"}
    reads.clear()
    make(root, "art", "photo")
    assert not reads


@pytest.mark.parametrize("damage", ["truncated", "longer", "header", "empty", "another array"])
def test_a_damaged_chunk_is_made_again(world: Path, make: Make, reads: Reads, tmp_path: Path, damage: str) -> None:
    make(world)
    reads.clear()
    files = {ending: stored(tmp_path, ending)[0] for ending in ("pooled", "tokens", "pixels")}
    whole = {ending: file.read_bytes() for ending, file in files.items()}
    for ending, other in (("pooled", "tokens"), ("tokens", "pixels"), ("pixels", "pooled")):
        before = whole[ending]
        changed = {"truncated": before[:-1], "longer": before + b"0", "header": b"\xff" * 8 + before[8:], "empty": b""}
        files[ending].write_bytes(changed.get(damage, whole[other]))
    make(world)
    assert 0 < len(reads) < 30
    reads.clear()
    again = make(world)
    assert not reads
    check(again)


def test_a_chunk_cut_short_or_gone_while_the_run_uses_it_is_read_from_the_files(
    world: Path, make: Make, tmp_path: Path
) -> None:
    cache = make(world)
    rows = np.arange(len(cache.data))
    pixels = cache.pixels(rows)
    for file in stored(tmp_path, "tokens"):
        file.write_bytes(file.read_bytes()[:200])
    for file in stored(tmp_path, "pixels"):
        file.unlink()
    x, features = cache.batch(rows)
    assert features is None
    torch.testing.assert_close(x, cache.engine.normalised(pixels))


def test_a_broken_picture_is_reported_under_its_present_name(make: Make, reads: Reads, tmp_path: Path) -> None:
    root = draw(tmp_path / "w")
    (root / "photo" / "red" / "broken.png").write_bytes(b"no picture")
    (root / "photo" / "red" / "nothing.png").write_bytes(b"")
    first = make(root)
    (root / "photo" / "red").rename(root / "photo" / "rot")
    (root / "photo" / "rot" / "broken.png").rename(root / "photo" / "rot" / "kaputt.png")
    reads.clear()
    second = make(root)
    assert not reads
    assert len(first.data) == len(second.data) == 30
    assert torch.equal(first.pooled, second.pooled)
    before, after = ({each.uri: each for each in cache.data.skipped} for cache in (first, second))
    old, new = before["photo/red/broken.png"], after["photo/rot/kaputt.png"]
    assert old.detail.startswith("photo/red/broken.png: ")
    assert (new.reason, new.detail) == (old.reason, old.detail.replace("red/broken", "rot/kaputt"))
    assert after["photo/rot/nothing.png"].detail == "photo/rot/nothing.png is empty (0 bytes)"
    check(second)


def test_a_failure_that_may_pass_is_not_remembered_beyond_the_run(
    world: Path, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = kept_pictures.read

    def failing(uri: str) -> bytes:
        if uri.endswith("photo/red/0.png"):
            raise UnreadableError(f"{uri} cannot be read: Input/output error")
        return read(uri)

    with monkeypatch.context() as patch:
        patch.setattr(kept_pictures, "read", failing)
        lame = make(world)
    assert [(each.uri, each.detail) for each in lame.data.skipped] == [
        ("photo/red/0.png", "photo/red/0.png cannot be read: Input/output error")
    ]
    resumed = make(world)  # the run itself goes on with what it began with
    assert [each.uri for each in resumed.data.skipped] == ["photo/red/0.png"]
    check(resumed)
    another = make(world, work=tmp_path / "another")
    assert len(another.data) == 30
    check(another)


def test_a_file_that_is_not_what_was_hashed_is_not_kept_under_that_hash(
    world: Path, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = kept_pictures.read
    other = (world / "sketch" / "blue" / "1.png").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(kept_pictures, "read", lambda uri: other if uri.endswith("photo/red/0.png") else read(uri))
        (skip,) = make(world).data.skipped
    assert skip.detail == "photo/red/0.png has changed since this run began"
    check(make(world, work=tmp_path / "another"))


def test_a_changed_picture_is_encoded_anew(world: Path, make: Make, tmp_path: Path) -> None:
    root = shutil.copytree(world, tmp_path / "w")
    make(root)
    shutil.copy(root / "sketch" / "blue" / "1.png", root / "photo" / "red" / "0.png")
    check(make(root))


def test_pixels_serve_runs_of_another_kind(world: Path, make: Make, reads: Reads) -> None:
    tuned = make(world, tokens=False)
    assert tuned.batch(np.arange(3))[1] is None
    reads.clear()
    frozen, half = make(world), make(world, dtype=torch.bfloat16)
    assert not reads
    assert torch.equal(frozen.pooled, tuned.pooled)
    assert not torch.equal(half.pooled, tuned.pooled)
    check(frozen)


@pytest.mark.parametrize("kept", [("pooled",), ("pooled", "tokens"), ("pixels", "pooled", "tokens")])
def test_the_limit_decides_what_is_kept_tokens_before_pixels(
    world: Path, make: Make, tmp_path: Path, kept: tuple[str, ...]
) -> None:
    tokens, pixels = 17 * 32 * 2, 32 * 32 * 3
    limit = 30 * (tokens * ("tokens" in kept) + pixels * ("pixels" in kept))
    cache = make(world, limit=limit)
    assert {file.suffix[1:] for file in stored(tmp_path)} == set(kept)
    reference, x = plain(cache, cache.data), cache.batch(np.array([4, 2]))
    np.testing.assert_array_equal(cache.pixels(np.array([4, 2])), reference[0][[4, 2]])
    torch.testing.assert_close(cache.pooled, reference[2], atol=1e-5, rtol=1e-4)
    assert (x[1] is None) is ("tokens" not in kept)
    check(make(world))  # and with more room the rest is made


def test_a_cache_folder_that_cannot_be_written_leaves_the_chunks_with_the_run(
    world: Path, make: Make, reads: Reads, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    cache = make(world, store=tmp_path / "file" / "tokens")
    assert "cannot be written" in (cache.fault or "")
    check(cache)
    reads.clear()
    make(world, store=tmp_path / "file" / "tokens")
    assert not reads
    with pytest.raises(SamekindError, match=r"Make room, or keep less"):
        make(world, store=tmp_path / "file" / "tokens", work=tmp_path / "file")


def test_two_runs_at_once_may_make_the_same_chunks(world: Path, make: Make, reads: Reads, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda name: make(world, work=tmp_path / name), ("a", "b"))
    assert torch.equal(first.pooled, second.pooled)
    assert not [file for file in stored(tmp_path) if file.suffix == ".part"]
    reads.clear()
    check(first)
    check(second)
    assert len(reads) == 60  # by `check`, not by the runs


def test_a_run_without_a_picture_that_opens_says_so(make: Make, tmp_path: Path) -> None:
    for domain in ("a", "b"):
        (tmp_path / "w" / domain).mkdir(parents=True)
        (tmp_path / "w" / domain / "x.png").write_bytes(f"no picture {domain}".encode())
    with pytest.raises(SamekindError, match=r"None of the 2 pictures could be opened; the first: a/x\.png: "):
        make(tmp_path / "w")


def test_chunks_are_cut_by_hash_and_are_of_some_hundred_pictures() -> None:
    contents = sorted(f"{value:016x}" for value in np.random.default_rng(0).integers(0, 2**63, 5000).tolist())
    contents = sorted(f"{(int(each, 16) << 1):016x}" for each in contents)
    found = list(kept_chunks.chunks(contents))
    assert [row for each in found for row in each] == list(range(5000))
    assert 128 <= 5000 / len(found) <= 256
    fewer = list(kept_chunks.chunks([each for n, each in enumerate(contents) if n != 2000]))
    assert sum(len(a) != len(b) for a, b in zip(found, fewer, strict=True)) == 1
    assert list(kept_chunks.chunks(["ff" * 32] * 3)) == [range(3)]
    assert list(kept_chunks.chunks([])) == []
