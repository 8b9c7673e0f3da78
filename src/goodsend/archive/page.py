"""A backtest's report as one HTML page: no script, nothing fetched, readable on a phone, light and dark."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from goodsend.kit.clock import DAY, HOUR, MINUTE, SECOND, Micros, format_time
from goodsend.kit.text import printable, shorten
from goodsend.reports.backtest import Report, Share

_MOST_CHARS = 300
_MOST_OVERLAPS = 40
_FEW_DAYS = 7
"""Days that are named one by one below a chart."""


def render_page(report: Report) -> str:
    """Return the page. Every text of events and packs is escaped, control and direction characters are spelled out."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    environment.filters |= {
        "whole": whole, "percent": percent, "moment": moment, "lasting": lasting, "bars": bars, "bars_told": bars_told,
        "number": number,
        "short": short, "id": breakable,
    }  # fmt: skip
    overlaps = report.overlaps[:_MOST_OVERLAPS]
    telling = [rule for rule in report.rules if rule.hits or (rule.change and (rule.change.new or rule.change.lost))]
    silent = [rule for rule in report.rules if rule not in telling]
    template = environment.get_template("page.html")
    return template.render(report=report, overlaps=overlaps, telling=telling, silent=silent)


def _shown(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def breakable(name: str) -> Markup:
    """Return a name that may be broken after its underscores."""
    return Markup("_<wbr>").join(printable(name).split("_"))


def short(value: Any) -> str:
    """Return what a fact held, cut where it is long; several texts with commas between."""
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return shorten(text, _MOST_CHARS)


def whole(count: float | None) -> str:
    """Return a count with separators, a dash where it is not known."""
    return "–" if count is None else f"{count:,.0f}"


def number(value: float | None) -> str:
    """Return a figure with at most two decimals."""
    return "–" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")


def percent(share: Share) -> str:
    """Return a share with its interval: `80 % (55–93)`, a dash of nothing."""
    if share.share is None or share.low is None or share.high is None:
        return "–"
    digits = 0 if share.high - share.low > 0.02 else 1
    return f"{share.share * 100:.{digits}f} % ({share.low * 100:.{digits}f}–{share.high * 100:.{digits}f})"


def moment(at: Micros) -> str:
    """Return a time in UTC to the second."""
    return format_time(at - at % SECOND).replace("T", " ").removesuffix("Z")


def lasting(seconds: float | None) -> str:
    """Return a duration in its largest fitting unit: `3.5 h`."""
    if seconds is None:
        return "–"
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE)):
        if seconds * SECOND >= size:
            return f"{seconds * SECOND / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def bars_told(values: Sequence[int], days: Sequence[str]) -> Markup:
    """Return the same chart with its figures below: every day of a week, else the span with the least and the most."""
    if not values:
        return Markup("")
    if len(days) <= _FEW_DAYS:
        said = ", ".join(f"{day}: {value:,}" for day, value in zip(days, values, strict=True))
    else:
        said = f"{days[0]} to {days[-1]}: {min(values):,} to {max(values):,} a day"
    chart = bars(values, days, widest=72 if len(days) <= _FEW_DAYS else 24)
    return Markup('{}<p class="faint">{}</p>').format(chart, said)


def bars(values: Sequence[int], days: Sequence[str], height: int = 60, widest: int = 24) -> Markup:
    """Return a bar chart as SVG, one bar a day; its title says the figures' range."""
    if not values:
        return Markup("")
    top = max([*values, 1])
    step = max(2.0, min(float(widest), 900 / len(values)))
    parts = []
    for place, (value, day) in enumerate(zip(values, days, strict=True)):
        tall = max(1.0, value / top * height) if value else 0
        parts.append(
            f'<rect x="{place * step:.2f}" y="{height - tall:.2f}" width="{max(1.0, step - 1):.2f}" '
            f'height="{tall:.2f}"><title>{day}: {value:,}</title></rect>'
        )
    wide = step * len(values) * height / 60
    said = f"per day, {days[0]} to {days[-1]}: at most {max(values):,}"
    return Markup(  # noqa: S704 - numbers and dates of our own making
        f'<svg class="bars" role="img" aria-label="{said}" viewBox="0 0 {step * len(values):.0f} {height}" '
        f'width="{wide:.0f}" height="{height}" preserveAspectRatio="none">{"".join(parts)}</svg>'
    )
