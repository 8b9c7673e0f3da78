"""A rule set as SQL: the truths of the row path, for every rule and row, and of the yardstick's 20 rules."""

import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from goodsend.archive.engines.model import SqlEngine
from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.model import Expression
from goodsend.expr.sql.model import Dialect
from goodsend.expr.sql.write import udfs_needed
from goodsend.facts import Catalog, Fact, Facts, FactType, Value
from goodsend.pack import FUNCTIONS
from goodsend.rules.ruleset import Ruleset
from goodsend.rules.sql import rule_steps
from tests.expr.engines import arrow_table
from tests.rules.test_rules import BIG, built, rule

YARDSTICK = Path(__file__).parents[3] / "shared" / "bench" / "rules20"

TYPES = {
    "e.kind": FactType.TEXT,
    "e.account_email": FactType.TEXT,
    "e.age_days": FactType.INTEGER,
    "e.plan": FactType.TEXT,
    "e.account_country": FactType.TEXT,
    "e.recipients": FactType.INTEGER,
    "e.subject": FactType.TEXT,
    "e.from_name": FactType.TEXT,
    "e.from_email": FactType.TEXT,
    "e.reply_to": FactType.TEXT,
    "e.body": FactType.TEXT,
    "e.urls": FactType.TEXTS,
    "e.dmarc": FactType.TEXT,
    "f.bounce_rate": FactType.NUMBER,
    "f.complaint_rate": FactType.NUMBER,
    "f.sent_24h": FactType.INTEGER,
    "f.sent_7d_avg": FactType.NUMBER,
    "e.asn": FactType.INTEGER,
    "e.client_country": FactType.TEXT,
}
LISTS = {
    "disposable": frozenset(
        {f"tempbox{n}.net" for n in range(183, 200)} | {"mailinator.com", "guerrillamail.com", "yopmail.com"}
    ),
    "free_mail": frozenset(
        ("gmail.com", "yahoo.com", "outlook.com", "hotmail.com", "aol.com", "icloud.com", "proton.me", "gmx.de")
    ),
    "hosting": frozenset(
        map(str, (14061, 16509, 24940, 16276, 63949, 20473, 9009, 212238, 60068, 51167, 197540, 202425))
    ),
}
R05 = "IN_LIST('disposable', EMAIL_DOMAIN(e.account_email))"
R07 = (
    r"REGEXP_LIKE(e.from_name, '(?i)\b(paypal|amazon|microsoft|apple id|dhl|netflix)\b') AND EMAIL_DOMAIN(e.from_email)"
    " NOT IN ('paypal.com', 'amazon.com', 'microsoft.com', 'apple.com', 'dhl.com', 'netflix.com')"
)
R11 = (
    "REGEXP_LIKE(e.body, '(?i)(verify|confirm|update) your (account|identity|billing|password)')"
    " AND COUNT_OF(e.urls) >= 1"
)
R15 = "IN_LIST('hosting', e.asn) AND e.age_days < 30"
RULES20 = {
    "r01": "e.age_days < 7 AND e.recipients > 5000",
    "r02": "f.bounce_rate > 0.08",
    "r03": "f.complaint_rate > 0.003",
    "r04": "f.sent_24h > f.sent_7d_avg * 5 AND e.recipients > 1000",
    "r05": R05,
    "r06": "IN_LIST('free_mail', EMAIL_DOMAIN(e.from_email)) AND e.dmarc <> 'pass'",
    "r07": R07,
    "r08": (
        r"REGEXP_LIKE(e.subject, '(?i)\b(urgent|act now|final notice|suspended|last warning|within 24 ?h(ou)?rs?)\b')"
    ),
    "r09": (
        r"REGEXP_LIKE(e.body, "
        r"'(?i)\b(bitcoin|btc|usdt|wallet recovery|guaranteed (profit|returns?)|airdrop)\b')"
    ),
    "r10": r"REGEXP_LIKE(e.body, '(?i)\b(viagra|cialis|no prescription|weight loss miracle)\b')",
    "r11": R11,
    "r12": r"ANY_REGEXP(e.urls, '^https?://(bit\.ly|t\.ly|tinyurl\.com|cutt\.ly|is\.gd)/')",
    "r13": r"ANY_REGEXP(e.urls, '^https?://\d{1,3}(\.\d{1,3}){3}(:\d+)?/')",
    "r14": r"ANY_REGEXP(e.urls, '^https?://([^/]*\.)?xn--')",
    "r15": R15,
    "r16": (
        "e.account_country <> e.client_country AND e.client_country IN ('RU', 'NG', 'VN', 'ID', 'PK', 'BR', 'CI', 'BJ')"
    ),
    "r17": "e.plan = 'free' AND COUNT_OF(e.urls) > 10",
    "r18": "EMAIL_DOMAIN(COALESCE(e.reply_to, e.from_email)) <> EMAIL_DOMAIN(e.from_email)",
    "r19": "REGEXP_LIKE(e.subject, '^[^a-z]*[A-Z]{4,}[^a-z]*$')",
    "r20": f"(({R05}) OR ({R15})) AND (({R11}) OR ({R07}))",
}


def row_of(event: dict[str, Any]) -> Facts:
    """Return an event of the yardstick as facts."""
    account, campaign, stats, client = (event[part] for part in ("account", "campaign", "stats", "client"))
    return {
        "e.kind": "campaign.submitted",
        "e.account_email": account["email"],
        "e.age_days": account["age_days"],
        "e.plan": account["plan"],
        "e.account_country": account["country"],
        **{f"e.{name}": campaign[name] for name in ("recipients", "subject", "from_name", "from_email", "reply_to")},
        "e.body": campaign["body"],
        "e.urls": tuple(campaign["urls"]),
        "e.dmarc": event["auth"]["dmarc"],
        "f.bounce_rate": stats["bounce_rate"],
        "f.complaint_rate": stats["complaint_rate"],
        "f.sent_24h": stats["sent_24h"],
        "f.sent_7d_avg": float(stats["sent_7d_avg"]),
        "e.asn": client["asn"],
        "e.client_country": client["country"],
    }


def read(name: str) -> list[Any]:
    """Return the lines of a file of the yardstick; skips where it is not at hand."""
    path = YARDSTICK / name
    if not path.exists():
        pytest.skip(f"the yardstick rules20 is not beside this checkout: {name}")
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def yardstick() -> Ruleset:
    """Return the 20 rules as a rule set of one kind."""
    catalog = Catalog(Fact(name, type_, "of the yardstick") for name, type_ in TYPES.items())
    expressions = {}
    for id_, text in RULES20.items():
        made = compile_expression(text, catalog, FUNCTIONS, LISTS)
        assert isinstance(made, Expression), [problem.render() for problem in made]
        expressions[id_] = made
    ruleset, problems = built(
        **{
            id_: rule(when="TRUE", on=["campaign.submitted"], reason="It fired.", case=[{"given": {}, "fires": True}])
            for id_ in RULES20
        }
    )
    assert problems == []
    rules = {id_: ruleset.rules[id_] for id_ in RULES20}
    judged = tuple(rules.values()), build_row(expressions)
    return replace(ruleset, rules=rules, expressions=expressions, by_kind={"campaign.submitted": judged})


def truths(engine: SqlEngine, ruleset: Ruleset, table: pa.Table, lists: Any = LISTS) -> list[dict[str, Value]]:
    """Return the rows of the table `truths`, in order of arrival."""
    engine.clear()
    engine.add_functions(list(udfs_needed(ruleset.expressions.values(), engine.dialect).values()))
    engine.add_rows("decided", table)
    engine.run(rule_steps(ruleset, engine.dialect, lists))
    found: list[dict[str, Value]] = engine.table("SELECT * FROM truths ORDER BY arrival").to_pylist()
    return found


def test_the_yardstick_hits_as_expected(duckdb_engine: SqlEngine) -> None:
    """The 20 rules of the yardstick as SQL find exactly the hits that every correct engine finds."""
    rows = [row_of(event) for event in read("events.jsonl.xz")]
    expected = read("expected_hits.jsonl.xz")

    found = truths(duckdb_engine, yardstick(), arrow_table(TYPES, rows))

    hits = [[id_.upper() for id_ in RULES20 if row[f"r_{id_}"] is True] for row in found]
    assert hits == expected


def test_parts_in_common_are_computed_once() -> None:
    """A domain that several rules read is written once, in a step before the truths."""
    steps = rule_steps(yardstick(), Dialect.DUCKDB, LISTS)

    texts = [step.sql(Dialect.DUCKDB) for step in steps]

    assert [step.name for step in steps][-1] == "truths"
    assert sum(text.count('REGEXP_FULL_MATCH("e_account_email"') for text in texts) == 1
    assert steps[0].name == "part_0"
    assert all(word in texts[0] for word in ("viagra", "airdrop", "billing"))
    assert sum(text.count("netflix.com") for text in texts) == 1


def test_a_rule_is_unknown_on_other_kinds(duckdb_engine: SqlEngine) -> None:
    """A rule has a truth on its own kinds only; one that is off has none; what is not known stays so."""
    ruleset, _ = built(big=rule(), every=rule(on=[], when="e.recipients > 1", actions=[]), off=rule(mode="off"))
    types = {"e.kind": FactType.TEXT, "e.recipients": FactType.INTEGER, "f.account_age_s": FactType.NUMBER}
    rows: list[Facts] = [
        BIG | {"e.kind": "list.imported"},
        BIG | {"e.kind": "campaign.submitted"},
        BIG | {"e.kind": "never.heard"},
        {"e.kind": "list.imported", "f.account_age_s": 1.0},
    ]

    found = truths(duckdb_engine, ruleset, arrow_table(types, rows), {})

    assert [(row["r_big"], row["r_every"], row["r_off"]) for row in found] == [
        (True, True, None),
        (None, True, None),
        (None, None, None),
        (None, None, None),
    ]
