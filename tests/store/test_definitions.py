"""Own definitions: versions that never change, a second person's approval, one live version, rollback, the audit."""

import pytest

from goodsend.kit.clock import HOUR
from goodsend.kit.errors import Conflict, NotFound
from goodsend.store import audit, backtests, definitions, history, tenants
from goodsend.store.connection import Connection
from goodsend.store.definitions import Definition
from tests.conftest import NOW


@pytest.fixture
def tenant(connection: Connection) -> str:
    """A tenant, rolled back with the test."""
    tenants.ensure(connection, "demo", "Demo", NOW)
    return "demo"


def make_draft(connection: Connection, tenant: str, body: str = "a", author: str = "ann") -> Definition:
    """A new version of the rule `big`."""
    return definitions.add(connection, tenant, "rules", "big", body, author=author, why="trial", at=NOW)


def make_live(connection: Connection, tenant: str, body: str = "a") -> Definition:
    """A version that ann wrote and bob approved."""
    made = make_draft(connection, tenant, body)
    definitions.propose(connection, tenant, "rules", "big", made.version, actor="ann", at=NOW)
    return definitions.approve(connection, tenant, "rules", "big", made.version, actor="bob", at=NOW)


def test_versions_count_up(connection: Connection, tenant: str) -> None:
    """Each draft is a version of its own; none changes another's text."""
    first, second = make_draft(connection, tenant, "a"), make_draft(connection, tenant, "b")

    assert (first.version, second.version) == (1, 2)
    assert [one.body for one in definitions.versions(connection, tenant, "rules", "big")] == ["b", "a"]


@pytest.mark.parametrize("actor", ["ann", "cid"])
def test_author_and_proposer_cannot_approve(connection: Connection, tenant: str, actor: str) -> None:
    """A second person approves: neither who wrote it nor who proposed it."""
    made = make_draft(connection, tenant, author="ann")
    definitions.propose(connection, tenant, "rules", "big", made.version, actor="cid", at=NOW)

    with pytest.raises(Conflict, match="second person"):
        definitions.approve(connection, tenant, "rules", "big", made.version, actor=actor, at=NOW)


def test_draft_cannot_be_approved(connection: Connection, tenant: str) -> None:
    """What nobody proposed cannot go to work."""
    made = make_draft(connection, tenant)

    with pytest.raises(Conflict, match="is draft, not proposed"):
        definitions.approve(connection, tenant, "rules", "big", made.version, actor="bob", at=NOW)


def test_one_version_is_live(connection: Connection, tenant: str) -> None:
    """Approving a version retires the one before; the layer holds the new text, and its generation counts."""
    make_live(connection, tenant, "a")
    before = definitions.generations(connection)[tenant]
    make_live(connection, tenant, "b")

    assert definitions.layer(connection, tenant) == {"own/rules/big.toml": b"b"}
    assert definitions.generations(connection)[tenant] == before + 1
    assert [one.state for one in definitions.versions(connection, tenant, "rules", "big")] == ["live", "retired"]


def test_rollback_in_one_step(connection: Connection, tenant: str) -> None:
    """A version that was live comes back; a draft never does."""
    make_live(connection, tenant, "a")
    make_live(connection, tenant, "b")
    make_draft(connection, tenant, "c")

    definitions.roll_back(connection, tenant, "rules", "big", 1, actor="bob", why="too many hits", at=NOW)

    assert definitions.layer(connection, tenant) == {"own/rules/big.toml": b"a"}
    with pytest.raises(Conflict, match="was live before"):
        definitions.roll_back(connection, tenant, "rules", "big", 3, actor="bob", why="no", at=NOW)


def test_retire_leaves_the_packs(connection: Connection, tenant: str) -> None:
    """After retiring nothing of the tenant's own is live, and there is nothing more to retire."""
    make_live(connection, tenant)

    definitions.retire(connection, tenant, "rules", "big", actor="bob", why="done", at=NOW)

    assert definitions.layer(connection, tenant) == {}
    with pytest.raises(Conflict, match="is live"):
        definitions.retire(connection, tenant, "rules", "big", actor="bob", why="done", at=NOW)


def test_declined_goes_back_to_draft(connection: Connection, tenant: str) -> None:
    """A declined proposal is a draft again and may be proposed anew."""
    made = make_draft(connection, tenant)
    definitions.propose(connection, tenant, "rules", "big", 1, actor="ann", at=NOW, predicted={"hits": 3})
    assert [one.predicted for one in definitions.waiting(connection, tenant)] == [{"hits": 3}]

    declined = definitions.decline(connection, tenant, "rules", "big", made.version, actor="bob", why="why", at=NOW)

    assert declined.state == "draft"
    assert definitions.waiting(connection, tenant) == []


def test_moves_are_audited(connection: Connection, tenant: str) -> None:
    """Every move is one act in the audit, with the version."""
    make_live(connection, tenant)
    definitions.retire(connection, tenant, "rules", "big", actor="bob", why="done", at=NOW)

    acts = [(row.actor, row.act, row.detail["version"]) for row in audit.recent(connection, tenant).items]
    assert acts[:4] == [
        ("bob", "rule.retired", 1), ("bob", "rule.approved", 1), ("ann", "rule.proposed", 1), ("ann", "rule.drafted", 1)
    ]  # fmt: skip


def test_a_version_came_to_its_state_when_it_moved(connection: Connection, tenant: str) -> None:
    """Not when it was written: what went in another's place is as old as that, and back again it is as old as that."""
    make_live(connection, tenant, "a")
    made = make_draft(connection, tenant, "b")
    definitions.propose(connection, tenant, "rules", "big", made.version, actor="ann", at=NOW + HOUR)
    definitions.approve(connection, tenant, "rules", "big", made.version, actor="bob", at=NOW + 2 * HOUR)
    assert definitions.moved(connection, tenant, "rules", "big") == {1: NOW + 2 * HOUR, 2: NOW + 2 * HOUR}

    definitions.roll_back(connection, tenant, "rules", "big", 1, actor="bob", why="w", at=NOW + 3 * HOUR)
    definitions.retire(connection, tenant, "rules", "big", actor="bob", why="w", at=NOW + 4 * HOUR)

    assert definitions.moved(connection, tenant, "rules", "big") == {1: NOW + 4 * HOUR, 2: NOW + 3 * HOUR}
    assert definitions.moved(connection, tenant, "features", "big") == {}


def test_a_rule_that_was_live_is_no_mere_draft(connection: Connection, tenant: str) -> None:
    """After retiring, its standing still tells which version was live last; of a draft it tells none."""
    make_live(connection, tenant, "a")
    definitions.retire(connection, tenant, "rules", "big", actor="bob", why="done", at=NOW)
    make_draft(connection, tenant, "b")
    definitions.add(connection, tenant, "rules", "new", "c", author="ann", why="w", at=NOW)
    found = definitions.standings(connection, tenant, "rules")

    assert (found["big"].live, found["big"].was_live, found["big"].newest) == (None, 1, 2)
    assert (found["new"].live, found["new"].was_live) == (None, None)


def test_tenants_are_apart(connection: Connection, tenant: str) -> None:
    """One tenant's versions are not to be found by another."""
    tenants.ensure(connection, "other", "Other", NOW)
    make_live(connection, tenant)

    assert definitions.layer(connection, "other") == {}
    with pytest.raises(NotFound):
        definitions.one(connection, "other", "rules", "big", 1)


def test_refusal_is_noted_once(connection: Connection, tenant: str) -> None:
    """Several processes that refuse one generation leave one act in the audit."""
    make_live(connection, tenant)
    generation = definitions.generations(connection)[tenant]

    noted = [definitions.refuse(connection, tenant, generation, ["broken"], NOW) for _ in range(2)]

    assert noted == [True, False]


def test_backtest_runs_and_is_cancelled(connection: Connection, tenant: str) -> None:
    """A job is claimed once, tells how far it is, and hears that it was cancelled."""
    made = backtests.ask(connection, tenant, "job_1", asked_by="ann", at=NOW, since=NOW - 10, until=NOW)
    claimed = backtests.claim(connection, NOW)

    assert claimed is not None
    assert (made.state, claimed.id, backtests.claim(connection, NOW)) == ("due", "job_1", None)
    assert backtests.progress(connection, tenant, "job_1", 0.5, "reading", NOW)
    backtests.cancel(connection, tenant, "job_1", actor="ann", at=NOW)
    assert not backtests.progress(connection, tenant, "job_1", 0.6, "reading", NOW)
    with pytest.raises(Conflict, match="over already"):
        backtests.cancel(connection, tenant, "job_1", actor="ann", at=NOW)


def test_lost_backtest_is_told(connection: Connection, tenant: str) -> None:
    """A job whose process died is not running for ever."""
    backtests.ask(connection, tenant, "job_1", asked_by="ann", at=NOW, since=NOW - 10, until=NOW)
    backtests.claim(connection, NOW)

    backtests.claim(connection, NOW + backtests.LOST + 1)

    assert backtests.one(connection, tenant, "job_1").state == "failed"


def test_what_was_live_over_time(connection: Connection, tenant: str) -> None:
    """Each state there was, also after a rollback and when it was retired; drafts are in none."""
    make_live(connection, tenant, "a")
    make_live(connection, tenant, "b")
    make_draft(connection, tenant, "c")
    definitions.roll_back(connection, tenant, "rules", "big", 1, actor="bob", why="w", at=NOW)
    definitions.retire(connection, tenant, "rules", "big", actor="bob", why="w", at=NOW)
    path = definitions.path_of("rules", "big")

    assert history.all_layers(connection, tenant) == [{path: b"a"}, {path: b"b"}, {path: b"a"}, {}]
    assert history.all_layers(connection, "other") == []
