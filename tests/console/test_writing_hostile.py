"""The rule editor among people one should not trust: other tenants, lower roles, texts made to run."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from goodsend import approvals
from goodsend.kit.clock import DAY
from goodsend.kit.errors import Conflict
from goodsend.store import backtests, definitions, keys, members, tenants
from tests.console.test_writing import CASES, form_of, make_text
from tests.live import PASSWORD, TENANT, Live

Enter = Callable[..., httpx.Client]

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\u202e"
OTHER = "other"


@pytest.fixture
def stranger(live_server: Live) -> Iterator[httpx.Client]:
    """An admin of another tenant of the same installation."""
    installation, login = live_server.installation, "admin@other.example"
    with installation.pool.connection() as connection:
        now = installation.now()
        tenants.ensure(connection, OTHER, "Other platform", now)
        members.ensure(connection, OTHER, login=login, name="Other", role="admin", password=PASSWORD, at=now)
    with httpx.Client(base_url=live_server.url, headers={"Accept": "text/html"}, timeout=30) as client:
        assert client.post("/sign-in", data={"login": login, "password": PASSWORD, "next": "/"}).status_code == 303
        yield client


def draft(live: Live, id_: str, body: str, author: str = "somebody", **more: Any) -> int:
    return approvals.draft(
        live.installation, TENANT, "rules", id_, body, author=author, why=more.get("why", "w")
    ).version


def test_another_tenant_sees_and_moves_nothing(stranger: httpx.Client, live_server: Live) -> None:
    """No version, no backtest, no event of the other is shown, tried on, approved, or found by its id over the API."""
    installation = live_server.installation
    version = draft(live_server, "secret_rule", make_text("secret_rule"))
    approvals.propose(installation, TENANT, "rules", "secret_rule", version, actor="somebody")
    with installation.pool.connection() as connection:
        now = installation.now()
        job = backtests.ask(
            connection, TENANT, "bt_secret", asked_by="x", at=now, since=now - DAY, until=now,
            definition=("rules", "secret_rule", version),
        )  # fmt: skip
        row = connection.execute(
            "SELECT event_id FROM event WHERE tenant = %s AND kind = 'list.imported' LIMIT 1", (TENANT,)
        ).fetchone()
        assert row is not None
        key = keys.create(connection, OTHER, "k", ("read", "rules:write", "rules:approve"), now)
    token = form_of(stranger, "/rules")
    place = f"/rules/secret_rule/versions/{version}"

    assert stranger.get(place).status_code == 404
    assert stranger.get(f"/write/rules/secret_rule?version={version}").status_code == 404
    assert stranger.get(f"/backtests/{job.id}").status_code == 404
    assert stranger.post(f"/backtests/{job.id}", data={"csrf": token, "verb": "cancel"}).status_code == 404
    for verb in ("propose", "approve", "decline", "roll_back", "count", "backtest"):
        asked = stranger.post(place, data={"csrf": token, "verb": verb, "why": "w", "days": "7", "backtest": job.id})
        assert asked.status_code == 404, (verb, asked.status_code)
    sound = {
        "csrf": token, "id": "own", "on": "list.imported", "when": "e.recipients > 1", "doc": "d", "owner": "o",
        "policy": "purchased_list", "severity": "2", "verdict": "review", "reason": "r", "mode": "shadow",
        "share_percent": "100", "cases": CASES, "event": row[0],
    }  # fmt: skip
    tried = stranger.post("/write/try", data=sound)
    assert "There is no event with this id" in tried.text
    for page in ("/rules", "/backtests", "/audit", "/proof", "/shadow", "/alarms"):
        assert "secret_rule" not in stranger.get(page).text, page
    with httpx.Client(base_url=live_server.url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as api:
        assert api.get("/v1/rules/secret_rule/versions").json() == {"versions": []}
        assert api.post(f"/v1/rules/secret_rule/versions/{version}/approve").status_code == 404
        assert api.post("/v1/rules/secret_rule/retire", json={"why": "w"}).status_code == 409
        given = {"id": "own", "body": make_text("own"), "event_id": row[0]}
        assert api.post("/v1/rules/try", json=given).status_code == 404
    with installation.pool.connection() as connection:
        assert definitions.one(connection, TENANT, "rules", "secret_rule", version).state == "proposed"
        assert backtests.one(connection, TENANT, job.id).state != "cancelled"
        backtests.cancel(connection, TENANT, job.id, actor="tests", at=installation.now())


@pytest.mark.parametrize("verb", ["approve", "decline", "roll_back", "retire"])
def test_an_analyst_moves_nothing_into_or_out_of_work(enter: Enter, live_server: Live, verb: str) -> None:
    """Neither another's version nor, by a form of their own making, what the packs say."""
    version = draft(live_server, f"kept_{verb}", make_text(f"kept_{verb}"))
    approvals.propose(live_server.installation, TENANT, "rules", f"kept_{verb}", version, actor="somebody")
    client = enter("analyst")
    token = form_of(client, "/rules")

    client.post(f"/rules/kept_{verb}/versions/{version}", data={"csrf": token, "verb": verb, "why": "w"})
    client.post(f"/rules/kept_{verb}", data={"csrf": token, "verb": verb, "why": "w"})

    with live_server.installation.pool.connection() as connection:
        assert definitions.one(connection, TENANT, "rules", f"kept_{verb}", version).state == "proposed"


def test_nobody_approves_what_is_theirs(enter: Enter, live_server: Live) -> None:
    """Not the author, not who proposed it, not after it was sent back and forth."""
    login = "lead@demo.example"
    version = draft(live_server, "mine", make_text("mine"), login)
    client = enter("lead")
    token = form_of(client, "/rules")
    place = f"/rules/mine/versions/{version}"
    for verb in ("propose", "decline", "propose"):
        assert client.post(place, data={"csrf": token, "verb": verb, "why": "w"}).status_code == 303

    refused = client.post(place, data={"csrf": token, "verb": "approve", "why": "w"})

    assert refused.status_code == 409
    with pytest.raises(Conflict):
        approvals.approve(live_server.installation, TENANT, "rules", "mine", version, actor=login)


def test_hostile_texts_stay_text(enter: Enter, live_server: Live) -> None:
    """In ids, docs, reasons, whys, policies, cases and problems, on every page that shows them."""
    body = make_text("odd").replace('doc = "d"', f"doc = '''{EVIL.replace(chr(39), '')}'''")
    body = body.replace('reason = "r"', f"reason = '''{EVIL.replace(chr(39), '')}'''")
    version = draft(live_server, "odd", body, EVIL, why=EVIL)
    approvals.propose(live_server.installation, TENANT, "rules", "odd", version, actor=EVIL)
    draft(live_server, EVIL[:60], EVIL, EVIL, why=EVIL)
    client = enter("analyst")
    token = form_of(client, "/rules")
    form = {
        "csrf": token, "id": EVIL, "doc": EVIL, "owner": EVIL, "policy": EVIL, "severity": EVIL, "on": EVIL,
        "when": EVIL, "verdict": EVIL, "reason": EVIL, "actions": EVIL, "weight": EVIL, "mode": EVIL, "source": EVIL,
        "share_percent": EVIL, "group": EVIL, "order": EVIL, "labels": EVIL, "cases": EVIL + CASES, "why": EVIL,
        "event": EVIL, "other_event": EVIL, "name": EVIL, "body": EVIL,
    }  # fmt: skip
    pages = [client.get(path) for path in (
        f"/rules/odd/versions/{version}", f"/rules/odd/versions/{version}?view=side&against=1", "/rules",
        f"/write/rules/odd?version={version}", f"/write/rules?on={EVIL}", f"/write/words?on={EVIL}", "/features",
        f"/rules/{EVIL}", f"/features/{EVIL}", f"/backtests/{EVIL}", "/backtests", "/audit", "/shadow", "/proof",
        "/alarms", "/rules/..%2f..%2fetc%2fpasswd/versions/1", "/rules/%00/versions/1", "/write/rules/%ff%fe",
        "/rules/odd/versions/99999999999999999999",
    )]  # fmt: skip
    pages += [
        client.post(path, data=form | {"verb": verb})
        for path in ("/write/rules", "/write/rules/odd", "/write/check", "/write/try", "/write/features",
                     "/write/features/odd", "/rules/odd", f"/rules/odd/versions/{version}", "/backtests")
        for verb in ("save", "try", "check", "propose", "count", "backtest", "switch", EVIL)
    ]  # fmt: skip

    for page in pages:
        assert page.status_code < 500, (page.request.url, page.status_code, page.text[:500])
        if "json" not in page.headers.get("content-type", ""):
            assert "<script>alert" not in page.text, page.request.url
            assert "<img src=x" not in page.text, page.request.url
        else:
            assert "<script>alert" not in page.json().get("html", "")
