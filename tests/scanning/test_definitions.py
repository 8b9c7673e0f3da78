"""Pack data of the scanner: layers, problems with their places, phrases and weights."""

import tomllib

import pytest

from goodsend.scanning.definitions import parse_scanner
from goodsend.scanning.model import Scan, Signal, Span
from goodsend.scanning.phrases import Group, compile_phrases
from goodsend.scanning.scanner import Scanner
from goodsend.scanning.signals import SIGNALS, signals_markdown
from goodsend.scanning.weigh import weigh

from .conftest import CORE
from .made import ids, scan_mail

FILES = {path.name: tomllib.loads(path.read_text()) for path in sorted((CORE / "scanning").glob("*.toml"))}


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[limits]\nsize_byte = 3", "limits.size_byte: is not known\n  hint: did you mean 'size_bytes'?"),
        ("[bounds]\nhidden_chars = -1", "bounds.hidden_chars: must not be negative"),
        (
            '[phrases.x]\nsignal = "WORDING_URGENCI"',
            "phrases.x: unknown signal 'WORDING_URGENCI'\n  hint: did you mean 'WORDING_URGENCY'?",
        ),
        ("[phrases.x]", 'phrases.x: names no signal\n  hint: say which with signal = "…"'),
        (
            '[phrases.x]\nsignal = "WORDING_URGENCY"\nstrong = { en = ["a ((b)"] }',
            "phrases.x: 'a ((b)': choices are written (one|other), without one inside another",
        ),
        ("[weights.cap]\nlink = 3.0", "weights.cap: unknown family 'link'"),
        (
            "[weights.thresholds]\nhold = 99.0",
            "weights.thresholds: needs review < hold < reject, all above 0, and nothing else",
        ),
        ("[brand.x]\nname = 3", "own.toml: Expected `str`, got `int` - at `$.brand[...].name`"),
        ("nonsense = 1", "own.toml: Object contains unknown field `nonsense`"),
    ],
)
def test_problems_name_place_and_remedy(toml: str, problem: str) -> None:
    """An author's mistake is a value with place and hint, never an exception."""
    _, problems = parse_scanner({**FILES, "own.toml": tomllib.loads(toml)}, {})

    assert [found.render() for found in problems] == [problem]


def test_an_operator_lays_data_over_the_shipped() -> None:
    """A later file adds a brand and a phrase group and changes one weight; the rest stays."""
    own = """
        [brand.acmebank]
        name = "Acme Bank"
        domains = ["acmebank.example.org"]
        [phrases.own]
        signal = "WORDING_URGENCY"
        strong = { en = ["ticking clock"] }
        [weights.signal]
        WORDING_URGENCY = { points = 9.0, why = "ours" }
    """
    scanner, problems = parse_scanner({**FILES, "own.toml": tomllib.loads(own)}, {})

    found = scan_mail(scanner, "<p>the ticking clock</p>", From="Acme Bank <x@other.example.net>")

    assert problems == []
    assert ids(found) == {"WORDING_URGENCY", "IDENTITY_BRAND_MISMATCH"}
    assert scanner.weights.signals["WORDING_URGENCY"] == 9.0
    assert scanner.weights.signals["LINK_IP_HOST"] > 0


def test_lists_of_the_pack_join_the_hosts() -> None:
    """What analysts add to the lists of shorteners and free mail is what the scanner uses."""
    scanner, _ = parse_scanner(FILES, {"url_shorteners": ["go.acme.example"]})

    assert "LINK_SHORTENER" in ids(scan_mail(scanner, '<a href="https://go.acme.example/1">x</a>'))


def test_one_strong_phrase_or_several_weak_ones() -> None:
    """A strong phrase is enough; of the weak ones `need` different ones must be there, repeats do not help."""
    phrases, problems = compile_phrases([Group("g", None, None, 2, ("big (red|) box",), ("one", "two"))])

    def found(text: str) -> bool:
        return bool(phrases.find(text))

    assert problems == []
    assert [found(text) for text in ("a big box", "big, red box", "one two", "one one", "bigger box")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_every_signal_is_weighed_once_and_families_are_capped(scanner: Scanner) -> None:
    """Five links of one kind weigh as one; a family never more than its cap; the reasons come heaviest first."""
    many = [Signal("LINK_IP_HOST", "bare address", Span("html"))] * 5
    links = [Signal(id_, "x", Span("html")) for id_, kind in SIGNALS.items() if kind.family == "links"]

    one = weigh(Scan(tuple(many), {}), scanner)
    all_links = weigh(Scan(tuple(links), {}), scanner)

    assert (one.points, one.verdict, one.scores) == (3.0, "review", {"content": 300})
    assert all_links.points == scanner.weights.caps["links"]
    assert all_links.reasons[0] == "LINK_LOOKALIKE_DOMAIN: x"
    assert weigh(Scan((), {}), scanner).verdict == "allow"


def test_the_reference_page_is_up_to_date() -> None:
    """The page of signals is made from the table."""
    page = CORE.parents[3] / "docs" / "reference" / "signals.md"

    assert page.read_text() == signals_markdown()
