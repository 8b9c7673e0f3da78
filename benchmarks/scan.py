"""
Scan the shared corpora and say how fast, how many got an answer, and what share of each is for review or more.

The shares are honest, not tuned: `phishing_pot` is for evaluation only, and nothing was fitted to it. Weights alone
decide here; no account, no rule, no model. Run: `./dev bench scan [--sample N]`; the last line is JSON.
"""

import argparse
import csv
import json
import lzma
import os
import resource
import statistics
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from goodsend.events.model import Content
from goodsend.kit.ids import digest_of
from goodsend.scanning.scanner import Scanner, scan
from goodsend.scanning.weigh import weigh
from goodsend.wiring import load_pack

DATA = Path(os.environ.get("GOODSEND_DATA", "../shared/data"))
HEAD = b"From: Acme <hi@acme.example>\r\nSubject: News\r\nList-Unsubscribe: <https://acme.example/u>\r\nContent-Type: "


def mails(corpus: str) -> Iterator[tuple[str, Content]]:
    """(label, content) of every mail of a corpus; a template gets the head of a mail."""
    with tarfile.open(DATA / "mail" / f"{corpus}.tar.xz") as tar:
        for member in tar:
            name = Path(member.name).name
            stream = tar.extractfile(member) if member.isfile() and name != "labels.csv" else None
            if stream is None or (corpus == "templates" and not name.endswith(".html")):
                continue
            body = stream.read()
            if corpus == "templates":
                body = HEAD + b"text/html; charset=utf-8\r\n\r\n" + body
            label = {"spamassassin": member.name.split("/")[1]}.get(corpus, corpus)
            yield label, Content(digest_of(body), "message/rfc822", body)


def texts(table: str) -> Iterator[tuple[str, Content]]:
    """(label, content) of every text message of a table."""
    with lzma.open(DATA / "sms" / f"{table}.csv.xz", "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            body = row["text"].encode()
            yield f"sms_{row['label']}", Content(digest_of(body), "text/plain", body)


def measure(
    contents: Iterator[tuple[str, Content]], scanner: Scanner, sample: int | None
) -> dict[str, dict[str, object]]:
    """Scan all of them; per label the counts, the times and the shares of verdicts."""
    times: dict[str, list[float]] = {}
    verdicts: dict[str, Counter[str]] = {}
    crashes: Counter[str] = Counter()
    for label, content in contents:
        if sample is not None and len(times.get(label, ())) >= sample:
            continue
        started = time.process_time()
        try:
            verdict = weigh(scan(content, scanner), scanner).verdict
        except Exception as error:  # noqa: BLE001 - a crash is what is counted here
            crashes[label] += 1
            verdict = "crash"
            print(f"{label}: {type(error).__name__}: {error}", file=sys.stderr)
        times.setdefault(label, []).append(time.process_time() - started)
        verdicts.setdefault(label, Counter())[verdict] += 1
    return {
        label: {
            "contents": len(spent),
            "answered": len(spent) - crashes[label],
            "crashes": crashes[label],
            "per_cpu_second": round(len(spent) / sum(spent)),
            "median_ms": round(1000 * statistics.median(spent), 2),
            "p99_ms": round(1000 * sorted(spent)[int(len(spent) * 0.99)], 2),
            "max_ms": round(1000 * max(spent), 1),
            "review_or_more": round(1 - verdicts[label]["allow"] / len(spent), 4),
            "hold_or_more": round((verdicts[label]["hold"] + verdicts[label]["reject"]) / len(spent), 4),
        }
        for label, spent in times.items()
    }


def main() -> int:
    """Measure every corpus that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="at most so many contents of each label")
    sample = parser.parse_args().sample
    if not DATA.is_dir():
        print(f"the shared corpora are not at {DATA}: set GOODSEND_DATA", file=sys.stderr)
        return 2
    scanner = load_pack([]).scanner
    results: dict[str, dict[str, object]] = {}
    for corpus in ("spamassassin", "hostile", "templates", "phishing_pot"):
        results |= measure(mails(corpus), scanner, sample)
    results |= measure(texts("mendeley"), scanner, sample)
    columns = (
        "contents",
        "answered",
        "per_cpu_second",
        "median_ms",
        "p99_ms",
        "max_ms",
        "review_or_more",
        "hold_or_more",
    )
    print(f"{'':14}" + "".join(f"{column:>16}" for column in columns))
    for label, row in results.items():
        print(f"{label:14}" + "".join(f"{row[column]!s:>16}" for column in columns))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"benchmark": "scan", "peak_memory_mb": peak_mb, "results": results}))
    return 1 if any(row["crashes"] for row in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
