"""
The three kinds of going wrong, never mixed.

- `Problem`: an author's mistake in a rule, feature, policy or template. A value: collected, returned, rendered.
- `Rejection`: a bad incoming event or file. A value with a reason: stored, counted, shown. Nothing is lost.
- Exceptions: our bug or an outage. One tree:

      GoodsendError
      ├── Retryable            the same call may succeed later (a database away, a time-out)
      └── Permanent            the same call will fail again
          ├── Misconfigured    a setting, key or pack the operator must mend; carries Problems where known
          ├── NotFound         what was asked for does not exist (or not for this tenant)
          └── Conflict         somebody else acted first, or the state of things does not allow it
"""

from collections.abc import Sequence

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """
    One mistake of an author, with where it is and what to do.

    `place` names file and object (`rules/import.toml: new_account_big_import: when`); `source` is the text the
    mistake is in (None when it is not in a text), `start` and `end` are character offsets into it, end exclusive.
    """

    place: str
    message: str
    hint: str | None = None
    source: str | None = None
    start: int = 0
    end: int = 0

    def at(self, place: str) -> "Problem":
        """Return the same problem, told from an outer place."""
        return msgspec.structs.replace(self, place=f"{place}: {self.place}" if self.place else place)

    def render(self) -> str:
        """Return the problem as text for a terminal: place, message, the line with a caret below, the hint."""
        lines = [f"{self.place}: {self.message}" if self.place else self.message]
        if self.source is not None:
            before = self.source[: self.start]
            number = before.count("\n") + 1
            left = before.rfind("\n") + 1
            right = self.source.find("\n", self.start)
            line = self.source[left : right if right >= 0 else len(self.source)]
            width = max(1, min(self.end, left + len(line)) - self.start)
            gutter = f"  {number} | "
            lines.append(gutter + line.replace("\t", " "))
            lines.append(" " * (len(gutter) + self.start - left) + "^" * width)
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class Rejection(msgspec.Struct, frozen=True):
    """
    One incoming thing that was not taken, with where and why.

    `code` is stable for machines (`wrong_type`), `place` a path inside the item (`data.recipients`), `reason` one
    sentence for people, `hint` what to do. `raw` is what came, cut to a limit by the store; never shown unmasked.
    """

    code: str
    place: str
    reason: str
    hint: str | None = None
    item_id: str | None = None
    raw: bytes = b""


class GoodsendError(Exception):
    """Root of every exception this project raises on purpose."""


class Retryable(GoodsendError):  # noqa: N818 - named for what the caller may do
    """The same call may succeed later."""


class Permanent(GoodsendError):  # noqa: N818
    """The same call will fail again until something is changed."""


class Misconfigured(Permanent):
    """A setting, key or pack that the operator must mend."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class NotFound(Permanent):
    """What was asked for does not exist, or not for this tenant."""


class Conflict(Permanent):
    """Somebody else acted first, or the state of things does not allow what was asked; says who and what."""
