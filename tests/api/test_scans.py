"""Scans over HTTP: content in, signals out."""

import base64

import httpx
import pytest

MAIL = (
    b"From: Parcel Service <info@parcel.example>\r\nTo: a@b.example\r\nSubject: Your parcel\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n"
    b'<p>Pay the fee: <a href="http://203.0.113.9/login">https://www.dhl.com/</a></p>\r\n'
)


def test_a_mail_is_scanned_from_its_source(client: httpx.Client) -> None:
    """Signals come with evidence and place."""
    answer = client.post("/v1/scan", content=MAIL, headers={"Content-Type": "message/rfc822"})

    found = answer.json()
    signals = {signal["id"]: signal for signal in found["signals"]}
    assert answer.status_code == 200
    assert "LINK_IP_HOST" in signals
    assert signals["LINK_IP_HOST"]["evidence"]
    assert found["facts"]["s.LINK_IP_HOST"] is True
    assert found["size_bytes"] == len(MAIL)
    assert 0 <= found["scores"]["content"] <= 1000


def test_the_same_content_gives_the_same_answer_in_every_form(client: httpx.Client) -> None:
    """Raw, as text and as base64."""
    raw = client.post("/v1/scan", content=MAIL, headers={"Content-Type": "message/rfc822"}).json()
    text = client.post("/v1/scan", json={"type": "message/rfc822", "text": MAIL.decode()}).json()
    encoded = client.post("/v1/scan", json={"type": "message/rfc822", "base64": base64.b64encode(MAIL).decode()}).json()

    assert raw == text == encoded


def test_a_text_in_another_charset_is_read(client: httpx.Client) -> None:
    """Texts are UTF-8 inside."""
    sent = "Páguela ahora: http://203.0.113.9/"
    latin = client.post(
        "/v1/scan", content=sent.encode("latin-1"), headers={"Content-Type": "text/plain; charset=iso-8859-1"}
    ).json()
    utf8 = client.post("/v1/scan", content=sent.encode(), headers={"Content-Type": "text/plain"}).json()

    assert latin == utf8


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"type": "text/plain"}, None),
        ({"type": "text/plain", "text": "a", "base64": "YQ=="}, None),
        ({"type": "text/plain", "base64": "not base64!"}, "base64"),
        ({"type": "image/png", "text": "a"}, "type"),
        ({"type": "text/plain", "text": 7}, "text"),
        ({"type": "text/plain", "test": "a"}, None),
        ({"text": "a"}, None),
    ],
)
def test_a_request_of_the_wrong_shape_names_its_place(
    client: httpx.Client, body: dict[str, object], place: str | None
) -> None:
    """400, never a guess."""
    answer = client.post("/v1/scan", json=body)

    assert (400, "/problems/bad_body", place) == (
        answer.status_code,
        answer.json()["type"],
        answer.json().get("place"),
    )


def test_half_a_surrogate_pair_is_refused(client: httpx.Client) -> None:
    """It is JSON, but no text that bytes can hold."""
    answer = client.post("/v1/scan", content=b'{"type": "text/plain", "text": "\\ud800"}')

    assert (answer.status_code, answer.json()["place"]) == (400, "text")


@pytest.mark.parametrize("media_type", ["image/png", "multipart/form-data", "text/plain; charset=punycode"])
def test_other_media_types_are_not_taken(client: httpx.Client, media_type: str) -> None:
    """415, and what is taken."""
    answer = client.post("/v1/scan", content=b"x", headers={"Content-Type": media_type})

    assert answer.status_code == 415


@pytest.mark.parametrize("size", [200_001, 500_000])
def test_content_over_the_limit_is_refused(client: httpx.Client, size: int) -> None:
    """413, whether the body still had room for it or not."""
    answer = client.post("/v1/scan", content=b"x" * size, headers={"Content-Type": "text/plain"})

    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too_large")


def test_hostile_content_is_answered(client: httpx.Client) -> None:
    """Nothing that comes in makes the scanner fail."""
    for body in (
        b"",
        b"\0" * 1_000,
        b"\xff" * 1_000,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n" * 9_000,
    ):
        assert client.post("/v1/scan", content=body, headers={"Content-Type": "message/rfc822"}).status_code == 200
