"""Each tenant's pack: own definitions over the installation's files, followed by every process, never broken by one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from goodsend.kit.clock import Micros
from goodsend.layers import Layers
from goodsend.pack import Pack, build_pack
from goodsend.store import audit, definitions, tenants
from goodsend.store.connection import Pool, open_pool
from goodsend.wiring import read_files
from tests.conftest import NOW


def make_rule(id_: str, when: str = "e.recipients > 5") -> str:
    """A rule of the tenant's own, as TOML."""
    return f"""[rule.{id_}]
doc = "d"
owner = "o"
policy = "phishing"
severity = 3
on = ["list.imported"]
when = "{when}"
verdict = "review"
reason = "r"
[[rule.{id_}.case]]
name = "many"
given = {{ "e.recipients" = 9 }}
fires = true
[[rule.{id_}.case]]
name = "few"
given = {{ "e.recipients" = 1 }}
fires = false
"""


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The files of the installation."""
    return read_files(())


@pytest.fixture(scope="module")
def base(files: dict[str, bytes]) -> Pack:
    """The pack they make."""
    pack, problems = build_pack(files)
    assert problems == []
    assert pack is not None
    return pack


@pytest.fixture(scope="module")
def pool(database_url: str) -> Iterator[Pool]:
    """Connections to a database of this module's own."""
    with open_pool(database_url, size=4) as opened:
        yield opened


@pytest.fixture
def tenant(pool: Pool, request: pytest.FixtureRequest) -> str:
    """A tenant of this test's own."""
    name = request.node.name.replace("_", "-")[-60:].strip("-")
    with pool.connection() as connection:
        tenants.ensure(connection, name, name, NOW)
    return str(name)


def put_to_work(pool: Pool, tenant: str, id_: str, body: str) -> None:
    """Make a text live in the store, which does not ask what it means."""
    with pool.connection() as connection:
        made = definitions.add(connection, tenant, "rules", id_, body, author="ann", why="w", at=NOW)
        definitions.propose(connection, tenant, "rules", id_, made.version, actor="ann", at=NOW)
        definitions.approve(connection, tenant, "rules", id_, made.version, actor="bob", at=NOW)


def make_layers(pool: Pool, files: dict[str, bytes], base: Pack) -> Layers:
    """The packs of one process that has just started."""

    def now() -> Micros:
        return NOW

    layers = Layers(pool, files, base, now)
    layers.refresh()
    return layers


@contextmanager
def watching(layers: Layers) -> Iterator[None]:
    """Let it follow the database as a server does."""
    stop = threading.Event()
    thread = threading.Thread(target=layers.watch, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_broken_layer_never_replaces_the_running_pack(
    pool: Pool, files: dict[str, bytes], base: Pack, tenant: str
) -> None:
    """What ran goes on running, the problems are told with their place, once in the audit; mended, it counts."""
    put_to_work(pool, tenant, "sound", make_rule("sound"))
    layers = make_layers(pool, files, base)
    running = layers.pack(tenant)
    assert "sound" in running.ruleset.rules

    put_to_work(pool, tenant, "broken", make_rule("broken", "e.recipientz > 5"))
    layers.refresh()
    layers.refresh()

    assert layers.pack(tenant) is running
    (problem,) = layers.problems(tenant)
    assert problem.place.startswith("own/rules/broken.toml")
    with pool.connection() as connection:
        refused = [row for row in audit.recent(connection, tenant).items if row.act == "definitions.refused"]
    assert len(refused) == 1

    put_to_work(pool, tenant, "broken", make_rule("broken"))
    layers.refresh()
    assert layers.problems(tenant) == ()
    assert {"sound", "broken"} <= layers.pack(tenant).ruleset.rules.keys()


def test_start_with_a_broken_layer_leaves_out_what_is_broken(
    pool: Pool, files: dict[str, bytes], base: Pack, tenant: str
) -> None:
    """With no older pack to keep, the sound definitions count and the problems are told; others have the base."""
    put_to_work(pool, tenant, "sound", make_rule("sound"))
    put_to_work(pool, tenant, "broken", "[rule.broken]\nthis is no TOML")

    layers = make_layers(pool, files, base)

    assert "sound" in layers.pack(tenant).ruleset.rules
    assert "broken" not in layers.pack(tenant).ruleset.rules
    assert layers.problems(tenant)
    assert layers.pack("another") is base


def test_two_processes_follow_each_other(
    database_url: str, pool: Pool, files: dict[str, bytes], base: Pack, tenant: str
) -> None:
    """A change made in one is in force in the other within seconds, in both directions."""
    with open_pool(database_url, size=2) as second_pool:
        first, second = make_layers(pool, files, base), make_layers(second_pool, files, base)
        with watching(first), watching(second):
            for maker, id_ in ((pool, "of_first"), (second_pool, "of_second")):
                put_to_work(maker, tenant, id_, make_rule(id_))
                end = time.monotonic() + 20
                while time.monotonic() < end and not all(
                    id_ in one.pack(tenant).ruleset.rules for one in (first, second)
                ):
                    time.sleep(0.05)
                assert id_ in first.pack(tenant).ruleset.rules
                assert id_ in second.pack(tenant).ruleset.rules

    assert first.pack(tenant).version == second.pack(tenant).version


def test_outage_is_waited_out(
    database_url: str, files: dict[str, bytes], base: Pack, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away the packs stay; when it is back, what was approved meanwhile counts."""
    monkeypatch.setattr("goodsend.layers.EVERY_S", 0.05)
    with open_pool(database_url, size=2) as own:
        layers = make_layers(own, files, base)
        tried = threading.Event()
        whole = definitions.generations

        def away(connection: object) -> dict[str, int]:
            del connection
            tried.set()
            raise psycopg.OperationalError("the connection is lost")

        monkeypatch.setattr(definitions, "generations", away)
        with watching(layers):
            put_to_work(own, tenant, "meanwhile", make_rule("meanwhile"))
            assert tried.wait(20)
            assert layers.pack(tenant) is base
            monkeypatch.setattr(definitions, "generations", whole)
            end = time.monotonic() + 20
            while time.monotonic() < end and layers.pack(tenant) is base:
                time.sleep(0.05)

    assert "meanwhile" in layers.pack(tenant).ruleset.rules
