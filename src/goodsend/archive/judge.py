"""
Judge past events by the set path: features, then the row that rules read, then the truth of every rule.

Read are the engine's tables `events` and `facts` (see read.py). Made are `features`, `decided` and `truths`; a second
pack beside the first one gets names of its own, and shares the features that mean the same.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import sqlglot

from goodsend.archive.engines.model import Progress, SqlEngine
from goodsend.expr.model import Expression
from goodsend.expr.sql.model import Dialect, ListValues, Step, column_name
from goodsend.expr.sql.udfs import Udf
from goodsend.expr.sql.write import udfs_needed
from goodsend.facts import Catalog, FactType
from goodsend.features.compute import LATE_HORIZON
from goodsend.features.definitions import Feature, feature_facts
from goodsend.features.sql.steps import broad_keys, feature_steps
from goodsend.kit.clock import Micros
from goodsend.pack import Pack
from goodsend.rules.sql import rule_steps

STORED = ("s.", "m.", "a.", "l.")
"""Facts that the set path takes as they were stored; features are computed again, events are there themselves."""


class Span(msgspec.Struct, frozen=True):
    """Events with a time in [since, until), µs."""

    since: Micros
    until: Micros

    def where(self, table: str) -> str:
        """Return the condition on a table with `e_at`."""
        return f"{table}.e_at >= {self.since} AND {table}.e_at < {self.until}"


class Names(msgspec.Struct, frozen=True):
    """What the tables of one pack are called."""

    features: str = "features"
    decided: str = "decided"
    truths: str = "truths"


def lend_functions(engine: SqlEngine, packs: Iterable[Pack]) -> None:
    """Give the engine every Python function that SQL written for these packs may call."""
    needed: dict[str, Udf] = {}
    for pack in packs:
        needed |= udfs_needed(expressions_of(pack), engine.dialect)
    engine.add_functions(list(needed.values()))


def expressions_of(pack: Pack) -> list[Expression]:
    """Return every expression that features and rules are made of."""
    found = list(pack.ruleset.expressions.values())
    for feature in pack.features:
        found += [part for part in (feature.of, feature.where) if part is not None]
    return found


def columns_read(pack: Pack) -> dict[str, FactType]:
    """Return the facts that rules read, with their types: those in no catalogue are not there."""
    names = {name for expression in pack.ruleset.expressions.values() for name in expression.facts}
    return {name: pack.catalog[name].type for name in sorted(names) if name in pack.catalog}


def stored_columns(catalog: Catalog) -> dict[str, FactType]:
    """Return the columns of stored facts that are taken as they were, by column name."""
    return {column_name(name): fact.type for name, fact in catalog.items() if name.startswith(STORED)}


def event_columns(packs: Iterable[Pack]) -> dict[str, FactType]:
    """Return the columns of `events` that these packs may read: arrival, and every `e.` fact."""
    columns = {"arrival": FactType.INTEGER}
    for pack in packs:
        columns |= {column_name(name): fact.type for name, fact in pack.catalog.items() if name.startswith("e.")}
    return columns


def feature_columns(features: Sequence[Feature]) -> dict[str, FactType]:
    """Return the columns that features give, by column name."""
    return {column_name(fact.name): fact.type for fact in feature_facts(features)}


def compute_features(
    engine: SqlEngine,
    pack: Pack,
    features: Sequence[Feature],
    *,
    late_horizon: Micros = LATE_HORIZON,
    on_time: bool = False,
    name: str = "features",
    keep: bool = True,
    progress: Progress | None = None,
) -> None:
    """
    Compute features of a pack over `events` into the table `name`: arrival and a column each.

    `keep` False leaves the last step a view, for those who read it once.
    """
    broad = broad_keys(
        features, pack.entity_fields, engine.dialect, lambda query: engine.table(query, progress).to_pylist()
    )  # fmt: skip
    steps = feature_steps(
        features, pack.entity_fields, engine.dialect, pack.list_values, late_horizon, on_time=on_time, broad=broad
    )  # fmt: skip
    prefix = "" if name == "features" else f"{name}_"
    engine.run(_renamed(steps, prefix, name, keep=keep), progress)


def _renamed(steps: Sequence[Step], prefix: str, last: str, *, keep: bool) -> list[Step]:
    """Give steps names of their own, so that a second pack's do not replace the first one's."""
    if not prefix:
        return [*steps[:-1], Step(last, steps[-1].query, keep=keep)]
    names = {step.name: prefix + step.name for step in steps}
    names[steps[-1].name] = last
    renamed = []
    for step in steps:
        query = step.query.copy()
        for table in query.find_all(sqlglot.exp.Table):
            if table.name in names:
                alias = table.alias or table.name
                table.set("this", sqlglot.exp.to_identifier(names[table.name], quoted=True))
                table.set("alias", sqlglot.exp.TableAlias(this=sqlglot.exp.to_identifier(alias, quoted=True)))
        renamed.append(Step(names[step.name], query, keep=keep if step is steps[-1] else step.keep))
    return renamed


def spoken(query: str, dialect: Dialect) -> str:
    """Return a plain query of ours, written for DuckDB, with the names quoted and types named as an engine does it."""
    if dialect is Dialect.DUCKDB:
        return query
    return re.sub(r'"([^"]*)"', r"`\1`", query).replace("AS VARCHAR)", "AS STRING)")


def decided_step(pack: Pack, span: Span, sources: Mapping[str, str], names: Names) -> Step:
    """
    Return the step of the row that rules read: events of the span with what rules read of them.

    `sources` says per feature column which table has it.
    """
    columns = ["e.arrival", "e.e_id", "e.e_kind", "e.e_at"]
    joined: set[str] = set()
    stored = False
    for name in columns_read(pack):
        column = column_name(name)
        if name in ("e.id", "e.kind", "e.at"):
            continue
        if name.startswith("e."):
            columns.append(f'e."{column}"')
        elif name.startswith("f."):
            table = sources[column]
            joined.add(table)
            columns.append(f'{table}."{column}"')
        else:
            stored = True
            columns.append(f'k."{column}"')
    joins = "".join(f" LEFT JOIN {table} ON {table}.arrival = e.arrival" for table in sorted(joined))
    if stored:
        joins += " LEFT JOIN facts AS k ON k.arrival = e.arrival"
    query = f"SELECT {', '.join(columns)} FROM events AS e{joins} WHERE {span.where('e')}"
    return Step(names.decided, sqlglot.parse_one(query, read="duckdb", into=sqlglot.exp.Select))


def judge(
    engine: SqlEngine,
    pack: Pack,
    span: Span,
    sources: Mapping[str, str],
    lists: ListValues,
    *,
    names: Names | None = None,
    keep: bool = True,
    progress: Progress | None = None,
) -> None:
    """
    Make `decided` and `truths` (under `names`) of the events of a span; features must have been computed.

    `keep` False leaves `truths` a view, for those who read it once.
    """
    names = names or Names()
    engine.run([decided_step(pack, span, sources, names)], progress)
    steps = rule_steps(pack.ruleset, engine.dialect, lists, source=names.decided)
    prefix = "" if names.truths == "truths" else f"{names.truths}_"
    engine.run(_renamed(steps, prefix, names.truths, keep=keep), progress)
