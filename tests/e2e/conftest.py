"""A small gallery, `samekind serve` on it, and tabs of a real browser that complain about errors on the page."""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CLASSES = ("apple", "boat", "cat", "fish", "house", "star")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking disable-component-update "
FLAGS += "disable-sync"


@pytest.fixture(scope="session")
def galleries(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two galleries of mini: the whole small world, and its photos and sketches alone."""
    from samekind.datasets.toyworld import generate
    from samekind.gallery.store import Gallery
    from samekind.retriever.store import load

    root, mini = tmp_path_factory.mktemp("page"), load("mini")
    generate(root / "world", per_class=3, classes=CLASSES)
    shutil.copytree(root / "world" / "photo", root / "half" / "photo")
    shutil.copytree(root / "world" / "sketch", root / "half" / "sketch")
    for name in ("world", "half"):
        Gallery.open(root / "galleries" / name, mini).add(root / name, domain_from_folder=True, workers=1)
    return [root / "galleries" / "world", root / "galleries" / "half"]


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """The address of a service that runs meanwhile."""
    command = [sys.executable, "-m", "samekind", "serve", "--port", "0", "--rate", "0", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            address = re.search(r"http://\S+", said)
            assert address, f"the service did not start: {said!r}"
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)


@pytest.fixture(scope="session")
def service(galleries: list[Path]) -> Iterator[str]:
    """A service with one gallery."""
    with serving("--gallery", str(galleries[0])) as address:
        yield address


@pytest.fixture(scope="session")
def service_of_two(galleries: list[Path]) -> Iterator[str]:
    """A service with both galleries."""
    with serving("--gallery", str(galleries[0]), "--gallery", str(galleries[1])) as address:
        yield address


@pytest.fixture(scope="session")
def token() -> str:
    """What `service_with_token` asks for."""
    return "a-token-that-nobody-guesses"


@pytest.fixture(scope="session")
def service_with_token(galleries: list[Path], token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that asks for a token."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.touch(mode=0o600)
    file.write_text(token)
    with serving("--gallery", str(galleries[0]), "--token-file", str(file)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's chromium, or another one that is installed.

    Not for longer than a module, as its event loop runs meanwhile, beside which other tests could not have theirs.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[f"--{flag}" for flag in FLAGS.split()])
        yield started
        started.close()


class Tab:
    """A page of the service in the browser, as a visitor uses it."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.searches: list[Any] = []
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._requested)

    def _said(self, kind: str, text: str) -> None:
        if kind == "error":
            self.errors.append(text)

    def _requested(self, request: Any) -> None:
        if not re.match(r"http://127\.0\.0\.1:|blob:|data:", request.url):
            self.elsewhere.append(request.url)
        if request.url.endswith("/search"):
            self.searches.append(request.post_data_json)

    def open(self, address: str) -> "Tab":
        """Go there and wait until the galleries are known."""
        self.page.goto(address)
        self.page.wait_for_function("() => document.getElementById('about').textContent !== ''")
        return self

    def draw(self, points: list[tuple[float, float]]) -> None:
        """One stroke of the mouse, in shares of the paper."""
        box = self.page.locator("#paper").bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=4)
        self.page.mouse.up()

    def draw_star(self) -> None:
        """The outline of a five-pointed star."""
        turns = [(0.38 if at % 2 == 0 else 0.16, at * math.pi / 5) for at in range(11)]
        self.draw([(0.5 + r * math.sin(angle), 0.52 - r * math.cos(angle)) for r, angle in turns])

    def settled(self, what: Callable[[], object]) -> None:
        """Do something that is searched for, and wait for the answer to it."""
        before = self.page.evaluate("performance.now()")
        what()
        self.page.wait_for_function(
            """since => performance.getEntriesByType('resource').some(
                 entry => entry.name.endsWith('/search') && entry.startTime > since)
               && document.getElementById('found').getAttribute('aria-busy') === 'false'""",
            arg=before,
        )

    def type(self, words: str, field: str = "words") -> None:
        """Type words, and wait for what is found."""
        self.settled(lambda: self.page.fill(f"#{field}", words))

    def hits(self, column: int = 0) -> list[str]:
        """The uris that are shown, best first."""
        shown = self.page.locator(".column").nth(column).locator(".card .uri")
        return shown.evaluate_all("all => all.map(each => each.title)")

    def classes(self, column: int = 0) -> list[str]:
        """The classes of what is shown."""
        return [uri.split("/")[-2] for uri in self.hits(column)]

    def domains(self) -> set[str]:
        """The domains of what is shown."""
        return {uri.split("/")[-3] for uri in self.hits()}


@pytest.fixture
def tabs(browser: Any) -> Iterator[Callable[..., Tab]]:
    """Opens tabs, each in a browser of its own; errors on a page and requests to elsewhere fail the test."""
    opened: list[tuple[Any, Tab]] = []

    def new(address: str | None = None, **context: Any) -> Tab:
        made = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **context})
        made.set_default_timeout(15_000)
        tab = Tab(made.new_page())
        opened.append((made, tab))
        return tab if address is None else tab.open(address)

    yield new
    for context, tab in opened:
        context.close()
        assert not tab.errors
        assert not tab.elsewhere
