"""Building mail sources as a sending platform would write them: RFC 5322 headers, text and HTML, list headers."""

import html
import quopri
from base64 import b64encode
from email.utils import formatdate

import msgspec

from goodsend.kit.clock import SECOND, Micros


class Letter(msgspec.Struct, frozen=True):
    """
    A text to be sent. Each of `paragraphs` is plain text; `button` is the words of the one link, `link` its target.

    `shown` is the text of a second link to `link`, empty for none: phishing shows another address than it leads to.
    `hidden` is text made invisible in the HTML, empty for none.
    """

    language: str
    subject: str
    paragraphs: tuple[str, ...]
    button: str = ""
    link: str = ""
    shown: str = ""
    hidden: str = ""


def letter(
    language: str, subject: str, text: str, button: str, link: str, *, shown: str = "", hidden: str = ""
) -> Letter:
    """Return a letter from a text block: empty lines part its paragraphs, line breaks within them mean nothing."""
    paragraphs = tuple(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
    return Letter(language, subject, paragraphs, button, link, shown, hidden)


class Envelope(msgspec.Struct, frozen=True):
    """Who writes to whom. `list_id` and `unsubscribe` are empty for mail that is not bulk; `postal`: the footer."""

    from_name: str
    from_email: str
    to: str
    at: Micros
    message_id: str
    reply_to: str = ""
    list_id: str = ""
    unsubscribe: str = ""
    postal: str = ""


FOOTERS = {
    "en": ("You receive this because you signed up on our website.", "Unsubscribe"),
    "de": ("Sie erhalten diese Nachricht, weil Sie sich auf unserer Website angemeldet haben.", "Abmelden"),
    "es": ("Recibe este mensaje porque se apuntó en nuestra página.", "Darse de baja"),
    "fr": ("Vous recevez ce message parce que vous vous êtes inscrit sur notre site.", "Se désabonner"),
    "pt": ("Recebe esta mensagem porque se inscreveu no nosso site.", "Cancelar a subscrição"),
}


def mail_source(sent: Letter, envelope: Envelope) -> str:
    """Return the whole message as text, lines ended by CRLF: RFC 5322, multipart/alternative, quoted-printable."""
    boundary = f"=_{envelope.message_id.replace('@', '_')}"
    headers = [
        ("From", f"{_phrase(envelope.from_name)} <{envelope.from_email}>"),
        ("To", envelope.to),
        ("Subject", _encoded(sent.subject)),
        ("Date", formatdate(envelope.at / SECOND, usegmt=True)),
        ("Message-ID", f"<{envelope.message_id}>"),
    ]
    if envelope.reply_to:
        headers.append(("Reply-To", envelope.reply_to))
    if envelope.list_id:
        headers.append(("List-Id", f"<{envelope.list_id}>"))
    if envelope.unsubscribe:
        headers.append(("List-Unsubscribe", f"<{envelope.unsubscribe}>"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    headers += [("MIME-Version", "1.0"), ("Content-Type", f'multipart/alternative; boundary="{boundary}"')]
    lines = [f"{name}: {value}" for name, value in headers]
    for subtype, body in (("plain", plain_text(sent, envelope)), ("html", html_text(sent, envelope))):
        lines += ["", f"--{boundary}", f"Content-Type: text/{subtype}; charset=utf-8"]
        lines += ["Content-Transfer-Encoding: quoted-printable", "", _quoted(body)]
    return "\r\n".join([*lines, f"--{boundary}--", ""])


def plain_text(sent: Letter, envelope: Envelope) -> str:
    """Return the text part."""
    blocks = list(sent.paragraphs)
    if sent.link:
        blocks.append(f"{sent.button}: {sent.link}")
    if envelope.unsubscribe:
        why, leave = FOOTERS[sent.language]
        blocks.append(f"-- \n{why}\n{envelope.postal}\n{leave}: {envelope.unsubscribe}")
    return "\n\n".join(blocks) + "\n"


def html_text(sent: Letter, envelope: Envelope) -> str:
    """Return the HTML part."""
    body = [f"<p>{html.escape(paragraph)}</p>" for paragraph in sent.paragraphs]
    if sent.link:
        target = html.escape(sent.link)
        body.append(f'<p><a href="{target}" style="padding:8px 14px">{html.escape(sent.button)}</a></p>')
        if sent.shown:
            body.append(f'<p><a href="{target}">{html.escape(sent.shown)}</a></p>')
    if sent.hidden:
        body.append(f'<div style="display:none">{html.escape(sent.hidden)}</div>')
    if envelope.unsubscribe:
        why, leave = FOOTERS[sent.language]
        address = html.escape(envelope.unsubscribe)
        body.append(f"<p><small>{html.escape(why)}<br>{html.escape(envelope.postal)}<br>")
        body.append(f'<a href="{address}">{leave}</a></small></p>')
    return (
        f'<!doctype html>\n<html lang="{sent.language}"><head><meta charset="utf-8">'
        f"<title>{html.escape(sent.subject)}</title></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _quoted(body: str) -> str:
    return quopri.encodestring(body.encode()).decode("ascii").replace("\n", "\r\n")


def _encoded(text: str) -> str:
    if text.isascii():
        return text
    pieces, piece = [], ""
    for char in text:  # RFC 2047 section 2: an encoded word has at most 75 characters and splits no character
        if len((piece + char).encode()) > 42:
            pieces.append(piece)
            piece = ""
        piece += char
    pieces.append(piece)
    return "\r\n ".join(f"=?utf-8?b?{b64encode(each.encode()).decode('ascii')}?=" for each in pieces)


def _phrase(name: str) -> str:
    if not name.isascii():
        return _encoded(name)
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
