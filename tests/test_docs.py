"""The documentation holds: pages are current, nothing is undocumented, links lead somewhere, examples work."""

import json
import re
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from docs import generate
from goodsend import cli
from goodsend.api.access import SCOPES
from goodsend.connectors.model import Call
from goodsend.connectors.webhook import Webhook, sign
from goodsend.events.canonical import EventLimits, Reader
from goodsend.events.model import Arrived
from goodsend.pack import FUNCTIONS, Pack
from goodsend.rules.evaluate import failing_cases
from goodsend.scanning.signals import SIGNALS
from goodsend.settings import PREFIX, Settings
from goodsend.standing.model import STANDINGS
from goodsend.wiring import read_pack
from tests.conftest import NOW

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
HOW_TO = sorted((DOCS / "how-to").glob("*.md"))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def relative(path: Path) -> str:
    """A page's path from the top of the repository."""
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def pack() -> Pack:
    """The shipped pack alone."""
    return generate.shipped_pack()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language on a page."""
    return [text for found, text in FENCED.findall(page.read_text("utf-8")) if found == language]


# -- generated pages --------------------------------------------------------------------------------------------------


def test_generated_pages_are_current(pack: Pack) -> None:
    """`./dev docs` would change nothing."""
    assert list(generate.stale(pack)) == []


def test_generated_pages_say_so(pack: Pack) -> None:
    """Nobody mends by hand what will be written over; two runs give the same bytes."""
    pages = generate.pages(pack)

    assert [name for name, text in pages.items() if "Generated" not in text[:60] and "Made from" not in text[:60]] == []
    assert pages == generate.pages(generate.shipped_pack())


def test_check_tells_a_stale_page_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` exits with 1 and names the pages; without it they are written, and the next check is content."""
    for name in generate.MARKED:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((DOCS / name).read_text("utf-8"), "utf-8")
    monkeypatch.setattr(generate, "stale", lambda pack, docs=tmp_path, stale=generate.stale: stale(pack, docs))
    monkeypatch.setattr(generate, "DOCS", tmp_path)

    assert generate.main(["--check"]) == 1
    assert "docs/reference/rules.md is not current" in capsys.readouterr().out
    assert not (tmp_path / "reference" / "rules.md").exists()
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


def test_everything_is_documented(pack: Pack) -> None:
    """Each definition has a line of help, and stands on its page."""
    page = {name.removeprefix("reference/").removesuffix(".md"): text for name, text in generate.expected(pack).items()}
    documented: list[tuple[str, str, str]] = [
        *(("event-kinds", f"## {kind.name}\n", kind.doc) for kind in pack.kinds.kinds.values()),
        *(
            ("event-kinds", f"| `{field.name}` |", field.doc)
            for kind in pack.kinds.kinds.values()
            for field in kind.fields.values()
        ),
        *(("event-kinds", f"| `{name}` |", doc) for name, doc in pack.kinds.channels.items()),
        *(("event-kinds", f"| `{name}` |", doc) for name, doc in pack.kinds.entities.items()),
        *(("facts", f"| `{fact.name}` |", fact.doc) for fact in pack.catalog.values()),
        *(("features", f"| `{feature.name}` |", feature.doc) for feature in pack.features),
        *(("signals", f"| `{id_}` |", kind.doc) for id_, kind in SIGNALS.items()),
        *(("rules", f"## {rule.id}\n", rule.doc) for rule in pack.ruleset.rules.values()),
        *(("policies", f"\n`{policy.id}`,", policy.text) for policy in pack.policies.values()),
        *(("actions", f"| `{action.name}` |", action.doc) for action in pack.actions.values()),
        *(("lists", f"| `{name}` |", found.doc) for name, found in pack.lists.items()),
        *(("standing", f"| `{name}` |", pack.lifecycle.states[name].doc) for name in STANDINGS),
        *(("cases", f"| `{name}` |", doc) for name, doc in pack.triage.queues.items()),
        *(("expressions", f"| `{function.signature}", function.doc) for function in FUNCTIONS.values()),
        *(
            ("settings", f"| `{PREFIX}{setting.name.upper()}` |", setting.metadata["doc"])
            for setting in fields(Settings)
        ),
        *(("cli", f"## goodsend {word}\n", doc) for word, doc in cli.WORDS.items()),
    ]

    assert [(where, name) for where, name, doc in documented if not doc.strip() or name not in page[where]] == []


def test_every_operation_and_scope_of_the_api_is_told() -> None:
    """By hand, on the page of the API: what is not there is not found by people."""
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    sources = [path.read_text("utf-8") for path in sorted((ROOT / "src" / "goodsend" / "api").glob("*.py"))]
    paths = {
        re.sub(r":\w+}", "}", path) for text in sources for path in re.findall(r'^    "(/v1/[^"]+)",$', text, re.M)
    }
    told = {re.sub(r"{\w+}", "{id}", path).replace("versions/{id}", "versions/{version}") for path in paths}

    assert len(told) > 20
    assert [path for path in sorted(told) if path not in page] == []
    assert [scope for scope in SCOPES if f"| `{scope}` |" not in page] == []


# -- links ------------------------------------------------------------------------------------------------------------


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that code hosts give the headings of a page."""
    text = FENCED.sub("", page.read_text("utf-8"))
    return frozenset(generate._anchor(heading.replace("`", "")) for heading in HEADING.findall(text))


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there, and a heading that it has."""
    broken = []
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or not file.is_relative_to(ROOT) or (anchor and anchor not in anchors(file)):
            broken.append(target)

    assert broken == []


def test_every_page_is_in_the_index() -> None:
    """Whoever starts at docs/README.md can reach each page."""
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall((DOCS / "README.md").read_text())}
    pages = {page.resolve() for page in DOCS.rglob("*.md")} - {DOCS / "README.md"}

    assert sorted(relative(page) for page in pages - linked if page.parent not in linked) == []


# -- examples in the guides -------------------------------------------------------------------------------------------


def own_packs() -> Iterator[tuple[Path, dict[str, str]]]:
    """Each guide with the pack its blocks of TOML make; their first line names the file."""
    for page in HOW_TO:
        files = {}
        for block in blocks(page, "toml"):
            name = re.match(r"# (\S+\.toml)\n", block)
            if name:
                files[name[1]] = block
        if files:
            yield page, files


@pytest.mark.parametrize(
    ("page", "files"), list(own_packs()), ids=lambda value: value.name if isinstance(value, Path) else ""
)
def test_packs_in_guides_have_no_problems(page: Path, files: dict[str, str], tmp_path: Path) -> None:
    """What a guide tells people to write is taken, its cases hold, and the events it shows are events."""
    folder = tmp_path / "acme"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")

    pack, problems = read_pack([folder])

    assert [problem.render() for problem in problems] == []
    assert pack is not None
    assert failing_cases(pack.ruleset, pack.list_values) == []
    assert [event for event in events_shown(page) if not isinstance(read(event, pack), Arrived)] == []


@pytest.mark.parametrize("page", [DOCS / "how-to" / "ingest-events.md"], ids=relative)
def test_events_in_guides_are_taken(page: Path, pack: Pack) -> None:
    """The events a guide shows are events of the shipped pack."""
    shown = events_shown(page)

    assert len(shown) == 2
    assert [event for event in shown if not isinstance(read(event, pack), Arrived)] == []


def test_toml_in_guides_can_be_read() -> None:
    """Fragments too."""
    for page in HOW_TO:
        for block in blocks(page, "toml"):
            tomllib.loads(block)


def events_shown(page: Path) -> list[Any]:
    """The events among the blocks of JSON on a page."""
    shown = [json.loads(block) for block in blocks(page, "json")]
    return [value for value in shown if "kind" in value]


def read(event: Any, pack: Pack) -> object:
    """The event as the engine would take it, at the frozen time of the tests."""
    return Reader(pack.kinds, EventLimits(), pack.address_rules).read(event, "acme", NOW)


def test_rejection_codes_are_explained() -> None:
    """Every code that the source can give stands in the guide, and the guide names no other."""
    page = (DOCS / "how-to" / "rejections.md").read_text("utf-8").partition("## Codes")[2]
    told = {code for row in re.findall(r"^\| (`.+?) \|", page, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)}
    given = {"internal_error"}
    for file in ("events/canonical.py", "events/addresses.py", "sources/jsonl.py", "handle/batch.py"):
        source = (ROOT / "src" / "goodsend" / file).read_text("utf-8")
        given |= set(re.findall(r"\b(?:_Refused|Rejection|_Stop)\(\s*\"([a-z_]+)\"", source))

    assert told == given


# -- the receiver of webhooks -----------------------------------------------------------------------------------------


SECRET = "0123456789abcdef"
AT_S = NOW // 1_000_000


@pytest.fixture
def receiver() -> dict[str, Any]:
    """What the guide's program defines."""
    (program,) = blocks(DOCS / "how-to" / "webhook.md", "python")
    defined: dict[str, Any] = {"__name__": "receiver"}
    exec(compile(program, "webhook.md", "exec"), defined)
    defined["SECRET"] = SECRET
    return defined


def test_the_receiver_knows_a_genuine_call(receiver: dict[str, Any]) -> None:
    """The right signature passes; another body, secret, time, an old call, and nonsense do not."""
    body = b'{"id":"act_1"}'
    headers = {"Goodsend-Timestamp": str(AT_S), "Goodsend-Signature": sign(SECRET, AT_S, body)}
    genuine = receiver["is_genuine"]

    assert genuine(headers, body, SECRET, now=AT_S + 60)
    assert not genuine(headers, body + b" ", SECRET, now=AT_S)
    assert not genuine(headers, body, "another", now=AT_S)
    assert not genuine(headers, body, SECRET, now=AT_S + 301)
    assert not genuine(headers | {"Goodsend-Timestamp": str(AT_S + 1)}, body, SECRET, now=AT_S)
    assert not genuine(headers | {"Goodsend-Signature": "v1=ä"}, body, SECRET, now=AT_S)
    assert not genuine({}, body, SECRET, now=AT_S)


def test_the_receiver_acts_once(receiver: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    """Calls as goodsend makes them are taken; the second delivery of one changes nothing, a forged one is refused."""
    receiver["time"] = SimpleNamespace(time=lambda: float(AT_S))
    call = Call("acme", "act_1", "throttle_account", "account", "acc_81", {}, NOW, NOW, secret=SECRET)

    with ThreadingHTTPServer(("127.0.0.1", 0), receiver["Receiver"]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/goodsend"
        webhook = Webhook(["127.0.0.1"])
        calls = ({"attempt": 1}, {"attempt": 2}, {"secret": "another secret"})
        statuses = [webhook.deliver(Call(**{**as_fields(call), "url": url, **but})).status for but in calls]
        server.shutdown()

    assert statuses == [204, 204, 401]
    assert capfd.readouterr().out == "throttle_account account acc_81\n"


def as_fields(call: Call) -> dict[str, Any]:
    """The fields of a call by name."""
    return {name: getattr(call, name) for name in call.__struct_fields__}
