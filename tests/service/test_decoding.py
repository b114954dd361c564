"""Pictures from strangers: whatever they are, the answer is a picture or a named refusal, and the next one works."""

import asyncio
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hostile import HOSTILE, plain, saved
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from samekind.errors import SamekindError
from samekind.images.decode import decode
from samekind.images.errors import CorruptError, ImageError
from samekind.images.preprocess import Preprocess
from samekind.service.decoding import Decoders
from samekind.service.refusals import DecodeTooHeavy, DecodeTooLong, Overloaded
from samekind.service.settings import Settings

PREPROCESS = Preprocess(32, "shortest", "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
OBEDIENT = (sys.executable, "-P", str(Path(__file__).with_name("hostile_worker.py")))
GOOD = saved()


@contextlib.asynccontextmanager
async def decoding(**changes: Any) -> AsyncIterator[Decoders]:
    """One process that obeys orders."""
    decoders = Decoders(Settings(**{"decoders": 1, **changes}), OBEDIENT)
    await decoders.start()
    try:
        yield decoders
    finally:
        await decoders.close()


async def works(decoders: Decoders) -> None:
    expected = PREPROCESS.pixels(decode(GOOD).image)
    np.testing.assert_array_equal(await decoders.pixels(GOOD, PREPROCESS), expected)


async def facts(decoders: Decoders) -> dict[str, Any]:
    return json.loads(await decoders.thumbnail(b"!facts", 160))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_pixels_are_what_indexing_makes_of_the_same_file(format: str) -> None:
    async def run() -> None:
        async with decoding() as decoders:
            data = saved(format, size=(300, 200))
            found = await decoders.pixels(data, PREPROCESS)
            expected = PREPROCESS.pixels(decode(data, target=PREPROCESS.target).image)
            np.testing.assert_array_equal(found, expected)
            assert (found.dtype, found.shape) == (np.uint8, (32, 32, 3))

    asyncio.run(run())


def test_hostile_pictures_are_refused_by_name_and_the_next_one_works() -> None:
    async def run() -> None:
        async with decoding(decode_mebibytes=256) as decoders:
            before = (await facts(decoders))["pid"]
            for name, (data, slug) in HOSTILE.items():
                (outcome,) = await asyncio.gather(decoders.pixels(data, PREPROCESS), return_exceptions=True)
                assert getattr(outcome, "reason", None) == slug, name
                assert isinstance(outcome, np.ndarray if slug is None else ImageError), name
                assert "/" not in (str(outcome) if slug else ""), name
                await works(decoders)
            assert (await facts(decoders))["pid"] == before  # not even a process was lost

    asyncio.run(run())


def test_a_picture_beyond_the_limits_of_the_settings_is_refused() -> None:
    async def run() -> None:
        async with decoding(max_pixels=1000, max_bytes=5000) as decoders:
            with pytest.raises(ImageError) as caught:
                await decoders.pixels(plain((40, 30)), PREPROCESS)
            assert caught.value.reason == "too_many_pixels"
            with pytest.raises(ImageError) as caught:
                await decoders.pixels(bytes(5001), PREPROCESS)
            assert caught.value.reason == "too_many_bytes"

    asyncio.run(run())


def test_a_decode_that_takes_too_long_is_ended() -> None:
    async def run() -> None:
        async with decoding(decode_seconds=0.3) as decoders:
            began = time.monotonic()
            with pytest.raises(DecodeTooLong, match=r"more than 0\.3 s"):
                await decoders.pixels(b"!sleep", PREPROCESS)
            assert time.monotonic() - began < 5
            await works(decoders)

    asyncio.run(run())


@pytest.mark.parametrize("order", [b"!eat", b"!die", b"!flood"])
def test_a_decode_that_takes_too_much_is_ended(order: bytes) -> None:
    async def run() -> None:
        async with decoding(decode_mebibytes=128) as decoders:
            with pytest.raises(DecodeTooHeavy):
                await decoders.pixels(order, PREPROCESS)
            await works(decoders)

    asyncio.run(run())


def test_the_limit_on_memory_is_that_of_a_real_picture_too() -> None:
    async def run() -> None:
        data = plain((4000, 4000), "RGBA")  # 64 MB of pixels
        async with decoding(decode_mebibytes=50) as decoders:
            with pytest.raises(DecodeTooHeavy):
                await decoders.pixels(data, PREPROCESS)
            with pytest.raises(DecodeTooHeavy):
                await decoders.thumbnail(data, 160)
            await works(decoders)
        async with decoding() as decoders:
            assert (await decoders.pixels(data, PREPROCESS)).shape == (32, 32, 3)

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize(("format", "mode"), [("PNG", "RGBA"), ("TIFF", "RGB"), ("BMP", "RGB"), ("JPEG", "CMYK")])
def test_a_picture_of_as_many_pixels_as_are_allowed_fits_in_the_memory_that_is(format: str, mode: str) -> None:
    async def run() -> None:
        async with decoding(max_bytes=2**28, decode_seconds=60.0) as decoders:
            data = plain((7000, 7000), mode, format)
            assert (await decoders.pixels(data, PREPROCESS)).shape == (32, 32, 3)

    asyncio.run(run())


def test_a_bug_is_a_refusal_that_says_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with decoding() as decoders:
            with pytest.raises(CorruptError) as caught:
                await decoders.pixels(b"!bug", PREPROCESS)
            assert "secret" not in str(caught.value)
            await works(decoders)

    asyncio.run(run())
    assert "RuntimeError" in caplog.text


def test_what_a_library_prints_does_not_garble_answers(capfd: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        async with decoding() as decoders:
            assert await decoders.thumbnail(b"!noise", 160) == b"quiet"
            await works(decoders)

    asyncio.run(run())
    assert "libnoise" in capfd.readouterr().err


def test_the_process_knows_little_and_has_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setenv("SAMEKIND_SECRET", "token")
        with open(os.devnull, "rb") as file:  # noqa: PTH123
            os.set_inheritable(file.fileno(), True)
            async with decoding() as decoders:
                found = await facts(decoders)
        assert not {"torch", "fastapi", "lancedb", "pyarrow"} & set(found["modules"])
        assert not [name for name in found["modules"] if name.startswith(("samekind.gallery", "samekind.retriever"))]
        assert found["files"] == 4  # the standard ones, and answers
        assert "SAMEKIND_SECRET" not in found["environment"]
        assert found["nice"] > os.nice(0) or os.nice(0) == 19

    asyncio.run(run())


def test_more_than_may_wait_is_sent_away_and_what_was_cancelled_costs_nothing() -> None:
    async def run() -> None:
        async with decoding(waiting=3) as decoders:
            first = asyncio.create_task(decoders.pixels(b"!sleep 0.5", PREPROCESS))
            await asyncio.sleep(0.1)
            waiting = [asyncio.create_task(decoders.pixels(b"!sleep", PREPROCESS)) for _ in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded) as caught:
                await decoders.pixels(GOOD, PREPROCESS)
            assert 1 <= caught.value.retry_after <= 30
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await asyncio.wait_for(works(decoders), 5)
            with pytest.raises(CorruptError):  # its answer is no picture
                await first

    asyncio.run(run())


def test_no_picture_is_blamed_for_a_process_that_somebody_has_killed() -> None:
    async def run() -> None:
        async with decoding() as decoders:
            os.kill((await facts(decoders))["pid"], signal.SIGKILL)
            await asyncio.sleep(0.3)
            await works(decoders)

    asyncio.run(run())


def test_a_bug_on_our_side_leaves_nobody_waiting() -> None:
    async def run() -> None:
        async with decoding() as decoders:
            with pytest.raises(TypeError):
                await asyncio.wait_for(decoders._ask(decoders._urgent, {"job": b"not JSON"}, b"", 0), 10)
            await works(decoders)

    asyncio.run(run())


def test_a_caller_who_leaves_in_the_middle_costs_no_process() -> None:
    async def run() -> None:
        async with decoding() as decoders:
            before = (await facts(decoders))["pid"]
            leaving = asyncio.create_task(decoders.pixels(b"!sleep 0.3", PREPROCESS))
            await asyncio.sleep(0.1)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            await works(decoders)
            assert (await facts(decoders))["pid"] == before

    asyncio.run(run())


def test_queries_go_before_thumbnails() -> None:
    async def run() -> None:
        order: list[str] = []

        async def noted(name: str, job: Awaitable[Any]) -> None:
            await job
            order.append(name)

        async with decoding() as decoders:
            busy = asyncio.create_task(decoders.thumbnail(b"!sleep 0.2", 160))
            await asyncio.sleep(0.1)
            await asyncio.gather(
                *(noted("thumbnail", decoders.thumbnail(GOOD, 160)) for _ in range(3)),
                noted("query", decoders.pixels(GOOD, PREPROCESS)),
                busy,
            )
        assert order == ["query", *["thumbnail"] * 3]

    asyncio.run(run())


def children() -> set[int]:
    """Processes that this one has started and not seen end: other tests may have left theirs."""
    return {child.pid for child in psutil.Process().children()}


def test_closing_sends_away_what_waits_and_what_is_under_way() -> None:
    before = children()

    async def run() -> None:
        async with decoding() as decoders:
            tasks = [asyncio.create_task(decoders.thumbnail(b"!sleep", 160)) for _ in range(3)]
            await asyncio.sleep(0.1)
            await asyncio.wait_for(decoders.close(), 5)
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(error) for error in found] == [Overloaded] * 3
            with pytest.raises(Overloaded, match="stopping"):
                await works(decoders)

    asyncio.run(run())
    assert children() <= before


def test_many_ended_processes_leave_nothing_open() -> None:
    async def run() -> None:
        async with decoding() as decoders:
            await works(decoders)
            before = psutil.Process().num_fds()
            for _ in range(5):
                with pytest.raises(DecodeTooHeavy):
                    await decoders.thumbnail(b"!flood", 160)
            await works(decoders)
            assert psutil.Process().num_fds() <= before

    asyncio.run(run())


def test_a_process_that_does_not_start_is_an_error_that_says_so(tmp_path: Path) -> None:
    before = children()

    async def run(command: tuple[str, ...]) -> None:
        with pytest.raises(SamekindError, match="process that opens pictures"):
            await Decoders(Settings(), command).start()

    asyncio.run(run((sys.executable, "-c", "raise SystemExit(3)")))
    asyncio.run(run((str(tmp_path / "nothing"),)))
    assert children() <= before


SERVICE = """
import asyncio
from samekind.service.decoding import Decoders
from samekind.service.settings import Settings

async def run():
    decoders = Decoders(Settings(decoders=2, decode_seconds=1.0), {command!r})
    await decoders.start()
    busy = asyncio.create_task(decoders.thumbnail(b"!sleep", 160))
    await asyncio.sleep(0.1)
    print("started", flush=True)
    await asyncio.sleep(60)

asyncio.run(run())  # no guard of __main__: the processes do not import it
"""


def test_killing_the_service_ends_its_processes_idle_and_hanging() -> None:
    program = textwrap.dedent(SERVICE.format(command=OBEDIENT))
    with subprocess.Popen([sys.executable, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
        assert service.stdin is not None
        assert service.stdout is not None
        service.stdin.write(program.encode())
        service.stdin.close()
        assert service.stdout.readline() == b"started\n"
        workers = psutil.Process(service.pid).children()
        service.send_signal(signal.SIGKILL)
        service.wait()
        assert len(workers) == 2
        assert not psutil.wait_procs(workers, timeout=15)[1]


def test_a_thumbnail_is_small_upright_white_below_and_without_metadata() -> None:
    async def run() -> None:
        image = Image.new("RGBA", (400, 100), (0, 0, 0, 0))
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by a quarter
        exif[0x010E] = "where I live"
        file = io.BytesIO()
        image.save(file, "PNG", exif=exif)
        async with decoding() as decoders:
            small = Image.open(io.BytesIO(await decoders.thumbnail(file.getvalue(), 160)))
            assert (small.format, small.size, small.mode) == ("WEBP", (40, 160), "RGB")
            assert small.getextrema() == ((255, 255),) * 3
            assert not small.getexif()
            tiny = Image.open(io.BytesIO(await decoders.thumbnail(saved(size=(20, 10)), 160)))
            assert tiny.size == (20, 10)
            ribbon = Image.open(io.BytesIO(await decoders.thumbnail(plain((20_000, 1)), 320)))
            assert ribbon.size == (320, 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("format", "kind"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("AVIF", "image/avif"),
        ("BMP", "image/bmp"),
    ],
)
def test_what_a_browser_opens_is_shown_as_it_is(format: str, kind: str) -> None:
    async def run() -> None:
        async with decoding() as decoders:
            data = saved(format)
            assert await decoders.view(data) == (data, kind)

    asyncio.run(run())


def test_what_a_browser_does_not_open_or_is_very_large_is_shown_smaller() -> None:
    async def run() -> None:
        async with decoding(max_pixels=10_000_000) as decoders:
            for data in (plain((4000, 1000), format="TIFF"), plain((4000, 3000))):
                found, kind = await decoders.view(data)
                assert kind == "image/webp"
                assert max(Image.open(io.BytesIO(found)).size) == 2048
            with pytest.raises(ImageError):
                await decoders.view(b"<html>")

    asyncio.run(run())


@pytest.mark.slow
def test_whatever_the_bytes_are_the_outcome_is_a_picture_or_a_named_error() -> None:
    seeds = [saved(format) for format in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")]
    loop = asyncio.new_event_loop()
    decoders = Decoders(Settings(decoders=1))
    loop.run_until_complete(decoders.start())

    @hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(seeds), st.floats(0, 1), st.binary(max_size=64), st.booleans())
    def check(seed: bytes, where: float, piece: bytes, insert: bool) -> None:
        at = int(where * len(seed))
        data = seed[:at] + piece + seed[at if insert else at + len(piece) :]
        for job in (decoders.pixels(data, PREPROCESS), decoders.thumbnail(data, 160), decoders.view(data)):
            with contextlib.suppress(ImageError):
                loop.run_until_complete(job)

    try:
        check()
    finally:
        loop.run_until_complete(decoders.close())
        loop.close()
