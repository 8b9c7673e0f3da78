"""The model card: what a model was made from, under which licences, how good it is, and what it cannot do."""

from collections.abc import Sequence

import msgspec

from goodsend.scoring.evaluate import MARKS, Figures, Share
from goodsend.scoring.model import Model


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One body of data: what it is, its licence, the credit its licence asks for, and whether it was learned from."""

    name: str
    what: str
    licence: str
    credit: str
    use: str


class Test(msgspec.Struct, frozen=True):
    """Figures of one way of testing, told in one sentence."""

    name: str
    how: str
    figures: Figures


def card(model: Model, *, command: str, sources: Sequence[Source], tests: Sequence[Test], limits: Sequence[str]) -> str:
    """Return the card as Markdown. It says nothing that follows from the day or the machine it was made on."""
    used = sum(1 for weight in model.table if weight)
    learned = [source for source in sources if source.use == "training"]
    lines = [
        f"# {model.name}",
        "",
        f"{model.doc[0].upper()}{model.doc[1:]}.",
        f"Channels: {', '.join(sorted(model.channels))}. Version `{model.version}`.",
        "",
        f"Made by `{command}`;",
        "the same data, seed and versions of goodsend and its libraries give the same bytes.",
        "",
        "## What the score means",
        "",
        "A rank among legitimate messages, 0…1000, not a probability. Of legitimate messages held out in training at",
        "most about 2 % score 900 or more, 1 % 950 or more and 0.1 % 990 or more, measured where that is hardest:",
        "corpus by corpus, held out text by text and as a whole, as far as there are enough texts. No score means: no",
        "text, or no word that the model knows.",
        "",
        "## How it works",
        "",
        "Logistic regression over the distinct words and pairs of neighbouring words of subject and text, hashed into",
        f"a table of {len(model.table):,} cells, {used:,} of them in use. Links, addresses, money, percent signs and",
        "exclamation marks count as shapes, digits by their number only. Headers, dates and markup are not read.",
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in limits),
        "",
        "## Data",
        "",
        "Learned from:",
        "",
        "| data | what | licence | credit |",
        "|---|---|---|---|",
        *(f"| {source.name} | {source.what} | {source.licence} | {source.credit} |" for source in learned),
    ]
    measured = [source for source in sources if source.use != "training"]
    if measured:
        lines += [
            "",
            "Measured on, never learned from:",
            "",
            "| data | what | licence |",
            "|---|---|---|",
            *(f"| {source.name} | {source.what} | {source.licence} |" for source in measured),
        ]
    lines += [
        "",
        "## Figures",
        "",
        "Shares with 95 % intervals (Wilson). Texts of one campaign are not independent, so the true ones are wider.",
        "A text is found or flagged at a score of 900, 950 or 990 and more; one without a score is neither. “Found at",
        "1 % of it” is the abuse above all but 1 % of the ham of the very test, whatever the calibration.",
        "",
        f"| test | abuse | ham | ROC AUC | found at 1 % of it | {_heads('abuse found')} | {_heads('ham flagged')} |",
        "|---|---|---|---|---|" + "---|" * 2 * len(MARKS),
        *(_row(test) for test in tests),
        "",
        *(f"- **{test.name}**: {test.how}" for test in tests),
        "",
    ]
    return "\n".join(lines)


def _heads(what: str) -> str:
    return " | ".join(f"{what} ≥ {mark}" for mark in MARKS)


def _row(test: Test) -> str:
    figures = test.figures
    area = "–" if figures.auc is None else f"{figures.auc:.4f}"
    at_1 = "–" if figures.found_at_1 is None else f"{figures.found_at_1:.1%}"
    shares = [figures.found[mark] for mark in MARKS] + [figures.flagged[mark] for mark in MARKS]
    cells = [test.name, f"{figures.abuse:,}", f"{figures.ham:,}", area, at_1, *map(_shown, shares)]
    return f"| {' | '.join(cells)} |"


def _shown(share: Share) -> str:
    if share.low is None or share.high is None:
        return "–"
    return f"{share.part / share.whole:.1%} ({share.low:.1%}…{share.high:.1%})"
