"""Raw items become events, or rejections that name the place; nothing raises."""

import base64
import json
import tomllib
from importlib import resources
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.events.addresses import parse_address_rules
from goodsend.events.canonical import EventLimits, Reader, body_hash, canonicalise
from goodsend.events.kinds import event_facts, parse_kinds
from goodsend.events.model import Arrived, Content, Event
from goodsend.kit.clock import DAY, MINUTE, parse_time
from goodsend.kit.errors import Rejection
from goodsend.kit.ids import digest_of

NOW = parse_time("2026-11-22T10:00:00Z")
_core = resources.files("goodsend.packs").joinpath("core")
RULES, _ = parse_address_rules({"addresses.toml": tomllib.loads((_core / "addresses.toml").read_text("utf-8"))})
KINDS, _ = parse_kinds(
    {
        "test.toml": {
            "channels": {"email": "", "sms": ""},
            "entities": {"account": "", "ip": "", "email": ""},
            "kind": {
                "thing.happened": {
                    "doc": "a kind with a field of every type",
                    "channel": "email",
                    "fields": {
                        "account": {"type": "text", "doc": "", "entity": "account", "required": True},
                        "subject": {"type": "text", "doc": ""},
                        "recipients": {"type": "integer", "doc": ""},
                        "share": {"type": "number", "doc": ""},
                        "ok": {"type": "boolean", "doc": ""},
                        "sent_at": {"type": "time", "doc": ""},
                        "columns": {"type": "texts", "doc": ""},
                        "email": {"type": "email", "doc": "", "entity": "email"},
                        "domain": {"type": "domain", "doc": ""},
                        "phone": {"type": "phone", "doc": ""},
                        "ip": {"type": "ip", "doc": "", "entity": "ip"},
                        "url": {"type": "url", "doc": ""},
                        "country": {"type": "country", "doc": ""},
                        "content": {"type": "content", "doc": ""},
                        "second": {"type": "content", "doc": ""},
                    },
                },
            },
        }
    }
)
LIMITS = EventLimits(content_bytes=1000, item_bytes=10_000, text_chars=100, texts_count=3)
READER = Reader(KINDS, LIMITS, RULES)


def make_item(**but: Any) -> dict[str, Any]:
    item = {"id": "e1", "kind": "thing.happened", "at": "2026-11-22T10:00:00Z", "data": {"account": "acc_1"}} | but
    return {name: value for name, value in item.items() if value is not ...}


def with_data(**data: Any) -> dict[str, Any]:
    return make_item(data={"account": "acc_1"} | data)


def read(item: object) -> Arrived | Rejection:
    return READER.read(item, "acme", NOW)


def accepted(item: object) -> Event:
    found = read(item)
    assert isinstance(found, Arrived), found
    return found.event


def rejected(item: object) -> Rejection:
    found = read(item)
    assert isinstance(found, Rejection), found
    return found


def test_an_item_becomes_an_event() -> None:
    """Members and fields arrive canonical, under the tenant, on the kind's channel."""
    expected = Event("acme", "e1", "thing.happened", NOW, "email", {"account": "acc_1", "recipients": 3})

    assert expected == accepted(with_data(recipients=3))


def test_bytes_and_values_read_alike() -> None:
    """An item as JSON bytes gives the same event as its decoded value."""
    item = with_data(subject="Grüße", recipients=3)

    assert read(item) == read(json.dumps(item).encode())


def test_a_one_off_reads_alike() -> None:
    """`canonicalise` without a kept reader gives the same event."""
    assert read(make_item()) == canonicalise(make_item(), "acme", KINDS, NOW, LIMITS, RULES)


@pytest.mark.parametrize(
    ("field", "sent", "expected"),
    [
        ("account", "ACC 1/ü", "ACC 1/ü"),
        ("subject", "", ""),
        ("subject", "a\0b\ud800c", "a\ufffdb\ufffdc"),
        ("recipients", 7, 7),
        ("recipients", 7.0, 7),
        ("recipients", -(2**63), -(2**63)),
        ("share", 1, 1.0),
        ("share", 0.25, 0.25),
        ("ok", True, True),
        ("sent_at", "2026-11-22T11:00:00.5+01:00", NOW + 500_000),
        ("sent_at", "2026-11-22T10:00:00.500Z", NOW + 500_000),
        ("sent_at", "2026-11-22t10:00:00.500001z", NOW + 500_001),
        ("sent_at", 1_700_000_000_000_000, 1_700_000_000_000_000),
        ("columns", ["a", "b\0"], ("a", "b\ufffd")),
        ("email", "Bob@Example.com", "bob@example.com"),
        ("domain", "Bücher.example", "xn--bcher-kva.example"),
        ("phone", "+34 911 234 567", "+34911234567"),
        ("ip", "::ffff:192.0.2.1", "192.0.2.1"),
        ("url", "Example.com", "http://example.com/"),
        ("country", "uk", "GB"),
    ],
)
def test_values_become_canonical(field: str, sent: object, expected: object) -> None:
    """Each type of field has one form inside."""
    found = accepted(with_data(**{field: sent})).data[field]

    assert (type(expected), expected) == (type(found), found)


def test_a_mail_address_is_also_kept_as_sent() -> None:
    """Where the mailbox's address is not what was sent, both are there; letter case alone is no difference."""
    found = accepted(with_data(email="Bob.X+promo@gmail.com")).data

    assert found == {"account": "acc_1", "email": "bobx@gmail.com", "email_raw": "Bob.X+promo@gmail.com"}
    assert "email_raw" not in accepted(with_data(email="Bob@Example.com")).data


def test_null_is_not_known() -> None:
    """A field that is null was not sent."""
    assert accepted(make_item()) == accepted(with_data(subject=None, email=None, content=None))


@pytest.mark.parametrize(
    ("item", "code", "place"),
    [
        (None, "not_an_object", ""),
        ([], "not_an_object", ""),
        ("text", "not_an_object", ""),
        (make_item(id=...), "missing", "id"),
        (make_item(id=7), "bad_id", "id"),
        (make_item(id=""), "bad_id", "id"),
        (make_item(id="a\0"), "bad_id", "id"),
        (make_item(id="\ud800"), "bad_id", "id"),
        (make_item(id="x" * 129), "bad_id", "id"),
        (make_item(kind=...), "missing", "kind"),
        (make_item(kind=3), "wrong_type", "kind"),
        (make_item(kind=["x"]), "wrong_type", "kind"),
        (make_item(kind="thing.hapened"), "unknown_kind", "kind"),
        (make_item(at=...), "missing", "at"),
        (make_item(at="yesterday"), "bad_time", "at"),
        (make_item(at="2026-11-22T10:00:00"), "bad_time", "at"),
        (make_item(at="2026-02-30T10:00:00Z"), "bad_time", "at"),
        (make_item(at="2026-11-22T24:00:00Z"), "bad_time", "at"),
        (make_item(at=1.5), "wrong_type", "at"),
        (make_item(at=True), "wrong_type", "at"),
        (make_item(at=10**30), "bad_time", "at"),
        (make_item(at=NOW + 5 * MINUTE + 1), "in_future", "at"),
        (make_item(at=NOW - 400 * DAY - 1), "too_old", "at"),
        (make_item(at=1_763_800_000), "too_old", "at"),
        (make_item(channel="emial"), "unknown_channel", "channel"),
        (make_item(channel=1), "wrong_type", "channel"),
        (make_item(data=...), "missing", "data"),
        (make_item(data=[]), "wrong_type", "data"),
        (make_item(extra=1), "unknown_field", "extra"),
        (make_item(data=..., dta={}), "unknown_field", "dta"),
        (make_item(data={}), "missing", "data.account"),
        (with_data(account=None), "missing", "data.account"),
        (with_data(account=""), "bad_key", "data.account"),
        (with_data(account="a\nb"), "bad_key", "data.account"),
        (with_data(account="a\ud800"), "bad_key", "data.account"),
        (with_data(account=5), "wrong_type", "data.account"),
        (with_data(account="x" * 600), "too_long", "data.account"),
        (with_data(recipent=1), "unknown_field", "data.recipent"),
        (with_data(recipent=None), "unknown_field", "data.recipent"),
        (with_data(**{"\0": 1}), "unknown_field", "data.\\x00"),
        (with_data(subject=5), "wrong_type", "data.subject"),
        (with_data(subject="x" * 101), "too_long", "data.subject"),
        (with_data(recipients="5"), "wrong_type", "data.recipients"),
        (with_data(recipients=True), "wrong_type", "data.recipients"),
        (with_data(recipients=1.5), "wrong_type", "data.recipients"),
        (with_data(recipients=2**63), "out_of_range", "data.recipients"),
        (with_data(recipients=1e300), "out_of_range", "data.recipients"),
        (with_data(recipients=float("nan")), "wrong_type", "data.recipients"),
        (with_data(share=float("inf")), "out_of_range", "data.share"),
        (with_data(share=10**400), "out_of_range", "data.share"),
        (with_data(share=False), "wrong_type", "data.share"),
        (with_data(ok=1), "wrong_type", "data.ok"),
        (with_data(sent_at="x"), "bad_time", "data.sent_at"),
        (with_data(columns="a"), "wrong_type", "data.columns"),
        (with_data(columns=["a", 2]), "wrong_type", "data.columns[1]"),
        (with_data(columns=["a"] * 4), "too_many", "data.columns"),
        (with_data(email="bob"), "bad_email", "data.email"),
        (with_data(email=""), "bad_email", "data.email"),
        (with_data(domain="x y"), "bad_domain", "data.domain"),
        (with_data(phone="911"), "bad_phone", "data.phone"),
        (with_data(ip="1.2.3"), "bad_ip", "data.ip"),
        (with_data(url="http://"), "bad_url", "data.url"),
        (with_data(country="Spain"), "bad_country", "data.country"),
        (with_data(content="hello"), "wrong_type", "data.content"),
        (with_data(content={}), "bad_content", "data.content"),
        (with_data(content={"type": "text/plain", "text": "a", "base64": "YQ=="}), "bad_content", "data.content"),
        (with_data(content={"text": "a"}), "missing", "data.content.type"),
        (with_data(content={"type": "image/png", "text": "a"}), "bad_content", "data.content.type"),
        (with_data(content={"type": "text/plain", "text": 1}), "wrong_type", "data.content.text"),
        (with_data(content={"type": "text/plain", "base64": "a"}), "bad_content", "data.content.base64"),
        (with_data(content={"type": "text/plain", "base64": "YQ==\n"}), "bad_content", "data.content.base64"),
        (with_data(content={"type": "text/plain", "base64": "é"}), "bad_content", "data.content.base64"),
        (with_data(content={"digest": "md5:abc"}), "bad_content", "data.content.digest"),
        (with_data(content={"type": "text/plain", "txt": "a"}), "unknown_field", "data.content.txt"),
        (with_data(content={"type": "text/plain", "text": "ü" * 501}), "content_too_big", "data.content.text"),
        (
            with_data(content={"type": "text/plain", "base64": base64.b64encode(b"x" * 1001).decode()}),
            "content_too_big",
            "data.content.base64",
        ),
        (
            with_data(content={"digest": "sha256:" + "0" * 64}, second={"digest": "sha256:" + "1" * 64}),
            "too_many",
            "data.second",
        ),
        (b"", "broken_json", "line 1 column 1"),
        (b'{"id": 1', "broken_json", "line 1 column 9"),
        (b'{"id": NaN}', "broken_json", ""),
        (b'{"id": "\xff"}', "broken_json", "byte 8"),
        (b"[" * 100_00, "too_deep", ""),
        (b"[" * 100_01, "too_big", ""),
    ],
)
def test_bad_items_are_rejected_with_their_place(item: object, code: str, place: str) -> None:
    """Each kind of fault has a stable code, the path of the place, and a sentence."""
    found = rejected(item)

    assert (code, place) == (found.code, found.place)
    assert found.reason.endswith(".")
    assert not msgspec.json.encode(found.reason + (found.hint or "")).count(b"\\u0000")


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        (make_item(kind="thing.hapened"), "did you mean 'thing.happened'?"),
        (make_item(channel="emial"), "did you mean 'email'?"),
        (with_data(recipent=1), "did you mean 'recipients'?"),
        (make_item(data=..., dat={}), "did you mean 'data'?"),
        (with_data(recipients="5"), "send the number without quotes"),
        (with_data(email=""), "leave the field out, or send null, where it is not known"),
    ],
)
def test_rejections_say_what_to_do(item: object, hint: str) -> None:
    """The hint is what the sender most likely meant."""
    assert hint == rejected(item).hint


def test_a_rejection_keeps_what_came() -> None:
    """The id where it can be read, and the item whole: bytes as they came, values as JSON."""
    assert (rejected(make_item(kind="x")).item_id, rejected(make_item(id="\0", kind="x")).item_id) == ("e1", "\ufffd")
    assert rejected(b"{nonsense").raw == b"{nonsense"
    assert json.loads(rejected(with_data(subject=5)).raw) == with_data(subject=5)
    assert json.loads(rejected(with_data(account="\ud800")).raw) == with_data(account="\ud800")


def test_lone_surrogates_in_json_do_not_spoil_an_event() -> None:
    """Legal JSON that the fast decoder refuses is still read."""
    body = json.dumps(with_data(subject="\ud800!")).encode()

    assert accepted(body).data["subject"] == "\ufffd!"


def test_content_is_taken_out_and_named_by_its_digest() -> None:
    """The event carries the digest, the content comes beside it; text and base64 of the same bytes are the same."""
    body = "Grüße".encode()
    expected = Content(digest_of(body), "text/plain", body)

    for sent in ({"text": "Grüße"}, {"base64": base64.b64encode(body).decode()}):
        found = read(with_data(content={"type": "Text/Plain; charset=utf-8", **sent}))
        assert isinstance(found, Arrived)
        assert expected == found.content
        assert (found.event.content, found.event.data["content"]) == (expected.digest, expected.digest)


def test_content_may_be_named_by_digest_only() -> None:
    """Then nothing comes beside the event."""
    found = read(with_data(content={"digest": "SHA256:" + "A" * 64}))

    assert isinstance(found, Arrived)
    assert (found.content, found.event.content) == (None, "sha256:" + "a" * 64)


def test_body_hash_tells_a_repeat_from_something_else() -> None:
    """Order and writing make no difference, any value does."""
    first = accepted(with_data(subject="a", recipients=1))
    same = accepted(
        make_item(at="2026-11-22T11:00:00+01:00", data={"recipients": 1.0, "subject": "a", "account": "acc_1"})
    )
    others = [accepted(with_data(subject="a", recipients=2)), accepted(with_data(subject="a"))]

    assert body_hash(first) == body_hash(same)
    assert len(body_hash(first)) == 16
    assert body_hash(first) not in [body_hash(other) for other in others]


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["\ud800", "e1", "\0"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
fields = st.dictionaries(st.sampled_from([*KINDS.kinds["thing.happened"].fields, "nope"]), json_values, max_size=5).map(
    lambda data: {"account": "a", **data}
)


@given(
    st.one_of(
        json_values,
        st.fixed_dictionaries({"id": json_values, "kind": json_values, "at": json_values, "data": json_values}),
    )
)
def test_no_value_raises(item: object) -> None:
    """Whatever comes in, an event or a rejection comes out."""
    assert isinstance(read(item), (Arrived, Rejection))


@given(fields)
def test_no_field_value_raises_and_events_can_be_stored(data: dict[str, object]) -> None:
    """Whatever a field holds, an accepted event is plain JSON without NUL, and hashing it works."""
    found = read(make_item(data=data))

    if isinstance(found, Arrived):
        stored = msgspec.json.encode(found.event.data)
        assert b"\\u0000" not in stored
        assert len(body_hash(found.event)) == 16


@given(st.binary(max_size=60))
def test_no_bytes_raise(body: bytes) -> None:
    """Whatever bytes come in, an event or a rejection comes out, with the bytes kept."""
    found = read(body)

    assert isinstance(found, Rejection)
    assert found.raw == body


def test_the_catalogue_has_the_column_of_a_mail_as_sent() -> None:
    """What the reader keeps beside the canonical address, rules can read."""
    columns = {fact.name: fact for fact in event_facts(KINDS)}

    assert columns["e.email_raw"].kinds == {"thing.happened"}
    assert "e.domain_raw" not in columns
