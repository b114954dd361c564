"""The drawing paper in a real browser: mouse, fingers and keys draw, and what is drawn is searched for."""

import re

SQUARE = ["ArrowRight"] * 4 + ["ArrowDown"] * 4 + ["ArrowLeft"] * 4 + ["ArrowUp"] * 4


def drawn(tab):
    """The strokes that the address holds."""
    return tab.page.evaluate(
        "() => import('/static/address.js').then(module => module.parse(location.hash).state.sketch.value)"
    )


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
    tab.draw([(0.2, 0.2), (0.8, 0.2)])
    tab.draw([(0.2, 0.8), (0.8, 0.8)])
    assert len(drawn(tab)) == 2
    tab.page.click("#undo")
    assert len(drawn(tab)) == 1
    tab.page.keyboard.press("Control+z")
    assert len(drawn(tab)) == 0
    assert tab.page.is_visible("#hint")
    assert tab.page.get_attribute("#undo", "aria-disabled") == "true"
    tab.page.keyboard.press("Control+Shift+z")
    tab.page.click("#redo")
    assert len(drawn(tab)) == 2
    tab.page.check("input[name=pen][value='0']", force=True)
    tab.draw([(0.5, 0.75), (0.5, 0.85)])
    assert len(drawn(tab)) == 1
    tab.page.click("#clear")
    assert len(drawn(tab)) == 0
    assert tab.page.is_visible("#welcome")
    tab.page.click("#undo")
    assert len(drawn(tab)) == 1


def test_pens_have_widths_and_a_tap_is_a_dot(tabs, service):
    tab = tabs(service)
    for width in (10, 20, 40):
        tab.page.check(f"input[name=pen][value='{width}']", force=True)
        tab.draw([(width / 50, 0.5)])
    assert [(line["width"], len(line["points"])) for line in drawn(tab)] == [(10, 1), (20, 1), (40, 1)]


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
    for key in SQUARE:
        tab.page.keyboard.press(key)
    tab.settled(lambda: tab.page.keyboard.press("Space"))
    [line] = drawn(tab)
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
    [line] = drawn(tab)
    assert {y for _, y in line["points"]} == {205}
    assert tab.page.evaluate("scrollY") == 0


def test_a_removed_drawing_comes_back_with_undo(tabs, service):
    tab = tabs(service)
    tab.settled(tab.draw_star)
    tab.settled(lambda: tab.page.get_by_label("Weight: Drawing").fill("0.5"))
    tab.page.get_by_label("Remove: Drawing").click()
    assert tab.page.is_visible("#hint")
    tab.settled(lambda: tab.page.click("#undo"))
    assert not tab.page.is_visible("#hint")
    assert tab.searches[-1]["terms"][0]["weight"] == 1  # a part that was removed begins anew
