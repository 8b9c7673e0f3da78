"""How far a backtest is: the steps of an engine become sentences for people, and a share of the whole way."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

_ALONE: Final = {"judged": 5, "features": 55, "truths": 30, "beginnings": 4, "counting": 6}
_COMPARED: Final = {
    "judged": 4, "features": 42, "truths": 22, "features_live": 8, "truths_live": 15, "beginnings": 3, "counting": 6,
}  # fmt: skip
"""Stages in their order, each with its part of the whole in hundredths. Own values, from runs over a month."""

_SAID: Final = {
    "judged": "Reading the events of the span", "features": "Preparing the events", "truths": "Judging events",
    "features_live": "Preparing the events for the live rules", "truths_live": "Judging events by the live rules",
    "beginnings": "Finding when labelled accounts began", "counting": "Counting",
}  # fmt: skip
_JOINING: Final = {"features": "Joining the features", "features_live": "Joining the features of the live rules"}
_KEY = re.compile(r"^features_(?:live_)?(?:features_)?key(\d+)(_\w+)?$")
_MADE: Final = 0.6
"""The part of a key's work before its last step, in which its features come together. Own value."""


class Course:
    """
    One way from the first stage to the report. `keys` says per stage which entities its features are of, in order.

    What is told never goes back, whatever an engine says of its own share.
    """

    def __init__(self, keys: Mapping[str, Sequence[tuple[str, ...]]], *, compared: bool) -> None:
        self._keys = keys
        self._parts = _COMPARED if compared else _ALONE
        self._stage = next(iter(self._parts))
        self._share = 0.0
        self._is_past_keys = False

    def enter(self, stage: str) -> None:
        """Begin a stage; those before it are over."""
        self._stage = stage
        self._is_past_keys = False

    def tell(self, step: str, share: float | None) -> tuple[str, float]:
        """Return a sentence and the share of the whole (0…1) for a step and its own share (None: not known)."""
        said, inner = self._inner(step, min(1.0, max(0.0, share or 0.0)))
        before = 0
        for stage, part in self._parts.items():
            if stage == self._stage:
                self._share = max(self._share, (before + part * inner) / 100)
            before += part
        return said, self._share

    def _inner(self, step: str, share: float) -> tuple[str, float]:
        """Return the sentence and the share of the stage."""
        said, keys = _SAID.get(self._stage, self._stage), self._keys.get(self._stage, ())
        found = _KEY.match(step)
        if found and int(found[1]) < len(keys):
            self._is_past_keys = True
            number = int(found[1])
            done = _MADE * share if found[2] else _MADE + (1 - _MADE) * share
            entities = " and ".join(name.replace("_", " ") for name in keys[number])
            live = " for the live rules" if self._stage.endswith("_live") else ""
            return f"Computing features of {entities}{live}", (number + done) / (len(keys) + 1)
        if self._stage in _JOINING:
            if self._is_past_keys or not keys:
                return _JOINING[self._stage], (len(keys) + share) / (len(keys) + 1)
            return said, 0.0
        return said, share
