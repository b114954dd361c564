"""The page for everybody: axe finds nothing, 360 pixels are enough, keys reach all of it, no network is needed."""

import re

import pytest

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
STILL = {"reduced_motion": "reduce", "bypass_csp": True}  # axe is a script that the page's own policy would refuse
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def violations(page):
    """What axe finds, in light and in dark."""
    from axe_playwright_python.sync_playwright import Axe

    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        response = Axe().run(page, options={"runOnly": list(RULES)}).response
        found += [
            (scheme, each["id"], [node["target"] for node in each["nodes"]][:3]) for each in response["violations"]
        ]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("screen", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_axe_finds_nothing_wrong(tabs, service_of_two, screen):
    tab = tabs(service_of_two, **screen, **STILL)
    tab.page.wait_for_selector("#wall .open")
    found = {"empty": violations(tab.page)}
    tab.settled(tab.draw_star)
    tab.type("a star")
    tab.type("a sketch", field="without")
    tab.settled(lambda: tab.page.locator(".card .more").first.click())
    tab.settled(lambda: tab.page.locator(".part[data-kind=words] input[type=checkbox]").uncheck())
    tab.settled(lambda: tab.page.select_option("#compare", "half"))
    found["two"] = violations(tab.page)
    tab.page.locator(".card .open").first.click()
    tab.page.wait_for_function("() => document.getElementById('viewer-facts').textContent.includes('pixels')")
    found["dialog"] = violations(tab.page)
    tab.page.keyboard.press("Escape")
    tab.page.route("**/search", lambda route: route.fulfill(status=500, json={"title": "Broken", "detail": "Sorry."}))
    tab.page.fill("#words", "a boat")
    tab.page.wait_for_selector(".column[data-state=failed]")
    found["trouble"] = violations(tab.page)
    tab.errors.clear()
    assert found == {state: [] for state in found}


@pytest.mark.slow
def test_axe_finds_nothing_wrong_with_the_gate(tabs, service_with_token):
    tab = tabs(**STILL)
    tab.page.goto(service_with_token)
    tab.page.wait_for_selector("#gate[open]")
    assert violations(tab.page) == []
    tab.errors.clear()


def test_360_pixels_are_wide_enough(tabs, service_of_two):
    tab = tabs(service_of_two, **PHONE)
    tab.page.wait_for_selector("#wall .open")
    assert tab.page.evaluate(OVERFLOW) == 0
    box = tab.page.locator("#paper").bounding_box()
    tab.page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.page.wait_for_selector(".column[data-state=ready]")
    tab.type("a rather long text of manywordsthatarenotseparatedbyanyspacewhatsoever, and more of it")
    tab.settled(lambda: tab.page.locator(".card .less").first.click())
    assert tab.page.evaluate(OVERFLOW) == 0
    tab.settled(tab.page.get_by_label("Remove: Less like").click)
    tab.settled(lambda: tab.page.select_option("#compare", "half"))
    assert tab.page.evaluate(OVERFLOW) == 0
    tab.page.set_viewport_size({"width": 320, "height": 640})  # what WCAG 1.4.10 asks for
    assert tab.page.evaluate(OVERFLOW) == 0
    first, second = (tab.page.locator(".column").nth(at).bounding_box() for at in (0, 1))
    assert second["y"] > first["y"] + first["height"] - 1  # one under the other
    tab.page.locator(".card .open").first.click()
    assert tab.page.evaluate(OVERFLOW) == 0
    tab.page.click("#viewer-close")
    tab.page.click("#fold")
    assert not tab.page.is_visible("#paper")
    assert tab.page.get_attribute("#fold", "aria-expanded") == "false"


def test_targets_are_large_enough_for_fingers(tabs, service):
    tab = tabs(service, **PHONE)
    tab.type("a star")
    tab.settled(lambda: tab.page.locator(".card .more").first.click())
    small = tab.page.evaluate(
        """() => [...document.querySelectorAll('button, select, label:has(input[type=radio], input[type=checkbox]), a')]
          .filter(each => each.checkVisibility() && !each.classList.contains('skip'))
          .map(each => [each.id || each.className, each.getBoundingClientRect()])
          .filter(([, box]) => box.width < 24 || box.height < 24).map(([name, box]) => [name, box.width, box.height])"""
    )
    assert small == []


def test_two_galleries_answer_side_by_side(tabs, service_of_two):
    tab = tabs(service_of_two)
    assert tab.page.locator("#gallery option").all_text_contents() == ["world", "half"]
    tab.type("a star")
    tab.settled(lambda: tab.page.select_option("#compare", "half"))
    left, right = tab.hits(0), tab.hits(1)
    assert [uri.split("/")[0] for uri in (left[0], right[0])] == ["world", "half"]
    assert {uri.split("/")[1] for uri in right} == {"photo", "sketch"}
    boxes = [tab.page.locator(".column").nth(at).bounding_box() for at in (0, 1)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[1]["x"] > boxes[0]["x"] + boxes[0]["width"]
    place = next(at for at, uri in enumerate(left) if uri.replace("world", "half", 1) in right)
    other = right.index(left[place].replace("world", "half", 1))
    assert tab.page.locator(".card .twin").nth(place).text_content() == f"also no. {other + 1}"
    tab.page.locator(".column").first.locator(".open").nth(place).focus()
    lit = tab.page.locator(".card.lit .uri").evaluate_all("all => all.map(each => each.title)")
    assert lit == [left[place], right[other]]
    assert "c=half" in tab.page.url
    again = tabs(tab.page.url)
    again.page.wait_for_function("() => document.querySelectorAll('.column[data-state=ready]').length === 2")
    assert (again.hits(0), again.hits(1)) == (left, right)
    again.settled(lambda: again.page.click("[data-domain=cartoon]"))
    again.settled(lambda: again.page.select_option("#gallery", "half"))
    assert again.page.get_attribute("#domains .chip >> nth=0", "aria-pressed") == "true"  # so that nothing is filtered
    assert again.page.input_value("#compare") == ""  # nothing is compared with itself
    assert again.hits(0) == right
    again.errors.clear()  # half has no cartoons, which the browser noted as a status 422


def test_a_domain_that_one_gallery_lacks_is_told_there(tabs, service_of_two):
    tab = tabs(f"{service_of_two}#g=world&c=half&t=a+star&d=cartoon")
    tab.page.wait_for_selector(".column[data-state=ready]")
    tab.page.wait_for_selector(".column[data-state=failed]")
    assert tab.domains() == {"cartoon"}
    assert "cartoon" in tab.page.locator(".column").nth(1).locator(".trouble").text_content()
    tab.errors.clear()  # the browser notes the status 422


def test_what_was_found_is_spoken(tabs, service):
    tab = tabs(service)
    tab.type("a star")
    tab.page.wait_for_function("() => document.getElementById('said').textContent !== ''")
    assert re.fullmatch(r"24 of 72 pictures; first: star/00\d\.png, \w+", tab.page.text_content("#said"))


def test_everything_is_reached_by_keyboard(tabs, service):
    tab = tabs(service)
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.id") == "skip"
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "found"
    assert tab.page.url == service  # the fragment is the query's
    tab.page.reload()
    tab.page.wait_for_selector("#wall .open")
    seen = []
    for _ in range(17):
        tab.page.keyboard.press("Tab")
        seen.append(tab.page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert [name for name in seen if name != "chip"] == [
        *("skip", "copy", "theme", "paper", "star"),
        tab.page.evaluate("document.querySelector('[name=pen]:checked').id || ''") or seen[5],
        *("undo", "redo", "clear", "words", "without", "file"),
    ]


def test_light_and_dark_can_be_chosen_and_stay(tabs, service):
    tab = tabs(service, color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = tab.page.evaluate(colour)
    tab.page.click("#theme")
    dark = tab.page.evaluate(colour)
    assert light != dark
    assert tab.page.get_attribute("#theme", "aria-pressed") == "true"
    tab.page.reload()
    assert tab.page.evaluate(colour) == dark
    assert (
        tab.page.evaluate("getComputedStyle(document.querySelector('.paper')).backgroundColor") == "rgb(255, 255, 255)"
    )


def test_it_works_without_any_other_network(tabs, service):
    tab = tabs()
    tab.page.context.route(lambda url: not url.startswith(service), lambda route: route.abort())
    tab.open(service).settled(tab.draw_star)
    assert tab.classes()[0] == "star"
    tab.page.wait_for_function("() => document.querySelector('.card img').naturalWidth > 0")
    files = tab.page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(files) > 20
    assert all(name.startswith((service, "data:")) for name in files)
