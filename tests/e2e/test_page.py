"""The page in a real browser: what is typed, pasted or pointed at is found, weighed, filtered and looked at."""

import base64
import re

import pytest

from samekind.datasets.toyworld import draw

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
    size = "async element => { await element.decode(); return [element.naturalWidth, element.naturalHeight]; }"
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
    tab.page.wait_for_function("() => document.getElementById('viewer-picture').naturalWidth === 160")
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
