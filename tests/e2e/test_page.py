"""The page in a real browser: what is drawn, typed or pasted is found, weighed, filtered and looked at."""

import base64
import re

import pytest

from samekind.datasets.toyworld import draw

STAR_STEPS = ["ArrowRight"] * 4 + ["ArrowDown"] * 4 + ["ArrowLeft"] * 4 + ["ArrowUp"] * 4
PASTE = """data => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], 'pasted.png', {type: 'image/png'}));
  document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData: transfer, bubbles: true, cancelable: true}));
}"""
DROP = """data => {
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], 'dropped.png', {type: 'image/png'}));
  for (const type of ['dragover', 'drop'])
    document.body.dispatchEvent(new DragEvent(type, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def boat(tmp_path):
    path = tmp_path / "boat.png"
    draw("boat", "photo", 99, 500, index=0).save(path)
    return path


def part_names(tab):
    return tab.page.locator("#parts .name").all_text_contents()


def test_a_drawn_star_finds_stars(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    assert tab.classes()[:8].count("star") >= 7  # of the 12 that there are
    assert len(tab.hits()) == 24
    assert tab.page.locator(".count").first.text_content() == "24 of 72 pictures"


def test_what_is_drawn_is_what_is_sent(tabs, service):
    tab = tabs(service)
    tab.settled(lambda: tab.draw([(0.1, 0.1), (0.1, 0.4)]))  # in a corner: the paper around it is not sent
    sent = tab.searches[-1]["terms"]
    assert [set(term) for term in sent] == [{"weight", "image"}]
    shown = tab.page.locator("#parts img").get_attribute("src")
    assert shown == f"data:image/png;base64,{sent[0]['image']}"
    ink = tab.page.evaluate(
        """async source => {
          const image = new Image(); image.src = source; await image.decode();
          const canvas = document.createElement('canvas'); canvas.width = image.width; canvas.height = image.height;
          const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
          const pixels = context.getImageData(0, 0, image.width, image.height).data;
          const dark = []; for (let at = 0; at < pixels.length; at += 4) if (pixels[at] < 128) dark.push(at / 4);
          const [xs, ys] = [dark.map(p => p % image.width), dark.map(p => Math.floor(p / image.width))];
          return [image.width, image.height, Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
        }""",
        shown,
    )
    width, height, left, right, top, bottom = ink
    assert (width, height) == (256, 256)
    assert abs((left + right) / 2 - 127.5) < 2
    assert abs((top + bottom) / 2 - 127.5) < 2  # in the middle
    assert 15 < top < 40  # nearly as large as fits, with a margin


def test_lines_can_be_undone_redone_cleared_and_rubbed_out(tabs, service):
    tab = tabs(service)
    strokes = """() => import('/static/address.js').then(a => a.parse(location.hash).state.sketch.value.length)"""
    tab.draw([(0.2, 0.2), (0.8, 0.2)])
    tab.draw([(0.2, 0.8), (0.8, 0.8)])
    assert tab.page.evaluate(strokes) == 2
    tab.page.click("#undo")
    assert tab.page.evaluate(strokes) == 1
    tab.page.keyboard.press("Control+z")
    assert tab.page.evaluate(strokes) == 0
    assert tab.page.is_visible("#hint")
    assert tab.page.get_attribute("#undo", "aria-disabled") == "true"
    tab.page.keyboard.press("Control+Shift+z")
    tab.page.click("#redo")
    assert tab.page.evaluate(strokes) == 2
    tab.page.check("input[name=pen][value='0']", force=True)
    tab.draw([(0.5, 0.75), (0.5, 0.85)])
    assert tab.page.evaluate(strokes) == 1
    tab.page.click("#clear")
    assert tab.page.evaluate(strokes) == 0
    assert tab.page.is_visible("#welcome")
    tab.page.click("#undo")
    assert tab.page.evaluate(strokes) == 1


def test_pens_have_widths_and_a_tap_is_a_dot(tabs, service):
    tab = tabs(service)
    for width in (10, 20, 40):
        tab.page.check(f"input[name=pen][value='{width}']", force=True)
        tab.draw([(width / 50, 0.5)])
    read = "() => import('/static/address.js').then(a => a.parse(location.hash).state.sketch.value)"
    assert [(line["width"], len(line["points"])) for line in tab.page.evaluate(read)] == [(10, 1), (20, 1), (40, 1)]


def test_the_empty_paper_draws_a_star_when_asked(tabs, service):
    tab = tabs(service, reduced_motion="reduce")
    tab.settled(lambda: tab.page.click("#star"))
    assert tab.classes()[:8].count("star") >= 7


def test_it_searches_while_a_long_line_is_drawn(tabs, service):
    tab = tabs(service)
    box = tab.page.locator("#paper").bounding_box()
    tab.page.mouse.move(box["x"] + 50, box["y"] + 50)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 250, box["y"] + 50, steps=5)
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert "#" not in tab.page.url  # nothing for the history before the line ends
    tab.page.mouse.up()
    tab.page.wait_for_url(re.compile("#s="))


def test_keys_draw(tabs, service):
    tab = tabs(service)
    tab.page.focus("#paper")
    tab.page.keyboard.press("Space")
    assert tab.page.locator("#said").text_content() == "Pen down"
    for key in STAR_STEPS:
        tab.page.keyboard.press(key)
    tab.settled(lambda: tab.page.keyboard.press("Space"))
    read = "() => import('/static/address.js').then(a => a.parse(location.hash).state.sketch.value)"
    [line] = tab.page.evaluate(read)
    corner = 512 + 4 * 24
    assert [512, 512] == line["points"][0] == line["points"][-1]
    assert {(corner, 512), (corner, corner), (512, corner)} <= {tuple(point) for point in line["points"]}


def test_one_finger_draws_and_others_do_not_disturb_it(tabs, service):
    tab = tabs(service, has_touch=True)
    box, screen = tab.page.locator("#paper").bounding_box(), tab.page.context.new_cdp_session(tab.page)

    def fingers(kind, *places):
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": finger}
            for finger, (x, y) in enumerate(places)
        ]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (0.2, 0.2))
    fingers("touchMove", (0.5, 0.2))
    fingers("touchStart", (0.5, 0.2), (0.8, 0.8))
    fingers("touchMove", (0.8, 0.2), (0.2, 0.8))
    fingers("touchEnd")
    tab.page.wait_for_url(re.compile("#s="))
    read = "() => import('/static/address.js').then(a => a.parse(location.hash).state.sketch.value)"
    [line] = tab.page.evaluate(read)
    assert {y for _, y in line["points"]} == {205}
    assert tab.page.evaluate("scrollY") == 0


def test_words_find_and_words_without_take_away(tabs, service):
    tab = tabs(service)
    tab.type("a fish")
    assert tab.classes()[:6].count("fish") >= 5
    assert part_names(tab) == ["“a fish”"]
    tab.type("a picture")
    near = tab.classes()[:12].count("star")
    tab.type("a star", field="without")
    assert tab.searches[-1]["terms"] == [{"weight": 1, "text": "a picture"}, {"weight": -1, "text": "a star"}]
    assert tab.classes()[:12].count("star") <= near
    assert "star" not in tab.classes()[:12]


def test_parts_are_weighed_switched_off_and_removed(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    tab.type("a fish")
    both = tab.hits()
    slider = tab.page.get_by_label("Weight: Drawing")
    slider.focus()
    for _ in range(9):
        tab.page.keyboard.press("ArrowLeft")
    tab.page.wait_for_function("() => document.getElementById('found').getAttribute('aria-busy') === 'false'")
    assert tab.searches[-1]["terms"][0]["weight"] == 0.1
    assert tab.classes()[:4].count("fish") >= 3
    assert tab.hits() != both
    tab.settled(lambda: tab.page.locator(".part[data-kind=words] input[type=checkbox]").uncheck())
    assert len(tab.searches[-1]["terms"]) == 1
    assert tab.classes()[0] == "star"
    tab.page.get_by_label("Remove: Drawing").click()
    assert tab.page.is_visible("#hint")
    assert part_names(tab) == ["“a fish”"]
    tab.page.click("#afresh")
    assert tab.page.input_value("#words") == ""
    assert tab.page.is_visible("#welcome")


def test_a_picture_is_chosen_pasted_or_dropped(tabs, service, boat):
    data = base64.b64encode(boat.read_bytes()).decode()
    for act in (
        lambda tab: tab.page.set_input_files("#file", boat),
        lambda tab: tab.page.evaluate(PASTE, data),
        lambda tab: tab.page.evaluate(DROP, data),
    ):
        tab = tabs(service)
        tab.settled(lambda tab=tab, act=act: act(tab))
        assert tab.classes()[:5].count("boat") >= 4
        assert len(base64.b64decode(tab.searches[-1]["terms"][0]["image"])) <= 24 * 1024
    size = "element => [element.naturalWidth, element.naturalHeight]"
    assert max(tab.page.locator("#parts img").evaluate(size)) == 384


def test_what_is_no_picture_is_refused_in_a_sentence(tabs, service, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    tab = tabs(service)
    tab.page.set_input_files("#file", path)
    tab.page.wait_for_selector("#note.shown")
    assert "could not be opened" in tab.page.text_content("#note")
    assert not tab.page.is_visible("#parts-box")


def test_domains_filter_several_at_once(tabs, service):
    tab = tabs(service)
    assert tab.page.locator("#domains .chip").all_text_contents() == [
        "all72",
        "cartoon18",
        "painting18",
        "photo18",
        "sketch18",
    ]
    tab.type("a house")
    tab.settled(lambda: tab.page.click("[data-domain=sketch]"))
    assert tab.domains() == {"sketch"}
    assert tab.page.get_attribute("[data-domain=sketch]", "aria-pressed") == "true"
    tab.settled(lambda: tab.page.click("[data-domain=photo]"))
    assert tab.domains() == {"sketch", "photo"}
    tab.settled(lambda: tab.page.click("#domains .chip >> nth=0"))
    assert len(tab.domains()) > 2


def test_more_and_less_like_this(tabs, service):
    tab = tabs(service)
    tab.type("a boat")
    spoken, uri = tab.page.locator(".card .open").first.get_attribute("aria-label"), tab.hits()[0]
    name = re.fullmatch(r"1\. (.+), similarity \d\.\d\d", spoken)[1]
    more, less = (tab.page.get_by_role("button", name=f"{word} like {name}", exact=True) for word in ("More", "Less"))
    tab.settled(more.click)
    assert part_names(tab) == ["“a boat”", f"More like {name}"]
    assert tab.hits()[0] == uri
    assert more.get_attribute("aria-pressed") == "true"
    tab.settled(less.click)
    assert part_names(tab) == ["“a boat”", f"Less like {name}"]
    assert uri not in tab.hits()[:1]
    assert tab.searches[-1]["terms"][1]["weight"] == -0.5  # gentler: what is alike would cancel out
    tab.settled(tab.page.get_by_label(f"Remove: Less like {name}").click)
    tab.settled(more.click)
    tab.settled(more.click)  # the same again takes it back
    assert part_names(tab) == ["“a boat”"]


def test_the_next_page_goes_on_where_the_first_ended(tabs, service):
    tab = tabs(service)
    tab.type("a cat")
    first = tab.hits()
    assert tab.page.text_content("#next-page-left") == "48 left"
    tab.settled(lambda: tab.page.click("#next-page"))
    assert tab.hits()[:24] == first
    assert len(set(tab.hits())) == 48
    tab.settled(lambda: tab.page.click("#next-page"))
    assert len(set(tab.hits())) == 72
    assert not tab.page.is_visible("#next-page")
    tab.page.wait_for_url(re.compile("pages=3"))
    again = tabs(tab.page.url)
    again.page.wait_for_selector(".column[data-state=ready]")
    assert again.hits() == tab.hits()
    again.type("a dog")
    assert len(again.hits()) == 24  # another query begins at its first page


def test_the_dialog_shows_query_and_hit_by_keyboard(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    tab.page.locator(".card .open").first.focus()
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Enter")
    names = [uri.split("/", 2)[2] for uri in tab.hits()]
    title = tab.page.locator("#viewer-title")
    assert title.text_content() == names[1]
    assert tab.page.locator("#viewer-query img").get_attribute("src").startswith("data:image/png")
    tab.page.wait_for_function(
        "() => document.getElementById('viewer-facts').textContent.includes('160 \\u00d7 160 pixels')"
    )
    assert tab.page.evaluate("document.getElementById('viewer-picture').naturalWidth") == 160
    assert tab.page.request.get(tab.page.evaluate("document.getElementById('viewer-whole').href")).ok
    tab.page.keyboard.press("ArrowRight")
    assert title.text_content() == names[2]
    for _ in range(3):
        tab.page.keyboard.press("ArrowLeft")  # the first one is the end
    assert title.text_content() == names[0]
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Escape")
    assert not tab.page.is_visible("#viewer")
    focused = tab.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith(f"3. {names[2]}")  # of what was seen last


def test_pictures_of_the_gallery_welcome_and_begin_a_search(tabs, service):
    tab = tabs(service)
    tab.page.wait_for_selector("#wall .open")
    tiles = tab.page.locator("#wall .open")
    assert tiles.count() == 24
    name = tiles.nth(3).get_attribute("aria-label")
    tab.settled(lambda: tiles.nth(3).click())
    assert part_names(tab) == [name]
    assert not tab.page.is_visible("#welcome")


def test_the_pictures_that_welcome_are_of_the_chosen_domains(tabs, service):
    tab = tabs(service)
    tab.page.wait_for_selector("#wall .open")
    tab.page.click("[data-domain=photo]")
    tab.page.wait_for_function("() => !document.querySelector('#wall .open:not([aria-label$=photo])')")
    assert tab.page.locator("#wall .open").count() == 18  # all that there are


def test_a_removed_drawing_comes_back_with_undo(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    tab.settled(lambda: tab.page.get_by_label("Weight: Drawing").fill("0.5"))
    tab.page.get_by_label("Remove: Drawing").click()
    assert tab.page.is_visible("#hint")
    tab.settled(lambda: tab.page.click("#undo"))
    assert not tab.page.is_visible("#hint")
    assert tab.searches[-1]["terms"][0]["weight"] == 1  # a part that was removed begins anew
