"""The page of results: complete, self-contained, harmless, and readable."""

import base64
import io
import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from samekind.gallery.hits import Hit
from samekind.gallery.page import STYLE, THUMBNAIL, Row, Section, Table, render_page, tail, thumbnail
from samekind.gallery.query import Term

VOID = {"meta", "img", "br", "link", "hr", "input"}


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

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = []
    for name, size in (("a.png", (400, 200)), ("b.jpg", (60, 90)), ("c & d.png", (1, 1))):
        Image.new("RGB", size, (200, 30, 30)).save(tmp_path / name)
        paths.append(str(tmp_path / name))
    return paths


def hit(uri: str, rank: int = 1, score: float = 0.5, domain: str | None = "photo") -> Hit:
    return Hit(rank, score, uri, domain, f"id{rank}")


def one(uri: str, **keywords: object) -> Document:
    return Document(render_page("t", [Section("", [Row([Term("text", "q")], [hit(uri)])])], **keywords))  # type: ignore[arg-type]


def test_queries_and_hits_stand_side_by_side_with_score_domain_and_place(pictures: list[str]) -> None:
    row = Row([Term("image", pictures[0])], [hit(pictures[1], 1, 0.8312), hit(pictures[2], 2, -0.25, None)])
    document = Document(render_page("Cups & <cups>", [Section("sketch to photo", [row], "a note")], lead="A lead."))
    images = document.all("img")
    assert [image["alt"].split(":")[0] for image in images] == ["query", "hit 1", "hit 2"]
    assert all(image["loading"] == "lazy" for image in images)
    for wanted in (
        "Cups & <cups>",
        "A lead.",
        "sketch to photo",
        "a note",
        "0.831",
        "-0.250",
        "photo",
        tail(pictures[2]),
    ):
        assert wanted in document.text
    assert pictures[1] in [span.get("title") for span in document.all("span")]


def test_thumbnails_are_small_and_inside_the_page(pictures: list[str]) -> None:
    (image,) = one(pictures[0]).all("img")
    data = base64.b64decode(image["src"].removeprefix("data:image/jpeg;base64,"), validate=True)
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (THUMBNAIL, THUMBNAIL // 2)


def test_a_small_picture_is_not_enlarged(pictures: list[str]) -> None:
    data = base64.b64decode(one(pictures[2]).all("img")[0]["src"].split(",")[1])
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (1, 1)


def test_a_query_may_be_a_picture_in_memory_and_is_not_changed() -> None:
    picture = Image.new("RGBA", (900, 300))
    (image,) = Document(render_page("t", [Section("", [Row([Term("image", picture)], [])])])).all("img")
    assert image["src"] == thumbnail(picture)
    assert (picture.mode, picture.size) == ("RGBA", (900, 300))


def test_a_query_by_relative_path_is_linked_by_its_full_one(
    pictures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(pictures[0]).parent)
    document = Document(render_page("t", [Section("", [Row([Term("image", "a.png")], [])])]))
    assert document.all("a")[0]["href"] == Path(pictures[0]).as_uri()


def test_nothing_is_loaded_from_outside_and_no_script_runs(pictures: list[str]) -> None:
    page = render_page("t", [Section("h", [Row([Term("image", pictures[0])], [hit(u) for u in pictures])])])
    document = Document(page)
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in document.elements}
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in document.all("img"))
    assert not any(name.startswith("on") for _, attributes in document.elements for name in attributes)
    assert "url(" not in page
    assert "@import" not in page
    policy = next(m["content"] for m in document.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_a_hit_whose_file_vanished_leaves_a_placeholder_and_the_rest_is_there(pictures: list[str]) -> None:
    Path(pictures[0]).unlink()
    Path(pictures[1]).write_bytes(b"not a picture")
    row = Row([Term("text", "q")], [hit(uri, n) for n, uri in enumerate(pictures, 1)])
    document = Document(render_page("t", [Section("", [row])]))
    gone = [attributes for attributes in document.all("div") if attributes.get("class") == "gone"]
    assert [attributes["role"] for attributes in gone] == ["img", "img"]
    assert "no longer there" in gone[0]["aria-label"]
    assert "cannot be shown" in gone[1]["aria-label"]
    assert len(document.all("img")) == len(document.all("a")) == 1


def test_urls_are_not_fetched_unless_asked_and_are_linked() -> None:
    document = one("https://pictures.example/a.png?x=1&y=2")
    assert "not fetched" in document.text
    assert document.all("a")[0]["href"] == "https://pictures.example/a.png?x=1&y=2"
    assert document.all("a")[0]["rel"] == "noopener noreferrer"


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "data:text/html,x", "javascript://x/%0aalert(1)", "a.png", "file:///etc/passwd", ""]
)
def test_only_absolute_paths_and_http_addresses_become_links(uri: str) -> None:
    assert one(uri).all("a") == []


def test_a_path_is_linked_as_a_file_address(pictures: list[str]) -> None:
    assert one(pictures[2]).all("a")[0]["href"] == Path(pictures[2]).as_uri()
    assert "c%20%26%20d.png" in Path(pictures[2]).as_uri()


HOSTILE = st.sampled_from(
    [
        '<script>alert("x")</script>',
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='x",
        "</style></title>",
        "{0}{style}",
        "\u202egnp.exe",
        "\x00\x1b[31m",
        "\ud800",
        "a\nb",
    ]
) | st.text(max_size=20)


def everywhere(title: str, path: str, domain: str) -> Document:
    """A page that shows these texts wherever a text can stand."""
    query = [Term("text", f"-{title}"), Term("image", f"/{path}", -2.0)]
    row = Row(query, [hit(f"/{path}", domain=f"-{domain}")], label=f"-{title}", right=[True])
    table = Table(title, [domain, path], [[path, domain]])
    section = Section(f"-{domain}", [row], f"-{path}")
    return Document(render_page(title, [section], lead=f"-{title}", tables=[table]))


# The only lone surrogates that a file's name can have are those that stand for bytes.
PATHS = HOSTILE.map(lambda text: text.replace("\ud800", "\udcff"))


@given(HOSTILE, PATHS, HOSTILE)
def test_hostile_texts_stay_texts(title: str, path: str, domain: str) -> None:
    document, plain = everywhere(title, path, domain), everywhere("x", "x", "x")
    structure, expected = ([(tag, sorted(a)) for tag, a in page.elements] for page in (document, plain))
    assert structure == expected
    assert not {c for c in document.text if not c.isprintable() and c != "\n"}


@given(HOSTILE)
def test_the_page_can_always_be_written_as_utf_8(text: str) -> None:
    assert render_page(text, [Section(text, [Row([Term("text", f"-{text}")], [])])]).encode()


def test_right_and_wrong_hits_are_told_in_words_and_not_by_colour_alone(pictures: list[str]) -> None:
    row = Row([Term("text", "dog")], [hit(pictures[0], 1), hit(pictures[1], 2)], label="dog", right=[True, False])
    document = Document(render_page("t", [Section("", [row])]))
    assert "✓ same" in document.text
    assert "✗ other" in document.text
    assert [item.get("class") for item in document.all("li")] == ["right", "wrong"]


def test_without_the_truth_nothing_is_ticked(pictures: list[str]) -> None:
    document = one(pictures[0])
    assert "same" not in document.text
    assert [item.get("class") for item in document.all("li")] == [None]


def test_weights_are_shown_where_they_are_not_one(pictures: list[str]) -> None:
    row = Row([Term("text", "a red car", 2.0), Term("image", pictures[0]), Term("text", "toy", -1.0)], [])
    document = Document(render_page("t", [Section("", [row])]))
    assert "2 \N{MULTIPLICATION SIGN} a red car" in document.text
    assert "-1 \N{MULTIPLICATION SIGN} toy" in document.text
    assert document.text.count("\N{MULTIPLICATION SIGN}") == 2
    assert "no hits" in document.text


def test_a_table_names_its_columns_and_rows() -> None:
    document = Document(render_page("t", [], tables=[Table("P@1", ["pair", "P@1"], [["sketch to photo", "0.51"]])]))
    assert [cell["scope"] for cell in document.all("th")] == ["col", "col", "row"]
    assert len(document.all("caption")) == 1


def test_a_row_refuses_ticks_that_do_not_match_its_hits(pictures: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        render_page("t", [Section("", [Row([], [hit(pictures[0])], right=[True, False])])])


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    values = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_wcag_asks_for_in_light_and_dark(scheme: str) -> None:
    light, dark = (dict(re.findall(r"--(\w+): (#\w{6})", part)) for part in STYLE.split("prefers-color-scheme: dark"))
    colours = light if scheme == "light" else dark
    assert set(light) == set(dark)
    for text, ground in product(("ink", "soft", "link", "yes", "no"), ("page", "card")):
        high, low = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, ground)
