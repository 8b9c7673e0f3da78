"""
Judge the 20,000 events of the yardstick `rules20` by its 20 rules: JSON bytes in, ids of rules out.

The rules are expressions of goodsend's language, compiled as in a pack; the hits must equal the expected ones on every
event. CPU-seconds of this process, the best of several rounds; every round decodes anew. Also timed: decoding alone.

Run: `./dev bench rules20 [--rounds N]`; the last line is JSON.
"""

import argparse
import json
import lzma
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from goodsend.events.functions import ADDRESS_FUNCTIONS
from goodsend.expr.check import compile_expression
from goodsend.expr.compile import build_row
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, Fact, Facts, FactType, Value

BENCH = Path(os.environ.get("GOODSEND_DATA", "../shared/data")).parent / "bench" / "rules20"
ROUNDS = 5

COLUMNS = {
    "account": {"id": "text", "age_days": "integer", "plan": "text", "country": "text", "email": "text"},
    "campaign": {
        "subject": "text", "from_name": "text", "from_email": "text", "reply_to": "text", "body": "text",
        "urls": "texts", "recipients": "integer",
    },
    "auth": {"spf": "text", "dkim": "text", "dmarc": "text"},
    "stats": {"bounce_rate": "number", "complaint_rate": "number", "sent_24h": "integer", "sent_7d_avg": "integer"},
    "client": {"ip": "text", "asn": "integer", "country": "text", "ua": "text"},
}  # fmt: skip
"""What the rules may read, by part of the event: column `e.<part>_<field>`."""

LISTS = {
    "throwaway": frozenset(
        [f"tempbox{n}.net" for n in range(183, 200)] + ["mailinator.com", "guerrillamail.com", "yopmail.com"]
    ),
    "hosters": frozenset(
        map(str, (14061, 16509, 24940, 16276, 63949, 20473, 9009, 212238, 60068, 51167, 197540, 202425))
    ),
}  # fmt: skip

FREE_MAIL = "'gmail.com', 'yahoo.com', 'outlook.com', 'hotmail.com', 'aol.com', 'icloud.com', 'proton.me', 'gmx.de'"
BRANDS = "'paypal.com', 'amazon.com', 'microsoft.com', 'apple.com', 'dhl.com', 'netflix.com'"
RULES = {
    "R01": "e.account_age_days < 7 AND e.campaign_recipients > 5000",
    "R02": "e.stats_bounce_rate > 0.08",
    "R03": "e.stats_complaint_rate > 0.003",
    "R04": "e.stats_sent_24h > e.stats_sent_7d_avg * 5 AND e.campaign_recipients > 1000",
    "R05": "IN_LIST('throwaway', EMAIL_DOMAIN(e.account_email))",
    "R06": f"EMAIL_DOMAIN(e.campaign_from_email) IN ({FREE_MAIL}) AND e.auth_dmarc <> 'pass'",
    "R07": r"REGEXP_LIKE(e.campaign_from_name, '(?i)\b(paypal|amazon|microsoft|apple id|dhl|netflix)\b')"
    f" AND EMAIL_DOMAIN(e.campaign_from_email) NOT IN ({BRANDS})",
    "R08": r"REGEXP_LIKE(e.campaign_subject, '(?i)\b(urgent|act now|final notice|suspended|last warning"
    r"|within 24 ?h(ou)?rs?)\b')",
    "R09": r"REGEXP_LIKE(e.campaign_body, '(?i)\b(bitcoin|btc|usdt|wallet recovery|guaranteed (profit|returns?)"
    r"|airdrop)\b')",
    "R10": r"REGEXP_LIKE(e.campaign_body, '(?i)\b(viagra|cialis|no prescription|weight loss miracle)\b')",
    "R11": r"REGEXP_LIKE(e.campaign_body, '(?i)(verify|confirm|update) your (account|identity|billing|password)')"
    " AND COUNT_OF(e.campaign_urls) >= 1",
    "R12": r"ANY_REGEXP(e.campaign_urls, '^https?://(bit\.ly|t\.ly|tinyurl\.com|cutt\.ly|is\.gd)/')",
    "R13": r"ANY_REGEXP(e.campaign_urls, '^https?://\d{1,3}(\.\d{1,3}){3}(:\d+)?/')",
    "R14": r"ANY_REGEXP(e.campaign_urls, '^https?://([^/]*\.)?xn--')",
    "R15": "IN_LIST('hosters', e.client_asn) AND e.account_age_days < 30",
    "R16": "e.account_country <> e.client_country"
    " AND e.client_country IN ('RU', 'NG', 'VN', 'ID', 'PK', 'BR', 'CI', 'BJ')",
    "R17": "e.account_plan = 'free' AND COUNT_OF(e.campaign_urls) > 10",
    "R18": "EMAIL_DOMAIN(COALESCE(e.campaign_reply_to, e.campaign_from_email)) <> EMAIL_DOMAIN(e.campaign_from_email)",
    "R19": "REGEXP_LIKE(e.campaign_subject, '^[^a-z]*[A-Z]{4,}[^a-z]*$')",
}
RULES["R20"] = f"(({RULES['R05']}) OR ({RULES['R15']})) AND (({RULES['R11']}) OR ({RULES['R07']}))"


def lines_of(name: str) -> list[bytes]:
    """The lines of one file of the yardstick."""
    return lzma.decompress((BENCH / f"{name}.jsonl.xz").read_bytes()).splitlines()


def compiled(rules: Mapping[str, str]) -> dict[str, Expression]:
    """The rules as checked expressions; a mistake in one ends the run."""
    facts = [
        Fact(f"e.{part}_{name}", FactType(type_), "")
        for part, names in COLUMNS.items()
        for name, type_ in names.items()
    ]
    found = {}
    for name, text in rules.items():
        expression = compile_expression(
            text, Catalog(facts), {**CORE_FUNCTIONS, **ADDRESS_FUNCTIONS}, LISTS, FactType.BOOLEAN
        )
        if isinstance(expression, list):
            raise SystemExit("\n".join(problem.render() for problem in expression))
        found[name] = expression
    return found


def flattener() -> Callable[[dict[str, Any]], Facts]:
    """Return the function from a decoded event to its row. An absent part or field is NULL."""
    names = {part: {name: f"e.{part}_{name}" for name in fields} for part, fields in COLUMNS.items()}
    members = tuple((part, tuple(fields.items())) for part, fields in names.items())

    def flat(event: dict[str, Any]) -> Facts:
        facts: Facts = {}
        for part, fields in members:
            found = event.get(part)
            if found.__class__ is dict:
                get = found.get
                for name, column in fields:
                    facts[column] = get(name)
        return facts

    return flat


Judge = Callable[[bytes], tuple[Value, ...]]


def judge_of(rules: Mapping[str, str]) -> Judge:
    """Return the function from the bytes of an event to the truth of each rule."""
    decode, flat, row = msgspec.json.Decoder().decode, flattener(), build_row(compiled(rules))
    return lambda line: row(flat(decode(line)), LISTS)


def hits_equal(judge: Judge) -> bool:
    """Whether every event's hits are the expected ones."""
    ids = tuple(RULES)
    for line, expected in zip(lines_of("events"), lines_of("expected_hits"), strict=True):
        truths = judge(line)
        if [name for name, truth in zip(ids, truths, strict=True) if truth is True] != json.loads(expected):
            return False
    return True


def rate(work: Callable[[bytes], object], lines: list[bytes], rounds: int) -> float:
    """Events per CPU-second in the best of some rounds."""
    best = 0.0
    for _ in range(rounds):
        start = time.process_time()
        for line in lines:
            work(line)
        best = max(best, len(lines) / (time.process_time() - start))
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    lines = lines_of("events")
    judge = judge_of(RULES)
    equal = hits_equal(judge)
    decoding = rate(msgspec.json.Decoder().decode, lines, rounds)
    found = rate(judge, lines, rounds)
    print(f"{len(lines):,} events of {sum(map(len, lines)) / len(lines):,.0f} bytes, {len(RULES)} rules")
    print(f"decoding alone   {decoding:>9,.0f} events per CPU-second")
    print(f"decoding, rules  {found:>9,.0f} events per CPU-second")
    print(f"hits equal: {equal}")
    result = {
        "events": len(lines),
        "events_per_cpu_s": round(found),
        "decoding_per_cpu_s": round(decoding),
        "hits_equal": equal,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
