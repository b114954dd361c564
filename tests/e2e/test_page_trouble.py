"""The page when things go wrong: slow and stale answers, refusals, a service that is away, a token, no network."""

import json
import time

import pytest

SEARCH = "**/search"
REFUSAL = {"type": "urn:samekind:problem:overloaded", "title": "Too many at once", "detail": "Come back soon."}


def refused(status, **headers):
    def answer(route):
        headers_sent = {"Content-Type": "application/problem+json", **headers}
        route.fulfill(status=status, headers=headers_sent, body=json.dumps({**REFUSAL, "status": status}))

    return answer


def forgive(tab, *words):
    """Take what the browser says about an answer of an error's status from the errors; nothing else is forgiven."""
    tab.errors[:] = [error for error in tab.errors if not any(word in error for word in words)]


def asks_for(words):
    def is_asked(request):
        return request.url.endswith("/search") and any(
            term.get("text") == words for term in request.post_data_json["terms"]
        )

    return is_asked


def until(tab, condition):
    """Let the page go on until the condition holds."""
    for _ in range(300):
        if condition():
            return
        tab.page.wait_for_timeout(50)
    pytest.fail("nothing happened in 15 seconds")


@pytest.mark.parametrize("aborts", [True, False])
def test_a_slow_answer_to_an_older_question_is_dropped(tabs, service, aborts):
    tab = tabs()
    if not aborts:  # as if the request could not be called back in time
        tab.page.add_init_script("AbortController.prototype.abort = () => {}")
    tab.open(service)
    held = []
    fish = asks_for("a fish")
    tab.page.route(SEARCH, lambda route: held.append(route) if fish(route.request) else route.continue_())
    tab.page.fill("#words", "a fish")
    until(tab, lambda: held)
    assert tab.page.locator(".skeleton").count() > 0  # something is shown meanwhile
    tab.type("a house")
    houses = tab.hits()
    if aborts:
        assert held[0].request.failure
    else:
        with tab.page.expect_response(lambda response: fish(response.request)):
            held[0].continue_()
        tab.page.wait_for_timeout(200)
    assert tab.hits() == houses
    assert tab.page.locator(".column").first.get_attribute("data-state") == "ready"


def test_old_hits_stay_until_new_ones_come(tabs, service):
    tab = tabs(service)
    tab.type("a fish")
    old, held = tab.hits(), []
    tab.page.route(SEARCH, lambda route: held.append(route))
    tab.page.fill("#words", "a house")
    tab.page.wait_for_selector(".column[data-state=stale]")
    until(tab, lambda: held)
    assert tab.hits() == old
    assert tab.page.locator(".skeleton").count() == 0
    held[0].continue_()
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert tab.hits() != old


def test_a_busy_service_is_asked_again_by_itself(tabs, service):
    tab = tabs(service)
    tab.page.wait_for_selector("#wall .open")
    tab.page.route(SEARCH, refused(503, **{"Retry-After": "2"}), times=1)
    began = time.monotonic()
    tab.page.fill("#words", "a boat")
    tab.page.wait_for_selector(".column[data-state=failed]")
    assert tab.page.text_content(".trouble h3") == "Too many at once"
    assert "Trying again in 2 s." in tab.page.text_content(".column .trouble")
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert time.monotonic() - began > 2
    assert tab.page.locator(".column .trouble").first.text_content() == ""
    assert len(tab.hits()) == 24
    forgive(tab, "503")


def test_a_refusal_is_told_and_tried_again_on_request(tabs, service):
    tab = tabs(service)
    tab.type("a fish")
    tab.page.route(SEARCH, refused(500), times=1)
    tab.page.fill("#words", "a boat")
    tab.page.wait_for_selector(".column[data-state=failed]")
    assert tab.hits() == []  # they would be no answer to what is asked
    assert "Come back soon." in tab.page.text_content(".column .trouble")
    tab.settled(lambda: tab.page.click(".column .trouble .button"))
    assert tab.classes()[0] == "boat"
    forgive(tab, "500")


def test_no_results_are_told(tabs, service):
    tab = tabs(service)
    tab.page.wait_for_selector("#wall .open")
    none = {"gallery": {"name": "world", "version": 0}, "offset": 0, "total": 0, "hits": []}
    tab.page.route(SEARCH, lambda route: route.fulfill(json=none), times=1)
    tab.page.fill("#words", "a unicorn")
    tab.page.wait_for_selector(".column[data-state=none]")
    assert "No pictures to show" in tab.page.text_content(".column .trouble")
    assert not tab.page.is_visible("#next-page")


def test_parts_that_cancel_out_are_told_in_words(tabs, service):
    tab = tabs(service)
    tab.page.fill("#words", "a boat")
    tab.page.fill("#without", "a boat")
    tab.page.wait_for_selector(".column[data-state=failed]")
    assert "cancel" in tab.page.text_content(".column .trouble")
    forgive(tab, "422")


def test_a_service_that_is_away_is_looked_for_again(tabs, service):
    tab = tabs(service)
    tab.page.wait_for_selector("#wall .open")
    tab.page.route(SEARCH, lambda route: route.abort("connectionrefused"), times=1)
    tab.page.fill("#words", "a boat")
    tab.page.wait_for_selector(".column[data-state=failed]")
    assert tab.page.text_content(".trouble h3") == "The service cannot be reached"
    tab.settled(lambda: tab.page.click(".column .trouble .button"))
    assert tab.classes()[0] == "boat"
    forgive(tab, "ERR_CONNECTION_REFUSED")


def test_a_service_that_is_away_at_first_is_looked_for_again(tabs, service):
    tab = tabs()
    tab.page.route("**/galleries", lambda route: route.abort("connectionrefused"), times=1)
    tab.page.goto(f"{service}#t=a+boat")
    tab.page.wait_for_selector("#main > .trouble h3")
    tab.page.fill("#without", "a fish")  # the page can be used meanwhile, and keeps what it was told
    tab.page.click("#main > .trouble .button")
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert tab.classes()[0] == "boat"
    assert [term["text"] for term in tab.searches[-1]["terms"]] == ["a boat", "a fish"]
    forgive(tab, "ERR_CONNECTION_REFUSED")


def test_a_token_is_asked_for_and_kept_in_the_tab_alone(tabs, service_with_token, token):
    tab = tabs()
    tab.page.goto(f"{service_with_token}#t=a+star")
    tab.page.wait_for_selector("#gate[open]")
    assert tab.page.evaluate("document.activeElement.id") == "gate-token"
    tab.page.fill("#gate-token", "not the token, surely")
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_function("() => document.getElementById('gate-why').textContent.includes('not accepted')")
    tab.page.keyboard.press("Escape")
    tab.page.fill("#gate-token", token)
    tab.page.click("#gate .button")
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert tab.classes()[0] == "star"
    tab.page.wait_for_function("() => document.querySelector('.card img').naturalWidth === 160")
    assert tab.page.locator(".card img").first.get_attribute("src").startswith("blob:")
    gone = "source => Object.assign(new Image(), {src: source}).decode().then(() => false, () => true)"
    assert tab.page.evaluate(gone, tab.page.locator(".card img").first.get_attribute("src"))  # it was revoked
    kept = "JSON.stringify([Object.values(localStorage), document.cookie, location.href])"
    assert token not in tab.page.evaluate(kept)
    tab.page.locator(".card .open").first.click()
    tab.page.wait_for_function("() => document.getElementById('viewer-picture').naturalWidth > 0")
    with tab.page.expect_popup() as popup:
        tab.page.click("#viewer-whole")
    popup.value.wait_for_url("blob:**")
    tab.page.reload()
    tab.page.wait_for_selector(".column[data-state=ready]")
    assert not tab.page.is_visible("#gate")
    forgive(tab, "401", "ERR_FILE_NOT_FOUND", "Not allowed to load local resource")


def test_a_picture_that_is_gone_leaves_its_place(tabs, service):
    tab = tabs()
    tab.page.route("**/thumbnail*", refused(410))
    tab.open(service).type("a star")
    tab.page.wait_for_selector(".card img.missing")
    tab.page.locator(".card .open").first.click()
    tab.page.wait_for_function("() => document.getElementById('viewer-facts').textContent.includes('Come back soon.')")
    forgive(tab, "410")


def test_no_more_pictures_than_a_query_has_room_for(tabs, service):
    tab = tabs(service)
    tab.type("a star")
    ids = tab.page.locator(".card").evaluate_all("all => all.map(each => each.dataset.id)")[:12]
    full = tabs(f"{service}#t=a+star&" + "&".join(f"less={each}" for each in ids))
    full.page.wait_for_selector(".column[data-state=ready]")
    assert full.page.locator(".part").count() == 13
    full.page.locator(".card .less[aria-pressed=false]").first.evaluate("button => button.click()")
    full.page.wait_for_selector("#note.shown")
    assert "has room for 12 pictures" in full.page.text_content("#note")
    assert full.page.locator(".part").count() == 13
