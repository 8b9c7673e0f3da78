"""The door over HTTP: sessions, roles, forged requests, headers."""

import re

import httpx
import pytest

from goodsend.store import audit, members
from tests.console.conftest import Enter
from tests.live import Live

PAGES = ["/", "/events", "/cases", "/accounts", "/rules", "/lists", "/rejections", "/outbox", "/audit", "/help"]


def token(client: httpx.Client) -> str:
    """The session's token, as a page carries it."""
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/help").text)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize("path", [*PAGES, "/members", "/palette?q=acc", "/preview/sha256:x", "/overview/live"])
def test_nothing_is_shown_without_a_session(live_server: Live, path: str) -> None:
    """Every page leads to the sign-in, and back to itself afterwards."""
    answer = httpx.get(live_server.url + path, headers={"Accept": "text/html"})

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=%2F")


@pytest.mark.parametrize("path", [*PAGES, "/members", "/sign-in", "/nowhere"])
def test_every_page_carries_the_headers(enter: Enter, path: str) -> None:
    """Nothing runs, loads or frames that is not ours; nothing is kept."""
    with_headers = enter().get(path, follow_redirects=True).headers

    policy = with_headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert with_headers["x-content-type-options"] == "nosniff"
    assert with_headers["cache-control"] == "no-store"
    assert with_headers["cross-origin-opener-policy"] == "same-origin"


def test_the_cookie_is_out_of_reach(live_server: Live) -> None:
    """Scripts cannot read it, other sites' posts do not carry it, and it is not what is stored."""
    answer = httpx.post(
        live_server.url + "/sign-in", data={"login": "viewer@demo.example", "password": live_server.password}
    )

    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    secret = answer.cookies["goodsend"]
    with live_server.installation.pool.connection() as connection:
        stored = connection.execute("SELECT count(*) FROM session WHERE session = %s", (secret.encode(),)).fetchone()
    assert stored == (0,)


def test_wrong_passwords_are_refused_and_then_the_login_rests(live_server: Live) -> None:
    """Unknown logins and wrong passwords look the same; after ten in a row even the right one is refused."""
    with live_server.installation.pool.connection() as connection:
        now = live_server.installation.now()
        members.ensure(
            connection, live_server.tenant, login="locked@demo.example", name="Locked", role="viewer",
            password=live_server.password, at=now,
        )  # fmt: skip

    def attempt(login: str, password: str) -> tuple[int, str]:
        answer = httpx.post(live_server.url + "/sign-in", data={"login": login, "password": password})
        found = re.search(r'role="alert">.*?<p>(.*?)</p>', answer.text, re.S)
        return answer.status_code, found.group(1) if found else ""

    unknown = attempt("nobody@demo.example", "wrong")
    wrong = [attempt("locked@demo.example", "wrong") for _ in range(10)]

    assert (401, "Login or password is wrong.") == unknown == wrong[0]
    assert wrong[-1][0] == 429
    assert attempt("locked@demo.example", live_server.password)[0] == 429


def test_a_form_without_the_token_is_refused(enter: Enter) -> None:
    """A session alone does not make a request ours."""
    client = enter("lead")

    refused = client.post("/lists/disposable_domains", data={"verb": "add", "value": "x.example", "why": "test"})
    other = client.post("/lists/disposable_domains", data={"verb": "add", "csrf": "x" * 43, "value": "x", "why": "y"})

    assert [refused.status_code, other.status_code] == [403, 403]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
     {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_a_request_from_another_site_is_refused(enter: Enter, headers: dict[str, str]) -> None:
    """Even with the right token: the browser itself says where it comes from."""
    client = enter("lead")

    refused = client.post(
        "/lists/disposable_domains",
        data={"verb": "add", "csrf": token(client), "value": "x.example", "why": "test"},
        headers=headers,
    )

    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("role", "path", "form", "expected"),
    [
        ("viewer", "/cases/case_x", {"verb": "noted", "note": "x", "version": "1"}, 403),
        ("analyst", "/cases/case_x", {"verb": "noted", "note": "x", "version": "1"}, 404),
        ("analyst", "/lists/disposable_domains", {"verb": "add", "value": "r.example", "why": "y"}, 403),
        ("lead", "/lists/disposable_domains", {"verb": "add", "value": "r.example", "why": "y", "days": "7"}, 303),
        ("lead", "/outbox", {"id": "act_x"}, 403),
        ("lead", "/members", {"verb": "off", "member": "1"}, 403),
        ("lead", "/destination", {"connector": "printed"}, 403),
        ("admin", "/outbox", {"id": "act_x"}, 404),
        ("admin", "/destination", {"connector": "printed"}, 303),
    ],
)
def test_roles_may_do_what_they_may(enter: Enter, role: str, path: str, form: dict[str, str], expected: int) -> None:
    """A viewer reads, an analyst works cases, a lead changes lists, an admin the rest."""
    client = enter(role)

    answer = client.post(path, data={**form, "csrf": token(client)})

    assert expected == answer.status_code


def test_members_are_for_admins(enter: Enter) -> None:
    """A lead does not even see the page."""
    assert [enter(role).get("/members").status_code for role in ("lead", "admin")] == [403, 200]


def test_a_viewer_sees_personal_data_masked(enter: Enter, live_server: Live) -> None:
    """An account's address is a pattern to a viewer and an address to an analyst; content is hidden."""
    with live_server.installation.pool.connection() as connection:
        row = connection.execute(
            "SELECT account, profile ->> 'email' FROM account WHERE profile ? 'email' AND tenant = %s LIMIT 1",
            (live_server.tenant,),
        ).fetchone()
        content = connection.execute(
            "SELECT event_id FROM event WHERE content IS NOT NULL AND tenant = %s LIMIT 1", (live_server.tenant,)
        ).fetchone()
    assert row is not None
    assert content is not None

    as_viewer, as_analyst = (enter(role).get(f"/accounts/{row[0]}").text for role in ("viewer", "analyst"))
    event = enter("viewer").get(f"/events/{content[0]}").text

    assert row[1] in as_analyst
    assert row[1] not in as_viewer
    assert f"{row[1][0]}•••@" in as_viewer
    assert "Message content is for analysts" in event


def test_what_people_see_and_do_is_in_the_audit(enter: Enter, live_server: Live) -> None:
    """Signing in, looking at content and changing a list leave a row each, and the chain holds."""
    client = enter("lead")
    with live_server.installation.pool.connection() as connection:
        event = connection.execute(
            "SELECT event_id FROM event WHERE content IS NOT NULL AND tenant = %s LIMIT 1", (live_server.tenant,)
        ).fetchone()
    assert event is not None
    client.get(f"/events/{event[0]}")
    client.post(
        "/lists/disposable_domains",
        data={"verb": "add", "value": "audit.example", "why": "seen", "days": "7", "csrf": token(client)},
    )

    with live_server.installation.pool.connection() as connection:
        rows = audit.recent(connection, live_server.tenant, actor="lead@demo.example", limit=3).items
        assert audit.verify(connection, live_server.tenant) is None
    assert [row.act for row in rows] == ["list.added", "content.viewed", "member.signed_in"]


def test_unknown_things_have_a_page_of_their_own(enter: Enter) -> None:
    """A wrong address says so, in the console's own words."""
    client = enter()

    answers = [client.get(path) for path in ("/nowhere", "/events/none", "/cases/none", "/accounts/none", "/rules/no")]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert all("Not here" in answer.text for answer in answers)


def test_hostile_addresses_break_nothing(enter: Enter) -> None:
    """Odd filters, cursors and ids are answered, never with a server error."""
    client = enter()
    paths = [
        "/events?after=%00&kind=%27%3B--&account=%F0%9F%92%A9",
        "/events?after=9.9",
        "/events?after=99999999999999999.1",
        "/events/%00",
        "/events/a%2Fb%2Fc",
        "/accounts/%2e%2e%2f",
        "/accounts?q=%25_%5C&after=x",
        "/cases?after=x",
        "/cases?queue=%00&state=x&sort=y",
        "/cases/%00",
        "/cases?queue=x",
        "/rejections?code=%00",
        "/outbox?after=x&state=y",
        "/audit?after=x",
        "/palette?q=%00%25_",
        "/palette?q=%F4%8F%BF%BF",
        "/lists/%00",
        "/rules/..",
        "/preview/%00",
        "/?said=%3Cscript%3E",
        "/write/rules/%00",
        "/write/rules/phishing_lookalike?version=99999999999999",
        "/rules/%00/versions/1",
        "/rules/phishing_lookalike/versions/99999999999999999999",
        "/features/%00",
        "/write/features/x?version=x",
        "/backtests/%00",
        "/write/words?on=%00",
    ]

    statuses = {path: client.get(path).status_code for path in paths}

    assert {path: status for path, status in statuses.items() if status >= 500} == {}
