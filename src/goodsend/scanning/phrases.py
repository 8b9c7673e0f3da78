"""
Phrases of many languages, found in one pass over the words of folded text. The phrases are data; what they mean is too.

A dictionary of words, not a set of patterns: an RE2 set of these phrases outgrew its automaton's memory on real
mail and then found nothing, saying so only in a log. Words are linear, and cost nothing to add.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import product

import msgspec

from goodsend.kit.errors import Problem
from goodsend.scanning.folding import fold

_CHOICE = re.compile(r"\(([^()]*)\)")
_WORD = re.compile(r"\w+")
_MOST_FORMS = 400

Words = tuple[str, ...]


class Group(msgspec.Struct, frozen=True):
    """
    Phrases that say one thing: one strong phrase is enough, of the weak ones it takes `need` different ones.

    `signal` is the signal it raises, None for groups that families read by name; `label` finishes its evidence.
    """

    name: str
    signal: str | None
    label: str | None
    need: int
    strong: tuple[str, ...]
    weak: tuple[str, ...]


class Match(msgspec.Struct, frozen=True):
    """A group that was found, its points, and the phrases that were there, strong ones first."""

    group: Group
    points: int
    found: tuple[Words, ...]


class _Form(msgspec.Struct, frozen=True):
    """One phrase as a form of its words; forms of one phrase share its number and count once."""

    phrase: int
    group: int
    weight: int


class Phrases(msgspec.Struct, frozen=True):
    """All groups, every form by its words, and by first word how many words its forms have."""

    groups: tuple[Group, ...]
    forms: dict[Words, tuple[_Form, ...]]
    lengths: dict[str, tuple[int, ...]]

    def find(self, folded: str) -> list[Match]:
        """Return the groups found in folded text, in the order of the data."""
        words = tuple(_WORD.findall(folded))
        lengths, forms = self.lengths.get, self.forms.get
        seen: dict[Words, None] = {}
        for at, word in enumerate(words):
            for length in lengths(word, ()):
                phrase = words[at : at + length]
                if phrase not in seen and forms(phrase) is not None:
                    seen[phrase] = None
        if not seen:
            return []
        hits: dict[int, tuple[_Form, Words]] = {}
        for phrase in seen:
            for form in self.forms[phrase]:
                hits.setdefault(form.phrase, (form, phrase))
        points: dict[int, int] = {}
        found: dict[int, list[Words]] = {}
        for form, phrase in sorted(hits.values(), key=lambda hit: -hit[0].weight):
            points[form.group] = points.get(form.group, 0) + form.weight
            found.setdefault(form.group, []).append(phrase)
        return [
            Match(group, points[index], tuple(found[index]))
            for index, group in enumerate(self.groups)
            if points.get(index, 0) >= group.need
        ]


def compile_phrases(groups: Iterable[Group]) -> tuple[Phrases, list[Problem]]:
    """
    Compile groups; a phrase may hold choices, `verify (your|the) account`, also empty ones; nothing else is special.

    Only words count, not what stands between them. A choice within a choice, or more than 400 forms of one phrase, is a
    Problem.
    """
    groups = tuple(groups)
    forms: dict[Words, list[_Form]] = {}
    lengths: dict[str, set[int]] = {}
    problems: list[Problem] = []
    number = 0
    for index, group in enumerate(groups):
        for weight, phrases in ((group.need, group.strong), (1, group.weak)):
            for phrase in phrases:
                number += 1
                try:
                    for words in _forms(phrase):
                        forms.setdefault(words, []).append(_Form(number, index, weight))
                        lengths.setdefault(words[0], set()).add(len(words))
                except ValueError as error:
                    problems.append(Problem(f"phrases.{group.name}", f"{phrase!r}: {error}"))
    built = Phrases(
        groups,
        {words: tuple(found) for words, found in forms.items()},
        {first: tuple(sorted(found)) for first, found in lengths.items()},
    )
    return built, problems


def _forms(phrase: str) -> Iterator[Words]:
    pieces = _CHOICE.split(phrase)
    if any(mark in piece for piece in pieces for mark in "()"):
        raise ValueError("choices are written (one|other), without one inside another")
    choices = [piece.split("|") if index % 2 else [piece] for index, piece in enumerate(pieces)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MOST_FORMS:
        raise ValueError(f"stands for {count} forms; at most {_MOST_FORMS}")
    forms = dict.fromkeys(tuple(_WORD.findall(fold("".join(form)))) for form in product(*choices))
    if () in forms:
        raise ValueError("needs at least one word in every form")
    return iter(forms)


def find_again(words: Words, text: str) -> tuple[int, int] | None:
    """Return where a phrase stands in lower-case text, None when it does not; up to 20 signs between words."""
    between = r"\W{1,20}"
    found = re.search(rf"(?<!\w){between.join(map(re.escape, words))}(?!\w)", text)
    return found.span() if found else None
