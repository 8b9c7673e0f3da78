"""
A pack, built: every definition of one tenant, checked and compiled. Reading files is not done here.

`build_pack` takes the files of all layers, earliest first, each as `layer/room/name.toml` → bytes. A later file adds
to the earlier ones and replaces definitions of the same id. Problems are collected over the whole pack; a pack with
problems is never put to work.
"""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from goodsend.cases.triage import Triage, parse_triage
from goodsend.decisions.actions import ActionKind, parse_actions
from goodsend.decisions.decide import Thresholds, parse_thresholds
from goodsend.decisions.labels import label_facts
from goodsend.events.addresses import AddressRules, parse_address_rules
from goodsend.events.functions import ADDRESS_FUNCTIONS
from goodsend.events.kinds import Kinds, conflicts, event_facts, parse_kinds
from goodsend.expr.functions import CORE_FUNCTIONS, Function
from goodsend.facts import Catalog, Fact, FactType
from goodsend.features.compute import Plan, build_plan
from goodsend.features.definitions import Feature, feature_facts, parse_features
from goodsend.kit.errors import Problem
from goodsend.outreach.notices import Outreach, parse_notices
from goodsend.policies.clauses import Policy, parse_policies
from goodsend.reports.alarms import Watch, parse_watch
from goodsend.reports.backtest import Weights, parse_weights
from goodsend.reports.rates import Rates, parse_rates
from goodsend.rules.composites import rule_facts
from goodsend.rules.groups import parse_groups
from goodsend.rules.ruleset import References, Ruleset, compile_rules, parse_rules
from goodsend.scanning.definitions import Scanner, parse_scanner
from goodsend.scanning.signals import signal_facts
from goodsend.scoring.model import Model, model_facts, parse_model
from goodsend.standing.lifecycle import Lifecycle, parse_lifecycle

FUNCTIONS: dict[str, Function] = {**CORE_FUNCTIONS, **ADDRESS_FUNCTIONS}
"""Every function of the rule language."""

ROOMS = {
    "pack.toml", "kinds", "features", "rules", "policies", "lists", "notices", "scanning", "models",
    "actions.toml", "decisions.toml", "alarms.toml", "standing.toml", "triage.toml", "addresses.toml", "rates.toml",
    "backtest.toml",
}  # fmt: skip
"""What a pack's top folder may hold; anything else is a Problem, so that a misspelt folder is not silently ignored."""


class NamedList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of values that rules consult, with where it comes from and its date."""

    doc: str
    type: str
    source: str
    licence: str
    as_of: str
    values: list[str]


class Pack(msgspec.Struct, frozen=True):
    """
    Everything a tenant's events are judged by. `version` is a digest of all files: the same version, the same meaning.

    `entity_fields` says per kind which field carries which entity type. `catalog` are the columns of facts, `names`
    these and the `h.` names of rules: what a rule may write. `labelled` are the entity types that rules put labels on
    or read labels of: without any, nobody looks for labels.
    """

    version: str
    kinds: Kinds
    address_rules: AddressRules
    entity_fields: dict[str, dict[str, str]]
    features: tuple[Feature, ...]
    plan: Plan
    lists: dict[str, NamedList]
    list_values: dict[str, frozenset[str]]
    scanner: Scanner
    models: tuple[Model, ...]
    policies: dict[str, Policy]
    actions: dict[str, ActionKind]
    thresholds: Thresholds
    ruleset: Ruleset
    lifecycle: Lifecycle
    triage: Triage
    outreach: Outreach
    rates: Rates
    watch: Watch | None
    weights: Weights
    labelled: tuple[str, ...]
    catalog: Catalog
    names: Catalog


def account_facts() -> list[Fact]:
    """Return the `a.` columns: what is known of the account itself beside its features."""
    return [Fact("a.standing", FactType.TEXT, "where the account is in its life, before this event")]


def pack_version(files: Mapping[str, bytes]) -> str:
    """Return 16 hexadecimal digits that follow from the names and bytes of all files, in order."""
    digest = hashlib.sha256()
    for name, body in files.items():
        digest.update(len(name).to_bytes(4, "big") + name.encode() + len(body).to_bytes(8, "big") + body)
    return digest.hexdigest()[:16]


def build_pack(files: Mapping[str, bytes]) -> tuple[Pack | None, list[Problem]]:
    """Return the pack, or None with every Problem found in it."""
    tables, problems = _decode(files)

    def room(name: str) -> dict[str, dict[str, Any]]:
        return {path: table for path, table in tables.items() if path.split("/")[1] == name}

    kinds, found = parse_kinds(room("kinds"))
    problems += found + conflicts(kinds)
    address_rules, found = parse_address_rules(room("addresses.toml"))
    problems += found
    entity_fields = {
        kind.name: {field.entity: field.name for field in reversed(kind.fields.values()) if field.entity}
        for kind in kinds.kinds.values()
    }
    lists, found = _lists(room("lists"))
    problems += found
    list_values = {name: frozenset(named.values) for name, named in lists.items()}
    features, found = parse_features(room("features"), kinds, FUNCTIONS, lists)
    problems += found
    scanner, found = parse_scanner(room("scanning"), list_values)
    problems += found
    models, found = _models({path: body for path, body in files.items() if path.split("/")[1] == "models"})
    problems += found
    policies, found = parse_policies(room("policies"))
    problems += found
    actions, found = parse_actions(room("actions.toml"))
    problems += found
    thresholds, found = parse_thresholds(room("decisions.toml"))
    problems += found
    carriers = _carriers(kinds.entities, entity_fields)
    catalog = Catalog(
        [
            *event_facts(kinds), *feature_facts(features), *signal_facts(), *model_facts(models), *account_facts(),
            *label_facts(kinds.entities, carriers),
        ]
    )  # fmt: skip
    groups, found = parse_groups(room("rules"))
    problems += found
    references = References(
        policies, {name: carriers.get(action.target, frozenset()) for name, action in actions.items()}, kinds.kinds,
        groups, carriers,
    )  # fmt: skip
    rules, found = parse_rules(room("rules"), references)
    problems += found
    ruleset, found = compile_rules(rules, catalog, FUNCTIONS, lists, kinds.kinds, groups)
    problems += found
    lifecycle, found = parse_lifecycle(room("standing.toml"), catalog, FUNCTIONS, lists, kinds.kinds)
    problems += found
    triage, found = parse_triage(room("triage.toml"), policies)
    problems += found
    outreach, found = parse_notices(room("notices"), actions)
    problems += found
    rates, found = parse_rates(room("rates.toml"))
    problems += found
    watch, found = parse_watch(room("alarms.toml"))
    problems += found
    weights, found = parse_weights(room("backtest.toml"))
    problems += found
    if problems:
        return None, problems
    pack = Pack(
        version=pack_version(files),
        kinds=kinds,
        address_rules=address_rules,
        entity_fields=entity_fields,
        features=features,
        plan=build_plan(features, kinds),
        lists=lists,
        list_values=list_values,
        scanner=scanner,
        models=models,
        policies=policies,
        actions=actions,
        thresholds=thresholds,
        ruleset=ruleset,
        lifecycle=lifecycle,
        triage=triage,
        outreach=outreach,
        rates=rates,
        watch=watch,
        weights=weights,
        catalog=catalog,
        labelled=_labelled(ruleset, lifecycle, kinds.entities),
        names=catalog.including(rule_facts(list(ruleset.rules.values()))),
    )
    return pack, []


def _decode(files: Mapping[str, bytes]) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    tables = {}
    problems = []
    for path, body in files.items():
        parts = path.split("/")
        if len(parts) < 2 or parts[1] not in ROOMS:
            problems.append(Problem(path, "is not a part of a pack", f"known: {', '.join(sorted(ROOMS))}"))
        elif parts[1] != "models":
            try:
                tables[path] = tomllib.loads(body.decode("utf-8"))
            except UnicodeDecodeError as error:
                problems.append(Problem(path, f"is not UTF-8 at byte {error.start}"))
            except RecursionError:
                problems.append(Problem(path, "is nested too deeply"))
            except ValueError as error:  # TOMLDecodeError, and numbers too long for Python
                problems.append(Problem(path, f"is not TOML: {error}"))
    return tables, problems


def _lists(files: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, NamedList], list[Problem]]:
    lists: dict[str, NamedList] = {}
    problems = []
    for path, table in files.items():
        name = path.rsplit("/", 1)[1].removesuffix(".toml")
        try:
            lists[name] = msgspec.convert(table, NamedList)
        except msgspec.ValidationError as error:
            problems.append(Problem(path, str(error)))
    return lists, problems


def _models(files: Mapping[str, bytes]) -> tuple[tuple[Model, ...], list[Problem]]:
    models = {}
    problems = []
    for path, body in files.items():
        if not path.endswith(".json"):
            continue  # a model card lies beside its model
        model = parse_model(body)
        if isinstance(model, Problem):
            problems.append(model.at(path))
        else:
            models[model.name] = model
    return tuple(models.values()), problems


def _labelled(ruleset: Ruleset, lifecycle: Lifecycle, entities: Iterable[str]) -> tuple[str, ...]:
    set_ = {label.entity for rule in ruleset.rules.values() for label in rule.labels}
    read = {name for expression in ruleset.expressions.values() for name in expression.facts}
    texts = [step.when for step in lifecycle.steps]
    return tuple(
        entity for entity in entities
        if entity in set_ or f"l.{entity}_labels" in read or any(f"l.{entity}_labels" in text for text in texts)
    )  # fmt: skip


def _carriers(entities: Iterable[str], entity_fields: Mapping[str, Mapping[str, str]]) -> dict[str, frozenset[str]]:
    """Return per entity type the kinds of events that carry it."""
    return {
        entity: frozenset(kind for kind, fields in entity_fields.items() if entity in fields) for entity in entities
    }
