"""Rules in the console, through a browser: written, tried, proposed, approved by another, live, rolled back."""

from collections.abc import Callable

import httpx
import msgspec
import pytest
from playwright.sync_api import Page, expect

from goodsend import approvals
from goodsend.drafts import body_of, draft_of
from goodsend.kit.clock import DAY, SECOND
from goodsend.store import audit, backtests, definitions
from tests.live import TENANT, Live

Visit = Callable[..., Page]
Enter = Callable[..., httpx.Client]

WHEN = "e.recipients >= 777777"
CASES = """[[case]]
name = "far too many"
given = { "e.recipients" = 800000 }
fires = true
[[case]]
name = "a usual list"
given = { "e.recipients" = 500 }
fires = false
"""


def make_text(id_: str) -> str:
    """A sound rule in shadow, as TOML."""
    cases = CASES.replace("[[case]]", f"[[rule.{id_}.case]]")
    return f"""[rule.{id_}]
doc = "d"
owner = "o"
policy = "purchased_list"
severity = 2
on = ["list.imported"]
when = "{WHEN}"
verdict = "review"
mode = "shadow"
reason = "r"
{cases}"""


def write(page: Page, text: str) -> None:
    """Put text into the editor as a person would."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def fill_rule(page: Page, id_: str, when: str = WHEN) -> None:
    """Fill the form for a new rule."""
    page.goto("/write/rules")
    page.wait_for_selector(".editor-host[data-ready]")
    page.fill("#id", id_)
    page.fill("#doc", "Lists of a size that nobody has.")
    page.fill("#reason", "{e.recipients} recipients were imported at once.")
    page.fill("#cases", CASES)
    page.fill("#why", "seen twice last week")
    page.select_option("#mode", "live")
    page.check("input[name=on][value='list.imported']")
    write(page, when)


def import_list(live: Live, id_: str, recipients: int) -> tuple[str, ...]:
    """Send one event and return the rules that acted on it."""
    event = {
        "id": id_, "kind": "list.imported", "at": live.installation.now() - SECOND,
        "data": {"account": "acc_w", "recipients": recipients},
    }  # fmt: skip
    (answer,) = live.installation.engine.submit(TENANT, [event]).result()
    assert answer.decision is not None
    return tuple(hit.rule for hit in answer.decision.hits if hit.acts)


def test_from_the_first_word_to_rollback(visit: Visit, live_server: Live) -> None:
    """The whole way: problems as one types, try, propose, another approves, it fires, a new version, back again."""
    import_list(live_server, "w_1", 900_000)
    page = visit("analyst")
    fill_rule(page, "huge_import", "e.recipientz >= 777777")
    expect(page.locator("#problems")).to_contain_text("did you mean")
    expect(page.locator(".cm-lintRange-error")).to_have_count(1)

    write(page, WHEN)
    expect(page.locator("#problems")).to_contain_text("No problems; 2 of 2 cases hold")
    page.fill("#other_event", "w_1")
    page.click("text=Try >> nth=-1")
    expect(page.locator("#tried")).to_contain_text("Fires")
    expect(page.locator("#tried")).to_contain_text("less than 777777 would not match")

    page.click("text=Save as draft")
    expect(page.locator("h1")).to_have_text("huge import, version 1")
    page.click("button:has-text('Propose')")
    expect(page.locator("#predicted")).to_contain_text("Would hit")
    expect(page.locator("main")).to_contain_text("A second person with the role lead")
    assert "huge_import" not in import_list(live_server, "w_2", 900_001)

    lead = visit("lead")
    lead.goto("/rules/huge_import/versions/1")
    expect(lead.locator("#predicted .figure").first).to_have_text("1")
    lead.click("text=Approve: live at once")
    expect(lead.locator("main")).to_contain_text("It counts from the next event on")
    assert "huge_import" in import_list(live_server, "w_3", 900_002)

    page.goto("/write/rules/huge_import")
    page.wait_for_selector(".editor-host[data-ready]")
    write(page, "e.recipients >= 5000000")
    page.fill("#cases", CASES.replace("800000", "8000000"))
    page.fill("#why", "too many hits")
    page.click("text=Save as draft")
    expect(page.locator(".diff .gone").first).to_contain_text("777777")
    page.click("button:has-text('Propose')")
    lead.goto("/rules/huge_import/versions/2")
    lead.click("text=Approve: live at once")
    assert "huge_import" not in import_list(live_server, "w_4", 900_003)

    lead.goto("/rules/huge_import/versions/1")
    lead.fill("#why", "the first one was right")
    lead.click("text=Roll back to this version")
    expect(lead.locator("main")).to_contain_text("live again")
    assert "huge_import" in import_list(live_server, "w_5", 900_004)

    with live_server.installation.pool.connection() as connection:
        acts = [row.act for row in audit.recent(connection, TENANT, target="huge_import").items]
    assert acts == [
        "rule.rolled_back", "rule.approved", "rule.proposed", "rule.drafted", "rule.approved", "rule.proposed",
        "rule.drafted",
    ]  # fmt: skip


def test_the_editor_keeps_to_the_policy(visit: Visit) -> None:
    """Completion opened, a problem looked at, text typed over coloured text: no style is written into the page."""
    page = visit("analyst")
    page.goto("/write/rules")
    page.wait_for_selector(".editor-host[data-ready]")
    page.locator(".cm-content").click()
    page.keyboard.type("IN_LIST('")
    expect(page.locator(".cm-tooltip-autocomplete li").first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+a")
    page.keyboard.type("j/k g o ? t")  # keys that mean something elsewhere on the page
    expect(page.locator(".cm-content")).to_have_text("j/k g o ? t")
    page.keyboard.press("Control+a")
    page.keyboard.type("e.recipientz")
    expect(page.locator(".cm-content")).to_have_text("e.recipientz")
    page.keyboard.press("Escape")
    page.locator(".cm-lintRange-error").hover()
    expect(page.locator(".cm-tooltip-hover")).to_contain_text("did you mean")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("e.recipients > 5")
    expect(page.locator(".cm-content")).to_have_text("e.recipients > 5")
    page.keyboard.press("Control+z")
    expect(page.locator(".cm-content")).to_have_text("e.recipientz")  # and `visit` saw no breach of the policy


def test_only_events_of_the_kinds_looked_at_are_offered(visit: Visit, live_server: Live) -> None:
    """A kind that is ticked narrows the choice at once; what is missing yet is said below the mistakes."""
    import_list(live_server, "offered", 10)
    page = visit("analyst")
    page.goto("/write/rules")
    page.wait_for_selector(".editor-host[data-ready]")
    kinds = page.locator("#event option:not([value=''])")
    assert {text.split(" · ")[0] for text in kinds.all_inner_texts()} != {"list.imported"}
    with page.expect_response("**/write/events?**"):
        page.check("input[name=on][value='list.imported']")
    expect(kinds.first).to_contain_text("list.imported")
    page.locator(".cm-content").click()
    page.keyboard.type("e.x")
    expect(page.locator("#problems")).to_contain_text("1 problem")
    expect(page.locator("#problems")).to_contain_text("Still to be written: what it looks for, the reason.")

    assert {text.split(" · ")[0] for text in kinds.all_inner_texts()} == {"list.imported"}
    clauses = [text.split(" ")[0] for text in page.locator("#policy option").all_inner_texts()]
    assert clauses == sorted(clauses, key=lambda clause: [int(part) for part in clause.split(".")])


def test_a_version_that_replaces_a_pack_rule_is_held_against_it(enter: Enter, live_server: Live) -> None:
    """While it is proposed, once it is live, and when it is retired; a rule that went is no draft."""
    installation = live_server.installation
    rule = next(iter(installation.layers.base.ruleset.rules.values()))
    body, _ = body_of(msgspec.structs.replace(draft_of(rule), owner="another"))
    for own, text in ((rule.id, body), ("gone_again", make_text("gone_again"))):
        made = approvals.draft(installation, TENANT, "rules", own, text, author="ann", why="w")
        approvals.propose(installation, TENANT, "rules", own, made.version, actor="ann")
    client = enter("viewer")
    place = f"/rules/{rule.id}/versions/1"
    seen = [client.get(place).text]
    for own in (rule.id, "gone_again"):
        approvals.approve(installation, TENANT, "rules", own, 1, actor="bob")
    seen.append(client.get(place).text)
    for own in (rule.id, "gone_again"):
        approvals.retire(installation, TENANT, "rules", own, actor="bob", why="w")
    seen.append(client.get(place).text)
    rules = client.get("/rules").text

    assert ["against the pack" in text and text.count('<tr class="came">') == 1 for text in seen] == [True] * 3
    assert "<dt>Retired</dt>" in seen[2]
    assert "gone_again/versions/1" in rules.partition("No longer live")[2]
    assert "Rules only in drafts" not in rules or "gone_again" not in rules.partition("No longer live")[0]


def test_shipped_rule_is_switched_and_comes_back(visit: Visit, live_server: Live) -> None:
    """A shipped rule in shadow is shown as changed here; going back to the pack is one step."""
    page, lead = visit("analyst"), visit("lead")
    page.goto("/rules/phishing_lookalike")
    page.fill("#why", "too many complaints")
    page.select_option("#mode", "shadow")
    page.click("text=Propose this mode")
    lead.goto("/rules/phishing_lookalike/versions/1")
    lead.click("text=Approve: live at once")

    lead.goto("/rules/phishing_lookalike")
    expect(lead.locator("main")).to_contain_text("Changed here")
    rules = live_server.installation.pack(TENANT).ruleset.rules
    assert rules["phishing_lookalike"].mode.value == "shadow"
    lead.fill("#why", "mended")
    lead.click("text=at once")
    expect(lead.locator("main")).to_contain_text("What the pack says counts again")
    assert live_server.installation.pack(TENANT).ruleset.rules["phishing_lookalike"].mode.value == "live"


def form_of(client: httpx.Client, path: str) -> str:
    """The token that a page's forms carry."""
    page = client.get(path).text
    return page.partition('name="csrf" value="')[2].partition('"')[0]


def test_without_scripts(enter: Enter) -> None:
    """Check, try and save are plain forms: problems stand beside their fields, what was typed stays."""
    client = enter("analyst")
    token = form_of(client, "/write/rules")
    given = {
        "csrf": token, "id": "plain_form", "when": "e.recipients >", "doc": "d", "owner": "o", "policy": "phishing",
        "severity": "9", "verdict": "review", "reason": "r", "mode": "live", "share_percent": "10", "cases": CASES,
        "on": "list.imported", "verb": "check",
    }  # fmt: skip

    page = client.post("/write/rules", data=given).text
    assert "is not between 1 and 5" in page
    assert "e.recipients &gt;" in page
    assert '<input id="share_percent" name="share_percent" inputmode="decimal" value="10"' in page
    missing = client.post("/write/rules", data={**given, "verb": "save"}).text
    assert "one sentence for whoever approves it" in missing


def test_problems_keep_it_from_being_proposed(enter: Enter, live_server: Live) -> None:
    """A draft with problems may be kept; proposing it shows them and changes nothing."""
    client = enter("analyst")
    token = form_of(client, "/write/rules")
    saved = client.post(
        "/write/rules",
        data={
            "csrf": token, "id": "broken", "when": "e.nothing > 1", "doc": "d", "owner": "o", "policy": "phishing",
            "severity": "3", "verdict": "review", "reason": "r", "mode": "live", "share_percent": "100",
            "cases": CASES, "verb": "save", "why": "half done",
        },
    )  # fmt: skip
    assert saved.status_code == 303

    answer = client.post("/rules/broken/versions/1", data={"csrf": token, "verb": "propose"})

    assert answer.status_code == 409
    assert "e.nothing" in answer.text
    with live_server.installation.pool.connection() as connection:
        assert definitions.one(connection, TENANT, "rules", "broken", 1).state == "draft"


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("analyst", 403)])
def test_only_leads_approve(enter: Enter, live_server: Live, role: str, status: int) -> None:
    """Analysts write, leads approve, viewers look."""
    with live_server.installation.pool.connection() as connection:
        now = live_server.installation.now()
        made = definitions.add(connection, TENANT, "rules", "guarded", "x", author="somebody", why="w", at=now)
        definitions.propose(connection, TENANT, "rules", "guarded", made.version, actor="somebody", at=now)
    client = enter(role)
    token = form_of(client, "/") or form_of(client, "/rules")

    answer = client.post(f"/rules/guarded/versions/{made.version}", data={"csrf": token, "verb": "approve"})

    assert answer.status_code == status


def test_feature_of_ones_own(enter: Enter, live_server: Live) -> None:
    """A feature is written as text, checked with the whole pack, approved, and then read by rules."""
    body = """[feature.own_imports_1d]
doc = "imports in a day"
owner = "trust"
aggregate = "count"
key = ["account"]
on = ["list.imported"]
window = "1d"
unit = "imports"
"""
    client, lead = enter("analyst"), enter("lead")
    token, theirs = form_of(client, "/write/features"), form_of(lead, "/write/features")
    wrong = {"csrf": token, "id": "own_imports_1d", "body": body.replace("list.", "lost."), "verb": "check"}
    assert "lost.imported" in client.post("/write/features", data=wrong).text
    client.post("/write/features", data={**wrong, "body": body, "verb": "save", "why": "needed"})
    place = "/features/own_imports_1d/versions/1"
    assert client.post(place, data={"csrf": token, "verb": "propose"}).status_code == 303
    assert lead.post(place, data={"csrf": theirs, "verb": "approve"}).status_code == 303

    assert "f.own_imports_1d" in live_server.installation.pack(TENANT).catalog
    assert "imports in a day" in lead.get("/features/own_imports_1d").text


def job_running(live: Live, name: str, version: int) -> None:
    """Keep a backtest of a version that seems to run."""
    now = live.installation.now()
    with live.installation.pool.connection() as connection:
        backtests.ask(
            connection, TENANT, name, asked_by="ann", at=now, since=now - DAY, until=now,
            definition=("rules", "from_backtest", version),
        )  # fmt: skip
        taken = backtests.claim(connection, now)
    assert taken is not None
    assert taken.id == name


def test_backtest_is_cancelled_on_its_page(enter: Enter, live_server: Live) -> None:
    """Viewers only look; cancelled twice is told as not possible."""
    job_running(live_server, "bt_cancel", 1)
    viewer, analyst = enter("viewer"), enter("analyst")
    assert "Cancel</button>" not in viewer.get("/backtests/bt_cancel").text
    assert "Cancel</button>" in analyst.get("/backtests/bt_cancel").text

    answers = [
        client.post("/backtests/bt_cancel", data={"csrf": form_of(client, "/backtests")}).status_code
        for client in (viewer, analyst, analyst)
    ]

    assert answers == [403, 303, 409]
    assert "Cancelled by analyst@demo.example." in viewer.get("/backtests/bt_cancel").text


def test_backtest_goes_with_the_proposal(enter: Enter, live_server: Live) -> None:
    """Whoever approves sees what the backtest found, with its examples; a rule in shadow would act on none."""
    client = enter("analyst")
    token = form_of(client, "/write/rules")
    body = make_text("from_backtest")
    made = approvals.draft(live_server.installation, TENANT, "rules", "from_backtest", body, author="ann", why="w")
    job_running(live_server, "bt_propose", made.version)
    rule = {
        "id": "from_backtest", "mode": "shadow", "judged": 900, "hits": 77, "unknown": 3, "accounts": 12,
        "change": {
            "new": 70, "lost": 5, "kept": 7, "new_samples": [{"event_id": "evt_new"}], "new_acting": 0,
            "lost_acting": 12,
        },
        "samples": [], "share": 0.5, "acting": 0, "acting_accounts": 0,
    }  # fmt: skip
    with live_server.installation.pool.connection() as connection:
        backtests.finish(connection, TENANT, "bt_propose", {"rules": [rule]}, live_server.installation.now())

    place = f"/rules/from_backtest/versions/{made.version}"
    client.post(place, data={"csrf": token, "verb": "propose", "backtest": "bt_propose"})

    with live_server.installation.pool.connection() as connection:
        predicted = definitions.one(connection, TENANT, "rules", "from_backtest", made.version).predicted
    assert predicted is not None
    assert [predicted[name] for name in ("events", "hits", "acting", "new", "lost", "live")] == [900, 77, 0, 70, 5, 12]
    assert (predicted["live_acting"], predicted["lost_acting"]) == (12, 12)
    assert "evt_new" in client.get(place).text
