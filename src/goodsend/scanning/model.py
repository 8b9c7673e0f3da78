"""What a scan returns. How it is found lives in the family files; what it weighs lives in rules."""

import msgspec

from goodsend.facts import Value


class Span(msgspec.Struct, frozen=True):
    """
    Where in the content: `part` is `subject`, `title`, `from`, `header:<name>`, `text`, `html` (its source), `visible`
    (what the HTML shows), `attachment:<n>` (from 0, as in `Message.attachments`) or `message`; `start` and `end` are
    character offsets into that part's decoded text, end exclusive; both None for the whole part.
    """

    part: str
    start: int | None = None
    end: int | None = None


class Signal(msgspec.Struct, frozen=True):
    """One finding. `id` is `FAMILY_WHAT`; `evidence` is one sentence a customer would understand."""

    id: str
    evidence: str
    span: Span


class Scan(msgspec.Struct, frozen=True):
    """
    Everything one scan found.

    `facts` holds `s.<ID>` = True or False for each signal that was looked for (absent: not looked for, so NULL) and
    measures such as `s.link_count`. `notes` say what was cut or could not be read; `error` is None, or why there is
    no answer beyond what the notes say (the content is then judged on its envelope alone).
    """

    signals: tuple[Signal, ...]
    facts: dict[str, Value]
    notes: tuple[str, ...] = ()
    error: str | None = None
