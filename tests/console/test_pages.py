"""The console as people use it: in a browser, with keys, on a phone, in the dark."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from goodsend.store import audit
from tests.console import stocked
from tests.console.conftest import NARROW, Visit
from tests.live import Live

PLACES = [
    "/", "/events", "/cases?state=all", "/accounts", "/rules", "/lists", "/lists/disposable_domains", "/rejections",
    "/outbox", "/audit", "/members", "/help", "/events?kind=none", "EVENT", "CONTENT", "CASE", "ACCOUNT", "RULE",
    "/write/rules", "/write/rules/phishing_lookalike", "/features", "/features/recipients_imported_24h",
    "/write/features", "/backtests", "/shadow", "/alarms", "/proof", *stocked.PLACES,
]  # fmt: skip


@pytest.fixture(scope="module")
def stocked_server(live_server: Live) -> Live:
    """The server with something on the pages about judging, too."""
    return stocked.stock(live_server)


def place_of(live: Live, place: str) -> str:
    """A concrete address for the places that name a thing: the gravest of its sort."""
    if place in stocked.PLACES:
        return stocked.PLACES[place]
    found: dict[str, tuple[str, str]] = {
        "EVENT": (
            "/events/",
            "SELECT event_id FROM decision WHERE tenant = %s AND verdict = 'hold' ORDER BY at LIMIT 1",
        ),
        "CONTENT": (
            "/events/",
            """SELECT d.event_id FROM decision d JOIN event e USING (tenant, day, arrival) WHERE d.tenant = %s
                AND e.content IS NOT NULL ORDER BY d.severity DESC, d.at LIMIT 1""",
        ),
        "CASE": ("/cases/", "SELECT case_id FROM casework WHERE tenant = %s ORDER BY severity DESC, number LIMIT 1"),
        "ACCOUNT": (
            "/accounts/",
            "SELECT subject FROM casework WHERE tenant = %s AND subject_type = 'account' ORDER BY number LIMIT 1",
        ),
        "RULE": ("/rules/", "SELECT rules[1] FROM decision WHERE tenant = %s AND rules <> '{}' ORDER BY at LIMIT 1"),
    }
    if place not in found:
        return place
    path, query = found[place]
    with live.installation.pool.connection() as connection:
        row = connection.execute(query, (live.tenant,)).fetchone()
    assert row is not None
    return path + str(row[0])


def ready(page: Page, path: str) -> None:
    """Go there and wait until the scripts have started."""
    page.goto(path)
    page.wait_for_selector("html[data-ready]")


def test_a_case_from_the_overview_to_the_outbox(visit: Visit, live_server: Live) -> None:
    """Sign in, see what waits, open a case, read its evidence, decide with an action, find it in the outbox."""
    page = visit("analyst")
    expect(page.locator("#tiles")).to_contain_text("Open cases")
    page.get_by_role("link", name="Cases").first.click()
    page.locator("tr.goes .go").first.click()
    expect(page.locator(".hit .because").first).not_to_be_empty()
    expect(page.get_by_role("heading", name="Evidence")).to_be_visible()
    subject = page.locator("aside a[href^='/accounts/']").first.inner_text()

    page.keyboard.press("a")
    expect(page.get_by_role("status").first).to_have_text("The case is yours.")
    page.fill("#note", "Looked at the sign-up and the first mailing.")
    page.click("text=Add the note")
    expect(page.locator(".story")).to_contain_text("Looked at the sign-up and the first mailing.")
    page.check("input[value=confirmed]")
    page.select_option("#action", "suspend_account")
    page.fill("#why", "A throw-away identity, and mail in somebody else's name.")
    page.get_by_role("button", name="Decide").click()
    expect(page.get_by_role("status").first).to_contain_text("Decided.")
    expect(page.locator(".story")).to_contain_text("confirmed")

    page.goto("/outbox")
    row = page.locator("tr", has_text="suspend account").filter(has_text=subject).first
    expect(row).to_be_visible()
    page.goto(f"/accounts/{subject}")
    expect(page.locator(".page-head")).to_contain_text("Suspended")


def test_the_second_of_two_people_is_told_who_was_first(visit: Visit, live_server: Live) -> None:
    """Nothing of the second is saved, and the page says who did what."""
    first, second = visit("analyst"), visit("lead")
    first.goto("/cases?state=nobody")
    way = first.locator("tr.goes .go").last.get_attribute("href") or ""
    ready(first, way)
    ready(second, way)

    first.click("text=Assign to me")
    expect(first.get_by_role("status").first).to_have_text("The case is yours.")
    second.click("text=Assign to me")

    expect(second.get_by_role("alert")).to_contain_text("analyst@demo.example assigned this case")
    expect(second.get_by_role("alert")).to_contain_text("Nothing of yours was saved")


def test_an_event_explains_itself(visit: Visit, live_server: Live) -> None:
    """The verdict in words, the reason, what would change it, and every fact with a filter."""
    page = visit()
    ready(page, place_of(live_server, "EVENT"))

    expect(page.locator(".answer h2")).to_have_text("Held")
    expect(page.locator(".hit .because").first).not_to_be_empty()
    expect(page.locator(".changes li").first).to_contain_text(re.compile("would not match|is"))
    page.keyboard.press("f")
    page.keyboard.type("account_age")
    expect(page.locator("#facts tr:visible", has_text="f.account_age_s")).to_be_visible()
    expect(page.locator("#facts tr:visible", has_text="e.kind")).to_have_count(0)


def test_content_is_shown_safely(visit: Visit, live_server: Live) -> None:
    """Text, design in a sandboxed frame under its own policy, links with where they lead, headers, source."""
    page = visit("analyst")
    with live_server.installation.pool.connection() as connection:
        found = connection.execute(
            "SELECT e.event_id, e.content FROM event e JOIN content c USING (tenant) WHERE c.digest = e.content"
            " AND e.tenant = %s AND c.media_type = 'message/rfc822' AND position('text/html'::bytea IN c.body) > 0"
            " LIMIT 1",
            (live_server.tenant,),
        ).fetchone()
    assert found is not None
    ready(page, f"/events/{found[0]}")

    page.get_by_role("tab", name="As designed").click()
    frame = page.locator("iframe.preview-frame")
    expect(frame).to_be_visible()
    assert frame.get_attribute("sandbox") == ""
    expect(page.frame_locator("iframe.preview-frame").locator("body")).not_to_be_empty()
    answer = page.request.get(f"/preview/{found[1]}")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Links")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Source").click()
    expect(page.locator("#view-source")).to_contain_text("MIME-Version")


def test_keys_and_palette(visit: Visit, live_server: Live) -> None:
    """`?` shows the map, `/` finds pages and accounts, `g c` goes, j and Enter open a row."""
    page = visit()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()

    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/cases")
    page.wait_for_selector("html[data-ready]")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/case_*")
    page.wait_for_selector("html[data-ready]")

    account = place_of(live_server, "ACCOUNT").rsplit("/", 1)[1]
    page.keyboard.press("/")
    page.keyboard.type(account)
    expect(page.locator("#palette li", has_text=account).first).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/accounts/{account}")
    page.wait_for_selector("html[data-ready]")
    page.keyboard.press("/")
    page.keyboard.type("outb")
    page.keyboard.press("Enter")
    page.wait_for_url("**/outbox")


def test_the_overview_refreshes_itself(visit: Visit, live_server: Live) -> None:
    """New events appear in figures and chart without a step of the person, and the table stays open."""
    page = visit()
    expect(page.locator("[data-chart=stack] canvas")).to_be_visible()
    page.locator("summary", has_text="Show as a table").first.click()
    before = page.locator("#tiles .figure").first.inner_text()
    now = live_server.installation.now()
    item: dict[str, Any] = {"id": "evt_refresh", "kind": "api.called", "at": now, "data": {"account": "acc_fresh"}}
    live_server.installation.engine.submit(live_server.tenant, [item]).result()

    expect(page.locator("#tiles .figure").first).not_to_have_text(before)
    expect(page.locator("#verdict-table table")).to_be_visible()


def test_the_theme_is_kept(visit: Visit) -> None:
    """The choice survives the next page, without a flash: the server renders it."""
    page = visit()
    page.keyboard.press("t")
    page.keyboard.press("t")
    page.goto("/cases")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_lists_take_and_lose_entries(visit: Visit) -> None:
    """A lead adds a value with a reason and an end, sees it, and takes it off again."""
    page = visit("lead")
    ready(page, "/lists/disposable_domains")
    page.fill("#value", "Throwaway-Test.example")
    page.fill("#why", "seen in three sign-ups")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("tr", has_text="throwaway-test.example")).to_contain_text("seen in three sign-ups")
    page.get_by_role("button", name="Remove throwaway-test.example").click()

    expect(page.get_by_role("status").first).to_have_text("Removed. It counts no more.")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_are_accessible(visit: Visit, stocked_server: Live, dark: bool) -> None:
    """axe finds nothing on any page; in the dark, where only colours differ, colours are looked at."""
    page = visit(dark=dark)
    found = {}
    for place in PLACES:
        ready(page, place_of(stocked_server, place))
        page.wait_for_timeout(150)
        results = Axe().run(page, options={"runOnly": ["color-contrast"]} if dark else {})
        assert results.response["passes"], "axe did not run"
        for violation in results.response["violations"]:
            found[place, violation["id"]] = [node["target"] for node in violation["nodes"]][:3]

    assert found == {}


def test_the_sign_in_and_dialogs_are_accessible(visit: Visit, live_server: Live) -> None:
    """So are the pages before and over the others; the sign-in lets one in."""
    page = visit()
    page.keyboard.press("?")
    keys = Axe().run(page).response["violations"]
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    palette = Axe().run(page).response["violations"]
    page.context.clear_cookies()
    page.goto("/sign-in")
    door = Axe().run(page).response["violations"]
    page.fill("#login", "analyst@demo.example")
    page.fill("#password", live_server.password)
    page.click("text=Sign in >> nth=-1")
    page.wait_for_selector("html[data-ready] h1:has-text('Overview')")

    assert [violation["id"] for violation in (*keys, *palette, *door)] == []


@pytest.mark.parametrize("width", [NARROW, 1280])
def test_no_page_scrolls_sideways(visit: Visit, stocked_server: Live, width: int) -> None:
    """On a phone and on a small laptop everything fits the width."""
    page = visit(width=width)
    wide = {}
    for place in PLACES:
        ready(page, place_of(stocked_server, place))
        reach = page.evaluate("document.documentElement.scrollWidth")
        if reach > width:
            wide[place] = reach

    assert wide == {}


def test_the_menu_works_on_a_phone(visit: Visit) -> None:
    """The navigation opens over the page and leads on."""
    page = visit(width=NARROW)
    expect(page.locator("#nav")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.locator("#nav").get_by_role("link", name="Rules").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Rules")


def test_the_audit_says_how_far_it_was_checked(visit: Visit, live_server: Live) -> None:
    """The page asks by itself; all rows are checked from the first on; a part can be checked alone."""
    page = visit()
    page.goto("/audit")
    expect(page.locator("#chain")).to_contain_text("The chain holds.")
    whole = page.request.get("/audit/chain?whole=1").text()
    odd = page.request.get("/audit/chain?whole=x").text()
    with live_server.installation.pool.connection() as connection:
        newest = audit.newest(connection, live_server.tenant)
        found = audit.verify(connection, live_server.tenant, newest - 1, 2)

    assert "All " in whole
    assert "The chain holds." in odd
    assert found is None


def test_long_facts_are_folded_on_a_case(visit: Visit, live_server: Live) -> None:
    """They open with a click or with the key of the filter, which finds what is folded."""
    page = visit()
    ready(page, place_of(live_server, "CASE"))
    expect(page.locator("#fact-filter")).to_be_hidden()
    page.keyboard.press("f")
    page.keyboard.type("e.id")

    expect(page.locator("#facts tr:visible", has_text="e.id").first).to_be_visible()
