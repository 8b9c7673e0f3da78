"""Labels that rules put on entities, with their time. What people say of cases is in the table `label`, not here."""

from collections.abc import Collection, Iterable

from goodsend.decisions.model import EntityLabel
from goodsend.kit.clock import Micros
from goodsend.kit.errors import NotFound
from goodsend.store import audit
from goodsend.store.connection import Asked, At, Connection, TextArray
from goodsend.store.jsonable import clean, key

_FIELDS = "l.entity_type, l.entity, l.label, l.since, l.until, l.because, l.decision_id"


Found = dict[tuple[str, str], list[EntityLabel]]


def ask_of(connection: Connection, tenant: str, entities: Collection[tuple[str, str]], since: Micros) -> Asked[Found]:
    """Ask for the labels of these (type, key) entities that are in force at `since` or later, by entity."""
    pairs = list(entities)
    named = {(type_, key(entity)): entity for type_, entity in pairs}
    rows = connection.execute(
        f"SELECT {_FIELDS} FROM entity_label l JOIN unnest(%s::text[], %s::text[]) AS wanted (entity_type, entity) "
        "USING (entity_type, entity) WHERE l.tenant = %s AND l.until > %s ORDER BY l.since",
        (
            TextArray([type_ for type_, _ in pairs]), TextArray([key(entity) for _, entity in pairs]), tenant,
            At(since),
        ),
    )  # fmt: skip

    def answer() -> Found:
        found: Found = {}
        for type_, stored, label, since_, until, because, decision_id in rows:
            entity = named[type_, stored]
            found.setdefault((type_, entity), []).append(
                EntityLabel(type_, entity, label, since_, until, tuple(because), decision_id)
            )
        return found

    return answer


def of(connection: Connection, tenant: str, entities: Collection[tuple[str, str]], since: Micros) -> Found:
    """Return the labels of these (type, key) entities that are in force at `since` or later, by entity."""
    return ask_of(connection, tenant, entities, since)()


def keep(connection: Connection, tenant: str, replaced: Iterable[EntityLabel], labelled: Iterable[EntityLabel]) -> None:
    """Write what a batch labelled; `replaced` are stored spans that went into longer ones."""
    with connection.cursor() as cursor:
        gone = [(tenant, old.entity_type, key(old.entity), old.label, At(old.since)) for old in replaced]
        if gone:
            cursor.executemany(
                "DELETE FROM entity_label WHERE tenant = %s AND entity_type = %s AND entity = %s AND label = %s "
                "AND since = %s",
                gone,
            )
        cursor.executemany(
            "INSERT INTO entity_label (tenant, entity_type, entity, label, since, until, because, decision_id) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, entity_type, entity, label, since) "
            "DO UPDATE SET until = greatest(entity_label.until, EXCLUDED.until), because = EXCLUDED.because, "
            "decision_id = EXCLUDED.decision_id",
            [
                (
                    tenant, new.entity_type, key(new.entity), new.label, At(new.since), At(new.until),
                    list(new.because), new.decision,
                )
                for new in labelled
            ],
        )  # fmt: skip


def on(connection: Connection, tenant: str, entity_type: str, entity: str, now: Micros) -> list[EntityLabel]:
    """Return the labels of one entity that are in force at this moment, those that end first in front."""
    labels = of(connection, tenant, [(entity_type, entity)], now).get((entity_type, entity), [])
    return sorted((label for label in labels if label.since <= now), key=lambda label: (label.until, label.label))


def lift(
    connection: Connection, tenant: str, entity_type: str, entity: str, label: str, *, actor: str, why: str, now: Micros
) -> None:
    """Take a label off an entity from now on; what was decided keeps what it saw. Raises NotFound."""
    rows = connection.execute(
        "UPDATE entity_label SET until = greatest(since, %(now)s) WHERE tenant = %(tenant)s AND entity_type = %(type)s "
        "AND entity = %(entity)s AND label = %(label)s AND until > %(now)s RETURNING 1",
        {"tenant": tenant, "type": entity_type, "entity": key(entity), "label": label, "now": At(now)},
    ).fetchall()
    if not rows:
        raise NotFound(f"the {entity_type} {entity!r} does not have the label {label!r}")
    audit.append(
        connection, tenant, now, actor, "label.lifted", entity,
        {"entity_type": entity_type, "label": label, "why": clean(why)},
    )  # fmt: skip


def purge(connection: Connection, before: Micros) -> int:
    """Delete labels of all tenants that ended before this time; returns how many."""
    return connection.execute("DELETE FROM entity_label WHERE until < %s", (At(before),)).rowcount
