"""Which queries the page shows, what is taken for what, and that the page is whole, harmless and readable."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from test_plots import contrast
from written import NONE, Made, two_pairs

from samekind.evaluation.reports.compare import Comparison, compare
from samekind.evaluation.reports.confusion import by_domain, class_finder, confusion
from samekind.evaluation.reports.page import render
from samekind.evaluation.reports.plots import Plot
from samekind.evaluation.reports.style import STYLE
from samekind.evaluation.reports.thumbnails import Thumbnails
from samekind.evaluation.reports.worst import choices

VOID = {"meta", "img", "br", "wbr", "source"}
PERFECT, EARLY, LATE = (1, 1, 0, 0, 0, 0), (1, 0, 1, 0, 0, 0), (0, 0, 0, 0, 1, 1)


class Document(HTMLParser):
    """All elements with their attributes and the text; fails on elements that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(comparison: Comparison, root: Path | None = None, drawn: tuple[Plot, ...] = ()) -> Document:
    return Document(render(comparison, drawn, class_finder(comparison.results), Thumbnails(root)))


def files_of(comparison: Comparison, heading: str) -> list[str]:
    return next(([q.file for q in c.queries] for c in choices(comparison, 0) if c.heading == heading), [])


def test_the_worst_queries_have_the_lowest_average_precision(tmp_path: Path) -> None:
    comparison = compare([two_pairs([PERFECT, LATE, EARLY, PERFECT], classes=("a", "b", "c", "d")).write(tmp_path)])
    assert files_of(comparison, "Worst queries")[:2] == ["photo/b/1.png", "photo/c/2.png"]
    assert files_of(comparison, "Best queries") == ["photo/a/0.png", "photo/d/3.png", "photo/c/2.png"]


def test_a_class_comes_twice_only_after_every_other(tmp_path: Path) -> None:
    # Classes in turn: a has the two worst, b the third, c a perfect one.
    ranks = [LATE, EARLY, PERFECT, LATE]
    comparison = compare([two_pairs(ranks, classes=("a", "b", "c")).write(tmp_path)])
    expected = ["photo/a/0.png", "photo/b/1.png", "photo/c/2.png", "photo/a/3.png"]
    assert files_of(comparison, "Worst queries") == expected


def test_a_query_that_nothing_could_answer_is_not_shown(tmp_path: Path) -> None:
    comparison = compare([two_pairs([PERFECT, (*NONE, 0, 0)]).write(tmp_path)])
    shown = [query.file for choice in choices(comparison, 0) for query in choice.queries]
    assert set(shown) == {"photo/cat/0.png"}


def test_two_results_show_where_the_last_gains_and_loses(tmp_path: Path) -> None:
    first = two_pairs([PERFECT, LATE, EARLY], classes=("a", "b", "c")).write(tmp_path)
    second = two_pairs([LATE, PERFECT, EARLY], classes=("a", "b", "c"), name="other").write(tmp_path)
    comparison = compare([first, second])
    assert files_of(comparison, "Where other gains most") == ["photo/b/1.png"]
    assert files_of(comparison, "Where other loses most") == ["photo/a/0.png"]
    answers = choices(comparison, 0)[0].queries[0].answers
    assert [answer.label for answer in answers] == ["mini", "other"]


def test_without_tables_of_queries_nothing_is_chosen(tmp_path: Path) -> None:
    comparison = compare([two_pairs([PERFECT]).write(tmp_path, queries=False)])
    assert choices(comparison, 0) == []
    assert "Queries and their hits" not in page(comparison).text


def test_confusions_are_counted_by_the_first_hit(tmp_path: Path) -> None:
    # Classes a, b, c in turn; a wrong first hit is of the next class.
    ranks = [PERFECT, LATE, LATE, LATE, LATE, PERFECT]
    found = compare([two_pairs(ranks, classes=("a", "b", "c")).write(tmp_path)])
    counted = confusion([found.first.queries[0]], class_finder(found.results))
    assert counted.classes == ("a", "b", "c")
    assert counted.counts.tolist() == [[1, 1, 0], [0, 0, 2], [1, 0, 1]]
    assert counted.worst(2) == [("b", "c", 2, 2), ("a", "b", 1, 2)]
    assert counted.part(2).classes == ("b", "c")
    assert counted.unknown == 0


def test_a_hit_in_a_folder_that_is_no_class_is_not_guessed(tmp_path: Path) -> None:
    found = compare([Made([("photo", "sketch", [LATE, PERFECT])], classes=("a", "b")).write(tmp_path)])
    assert class_finder(found.results)("sketch/zebra/1.png") is None
    assert class_finder(found.results)("sketch/b/1.png") == "b"
    assert class_finder(found.results, {"sketch/b/1.png": "a"})("sketch/b/1.png") == "a"


def test_precision_by_domain_leaves_pairs_that_were_not_asked_open(tmp_path: Path) -> None:
    found = two_pairs([PERFECT], [LATE]).result(tmp_path)
    assert by_domain(found, "") == (("photo", "sketch"), ("photo", "sketch"), [[None, 1.0], [0.0, None]])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The pictures that two_pairs names, but for one that is broken and one that is not there."""
    for domain in ("photo", "sketch"):
        for name in ("cat", "dog"):
            (tmp_path / "data" / domain / name).mkdir(parents=True)
            for n in range(7):
                Image.new("RGB", (300, 150), (30 * n, 99, 99)).save(tmp_path / "data" / domain / name / f"{n}.png")
    (tmp_path / "data/sketch/cat/1.png").write_bytes(b"GIF87a")
    (tmp_path / "data/sketch/cat/2.png").unlink()
    return tmp_path / "data"


def test_the_page_has_the_pictures_inside_and_asks_for_nothing(tmp_path: Path, pictures: Path) -> None:
    comparison = compare(
        [two_pairs([PERFECT, LATE]).write(tmp_path), two_pairs([LATE, EARLY], name="b").write(tmp_path)]
    )
    found = page(comparison, pictures)
    symbols = {each["id"] for each in found.all("symbol")}
    used = [each["href"].removeprefix("#") for each in found.all("use")]
    assert set(used) == symbols
    assert len(symbols) < len(used)
    assert all(each["href"].startswith("data:image/jpeg;base64,") for each in found.all("image"))
    assert {(each["width"], each["height"]) for each in found.all("image")} == {("128", "64")}
    assert {tag for tag, _ in found.elements}.isdisjoint({"script", "link", "iframe", "object", "form", "base"})
    policy = next(each["content"] for each in found.all("meta") if "content" in each and "http-equiv" in each)
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    for _, attributes in found.elements:
        for name in ("href", "src", "srcset"):
            assert attributes.get(name, "#").startswith(("#", "data:image/"))
    assert not re.search(r"@import|url\(", STYLE)


def test_a_picture_that_cannot_be_shown_says_why(tmp_path: Path, pictures: Path) -> None:
    found = page(compare([two_pairs([PERFECT, LATE]).write(tmp_path)]), pictures)
    assert "cannot be shown (vanished)" in found.text
    assert re.search(r"cannot be shown \((truncated|corrupt|unsupported)\)", found.text)


def test_without_data_there_are_names_only(tmp_path: Path) -> None:
    found = page(compare([two_pairs([PERFECT, LATE]).write(tmp_path)]))
    assert "no picture: --data was not given" in found.text
    assert "0.png" in found.text
    assert not found.all("use")


@pytest.mark.parametrize("file", ["../secret.png", "/secret.png", "a/../../secret.png"])
def test_nothing_outside_the_data_is_opened(tmp_path: Path, file: str) -> None:
    (tmp_path / "data").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    assert Thumbnails(tmp_path / "data").get(file).problem == "not below the data's root"


def test_every_picture_has_a_text_and_every_place_a_name_of_its_own(tmp_path: Path, pictures: Path) -> None:
    plot = Plot("bars", "Bars", "A caption.", "An alternative.", b"1", b"2", b"<svg/>")
    found = page(compare([two_pairs([PERFECT, LATE]).write(tmp_path)]), pictures, (plot,))
    assert all(each["aria-label"] for each in found.all("svg") if each.get("role") == "img")
    assert [each["alt"] for each in found.all("img")] == ["An alternative."]
    names = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(names) == len(set(names))
    links = {each["href"].removeprefix("#") for each in found.all("a")}
    assert links == {"figures", "plots", "queries", "notes"}
    assert links <= set(names)


def test_a_newcomer_is_told_what_is_seen(tmp_path: Path) -> None:
    text = page(compare([two_pairs([PERFECT, LATE]).write(tmp_path)])).text
    for words in ("A hit is relevant when it has the query's class", "higher is better", "queries → gallery", "✓", "✗"):
        assert words in text


def test_right_and_wrong_hits_differ_by_sign_and_line_too(tmp_path: Path) -> None:
    found = page(compare([two_pairs([EARLY]).write(tmp_path)]))
    assert {each.get("class", "") for each in found.all("li")} >= {"", "wrong"}
    assert ".hits .wrong { border-color: var(--no); border-top-style: dotted; }" in STYLE


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202etxt\x00", "{x}"]
)
def test_hostile_names_stay_text(tmp_path: Path, name: str) -> None:
    made = Made(
        [(name, "photo", [PERFECT, LATE])], name=name, classes=(name, "b"), facts={"command": name, "date": name}
    )
    found = page(compare([made.write(tmp_path, "r")]))
    assert not found.all("script")
    assert not found.all("img")
    assert "\u202e" not in found.text
    assert "\x00" not in found.text
    assert (name in found.text) == name.isprintable()


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_the_page(scheme: int) -> None:
    found = re.findall(r"--(\w+): (#[0-9a-f]{6})", STYLE)
    colours = dict(found[: len(found) // 2] if scheme == 0 else found[len(found) // 2 :])
    assert set(colours) == {"page", "card", "ink", "soft", "line", "link", "yes", "no"}
    for name in ("ink", "soft", "link", "yes", "no"):
        assert contrast(colours[name], colours["page"]) >= 4.5
        assert contrast(colours[name], colours["card"]) >= 4.5


def test_thumbnails_are_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    made = Thumbnails(tmp_path).get("a.png")
    assert (made.width, made.height) == (128, 85)
    assert len(made.source) < 16_000
