"""HTML as readers see it, and in linear time whatever it is."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.scanning.hypertext import read_html


def visible(html: str) -> str:
    """What readers see, lines joined."""
    return read_html(html, 10_000, 1_000).visible


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one<p>two", "one\ntwo"),
        ("a <b>bold</b> word", "a bold word"),
        ("a<!-- <p>no</p> -->b", "ab"),
        ("a<!-->b", "ab"),
        ("a<!--[if mso]>outlook<![endif]-->b", "ab"),
        ("<style>p{}</style><script>x='<p>no</p>'</script>yes", "yes"),
        ("<title>t</title>body", "body"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("&lt;tag&gt; &amp; &#8364; &#x41;", "<tag> & € A"),
        ("&#99999999999999999999;x", "\ufffdx"),
        ("a<unfinished", "a"),
        ('a<a href="unclosed>text', "a"),
        ("<div title='a > b'>x</div>", "x"),
        ("<div a=b\"c>x</div>", "x"),
        ("<p style='display:none'>no<p>yes", "yes"),
        ("<div style='font-size:0px'>no</div>yes", "yes"),
        ("<div style='font-size:10px'>yes</div>", "yes"),
        ("<td bgcolor=#ffffff><font color=white>no</font>yes</td>", "yes"),
        ("<DIV STYLE='DISPLAY:NONE'>no<b>no</b></DIV>yes", "yes"),
        ("<textarea><b>x</b></textarea>", "<b>x</b>"),
        ("", ""),
    ],
)  # fmt: skip
def test_visible_text(html: str, text: str) -> None:
    """Comments, raw text, hidden elements and unfinished tags are not shown; references are decoded."""
    assert visible(html) == text


def test_links_forms_images_and_code() -> None:
    """Each is read with what a scan needs of it."""
    html = (
        '<base href="https://b.example/"><a href=" https://x.example/?a=1&amp;b=2 ">one <i>two</i></a><a>no</a>'
        '<map><area href="/m"></map><meta http-equiv=refresh content="0; url=https://r.example/">'
        "<form action=/f><input name=a type=PASSWORD></form><a href=y><img src=i.png width=5px height=x></a>"
        "<iframe src=https://f.example></iframe><svg onload=x()></svg><script src=s.js></script><script>go()</script>"
    )

    page = read_html(html, 1000, 1000)

    assert [(link.url, link.text, link.via) for link in page.links] == [
        ("https://x.example/?a=1&b=2", "one two", "a"),
        ("/m", "", "area"),
        ("https://r.example/", "", "refresh"),
        ("y", "", "a"),
        ("https://f.example", "", "iframe"),
    ]
    assert [(form.action, page.fields[0].type) for form in page.forms] == [("/f", "password")]
    assert [(image.src, image.width, image.height, image.linked) for image in page.images] == [("i.png", 5, None, True)]
    assert [code.what for code in page.code] == [
        "an embedded <iframe>", "an event handler", "a script from elsewhere", "a script",
    ]  # fmt: skip


HOSTILE = {
    "nested": "<div>" * 180_000,
    "misnested": "<p>" + "".join(f"<i id={number}>" for number in range(500)) + "</p>" + "<p>x</p>" * 20_000,
    "attributes": "<a " + " ".join(f"x{number}=1" for number in range(90_000)) + ">",
    "less than": "<" * 900_000,
    "unclosed quotes": '<a x="' * 150_000,
    "equals": "<a" + " =" * 400_000,
    "spaces": "<a" + " " * 900_000 + "x",
    "closing": "</div>" * 60_000 + "<b>" * 60_000 + "</i>" * 60_000,
    "comments": "<!--" * 200_000,
    "scripts": "<script>" * 100_000,
    "anchors": "<a href=x>y" * 80_000,
    "references": "&#" + "9" * 900_000,
    "styles": '<i style="' + "text-indent:-1" * 60_000 + '">x',
    "handlers": "<i " + " onabc " * 120_000 + ">",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markup_costs_linear_time(name: str) -> None:
    """A megabyte of the worst markup is read well below the second that one mail may take."""
    started = time.process_time()

    read_html(HOSTILE[name][:1_000_000], 200_000, 2_000)

    assert time.process_time() - started < 2.0  # about 0.5 s alone; twice that and more beside other work


def test_tags_past_the_limit_are_not_read() -> None:
    """A document of endless tags ends early and says so."""
    page = read_html("<b>x</b>" * 100, 50, 10)

    assert page.cut
    assert len(page.visible) < 100


@given(st.text(alphabet="<>/!-=\"' abp&#;\x00\u200b", max_size=200))
def test_any_markup_is_read(html: str) -> None:
    """No sequence of signs raises, and offsets lie inside the source."""
    page = read_html(html, 100, 100)

    assert all(0 <= link.start <= link.end <= len(html) for link in page.links)
