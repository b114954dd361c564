"""The address of the page: it holds the whole search, can be shared, and back and forward walk through it."""

import re

from samekind.datasets.toyworld import draw

GARBAGE = (
    *("garbage", "s=AAAA", "s=!!!", "s=AQEU_____w8", "p=bm8gcGljdHVyZQ", "tw=7", "pages=-1", "more=%00"),
    *("t=" + "x" * 1001, "%E0%A4%A", "__proto__=1", "s=" + "A" * 100_000),
)
PACKED = "import('/static/packing.js')"


def test_a_search_is_shared_by_its_address(tabs, service, tmp_path):
    draw("fish", "photo", 99, 300, index=0).save(tmp_path / "fish.png")
    tab = tabs(service)
    tab.settled(tab.draw_star)
    tab.type("a yellow star")
    tab.type("a sketch", field="without")
    tab.settled(lambda: tab.page.set_input_files("#file", tmp_path / "fish.png"))
    tab.settled(lambda: tab.page.locator(".card .more").first.click())
    tab.settled(lambda: tab.page.get_by_label("Weight: Picture").fill("0.3"))
    tab.settled(lambda: tab.page.locator(".part[data-kind=without] input[type=checkbox]").uncheck())
    tab.settled(lambda: tab.page.click("[data-domain=cartoon]"))
    other = tabs(tab.page.url)
    other.page.wait_for_selector(".column[data-state=ready]")
    assert other.searches[-1] == tab.searches[-1]  # picture and drawing too, byte by byte
    assert other.hits() == tab.hits()
    assert other.domains() == {"cartoon"}
    assert other.page.input_value("#without") == "a sketch"
    assert other.page.title() == tab.page.title()
    assert len(tab.page.url) < 40_000


def test_back_and_forward_restore_each_settled_query(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    stars = tab.hits()
    tab.page.focus("#words")
    tab.settled(lambda: tab.page.keyboard.type("a house", delay=20))
    houses = tab.hits()
    tab.settled(lambda: tab.page.click("[data-domain=photo]"))
    filtered = tab.hits()
    tab.settled(tab.page.go_back)
    assert tab.hits() == houses
    assert tab.page.get_attribute("[data-domain=photo]", "aria-pressed") == "false"
    tab.settled(tab.page.go_back)  # the typed letters are one step
    assert tab.hits() == stars
    assert tab.page.input_value("#words") == ""
    tab.page.go_back()
    tab.page.wait_for_selector("#hint", state="visible")
    assert tab.page.is_visible("#welcome")
    assert tab.page.url == service
    tab.settled(tab.page.go_forward)
    assert tab.hits() == stars
    assert not tab.page.is_visible("#hint")
    tab.page.go_forward()
    tab.settled(tab.page.go_forward)
    assert tab.hits() == filtered


def test_a_restored_drawing_can_be_drawn_on_and_undone(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    other = tabs(tab.page.url)
    other.settled(lambda: other.draw([(0.1, 0.1), (0.2, 0.1)]))
    assert len(other.page.url) > len(tab.page.url)
    other.page.click("#undo")
    assert other.page.url == tab.page.url
    other.page.click("#undo")
    assert other.page.is_visible("#hint")


def test_the_link_is_copied(tabs, service):
    tab = tabs()
    tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab.open(service).type("a boat")
    tab.page.click("#copy")
    tab.page.wait_for_selector("#note.shown")
    copied = tab.page.evaluate("navigator.clipboard.readText()")
    assert copied == tab.page.url
    assert re.search(r"#t=a\+boat$", copied)


def test_garbage_in_the_address_is_left_out_with_a_notice(tabs, service):
    tab = tabs(f"{service}#{GARBAGE[0]}")
    for fragment in GARBAGE:
        tab.page.evaluate("text => { location.hash = text; }", fragment)
        tab.page.wait_for_selector("#note.shown")
        assert "could not be read" in tab.page.text_content("#note"), fragment
        tab.page.wait_for_url(service)
        assert tab.page.is_visible("#welcome")
        tab.page.evaluate("() => document.getElementById('note').classList.remove('shown')")


def test_what_can_be_read_of_a_broken_address_is_kept(tabs, service):
    tab = tabs(f"{service}#t=a+fish&s=broken&d=photo&d=nowhere")
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert tab.page.input_value("#words") == "a fish"
    assert tab.domains() == {"photo"}


def test_an_address_typed_over_this_one_is_followed(tabs, service):
    tab = tabs(service)
    tab.settled(lambda: tab.page.evaluate("location.hash = 't=a+cat'"))
    assert tab.page.input_value("#words") == "a cat"


def test_strokes_come_back_from_the_address_as_they_were(tabs, service):
    page = tabs(service).page
    worst = page.evaluate(
        f"""async () => {{
          const {{ packStrokes, unpackStrokes }} = await {PACKED};
          let random = 1;
          const next = most => (random = (random * 48271) % 2147483647) % most;
          for (let round = 0; round < 300; round += 1) {{
            const strokes = Array.from({{ length: next(6) }}, () => ({{
              width: 1 + next(200),
              points: Array.from({{ length: 1 + next(40) }}, () => [next(1024), next(1024)]),
            }}));
            if (JSON.stringify(unpackStrokes(packStrokes(strokes))) !== JSON.stringify(strokes)) return strokes;
          }}
          return null;
        }}"""
    )
    assert worst is None


def test_simplified_lines_lie_where_they_were_drawn(tabs, service):
    page = tabs(service).page
    furthest, kept, corners = page.evaluate(
        """async () => {
          const { simplified, quantised } = await import('/static/strokes.js');
          const circle = Array.from({ length: 721 }, (_, at) =>
            quantised([512 + 300 * Math.cos(at * Math.PI / 360), 512 + 300 * Math.sin(at * Math.PI / 360)]));
          const line = simplified(circle);
          const off = circle.map(([x, y]) => Math.min(...line.slice(1).map(([bx, by], at) => {
            const [ax, ay] = line[at];
            const share = Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay))
              / ((bx - ax) ** 2 + (by - ay) ** 2)));
            return Math.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay));
          })));
          const square = simplified([[0, 0], [50, 0], [100, 0], [100, 50], [100, 100]]);
          return [Math.max(...off), line.length, square];
        }"""
    )
    assert furthest <= 1
    assert kept < 120
    assert [100, 0] in corners
