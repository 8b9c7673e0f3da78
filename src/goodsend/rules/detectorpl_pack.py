"""
An export of Amazon Fraud Detector made into a pack: event kinds, lists, rules in groups, and a report of what was not.

What comes in is the JSON that its API answers with (get_rules, get_detectors, get_detector_version, get_variables,
get_event_types, get_lists_metadata, get_list_elements), by file name. What goes out is text of TOML files. Rules begin
in shadow: nothing acts until somebody has compared it with what was decided before.
"""

import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from goodsend.expr.model import Expression
from goodsend.expr.nodes import Literal, Name, walk
from goodsend.facts import Catalog, Facts, FactType, Value
from goodsend.kit.text import printable, shorten
from goodsend.rules.detectorpl_convert import DATA_TYPES, SCORE, Column, Conversion, Refused, convert
from goodsend.rules.model import Mode, Verdict

POLICY = "imported"
_TRIES = 2_000
_OWN = frozenset({"id", "kind", "at", "channel"})
_SEVERITY = {Verdict.ALLOW: 1, Verdict.REVIEW: 2, Verdict.THROTTLE: 3, Verdict.HOLD: 3, Verdict.REJECT: 4}
"""Severity by verdict: own starting values; the service has none."""
OUTCOMES = (
    (Verdict.ALLOW, ("approve", "allow", "accept", "pass", "legit", "low", "ok")),
    (Verdict.REVIEW, ("review", "verify", "investigate", "challenge", "manual", "medium", "step", "otp", "check")),
    (Verdict.HOLD, ("hold", "suspend", "pend")),
    (Verdict.REJECT, ("block", "decline", "deny", "reject", "fraud", "high", "ban")),
)
"""What the names of outcomes usually mean, by how they begin; a name of a person's own can be given."""
_PERSONAL = ("EMAIL", "IP_ADDRESS", "PHONE", "BILLING", "SHIPPING", "FINGERPRINT", "SESSION", "CARD", "USERAGENT")
_CASE_VALUES = 6
_NAME_CHARS = 50
"""So that a name has room for what makes it unlike others."""
_DIGITS = 19
_LINE_CHARS = 600


class Export(msgspec.Struct):
    """What was found in the files, by the service's own names."""

    rules: list[dict[str, Any]] = []
    variables: dict[str, dict[str, Any]] = {}
    event_types: dict[str, dict[str, Any]] = {}
    detectors: dict[str, dict[str, Any]] = {}
    versions: list[dict[str, Any]] = []
    lists: dict[str, dict[str, Any]] = {}


class Known(msgspec.Struct, frozen=True):
    """What stands below the new pack: columns with their types, and names of rules, lists, entities and groups."""

    catalog: Catalog
    rules: Collection[str] = ()
    lists: Collection[str] = ()
    entities: Collection[str] = ()
    groups: Collection[str] = ()


class Imported(msgspec.Struct, frozen=True):
    """The files of the pack by path, the report, and how many rules were converted and refused."""

    files: dict[str, str]
    report: str
    converted: int
    refused: int


def read_export(files: Mapping[str, Any]) -> tuple[Export, list[str]]:
    """Collect what the decoded files hold, and say which of them hold nothing that is known."""
    export = Export()
    strange = []
    for file, content in files.items():
        found = [_take(export, file, part) for part in (content if isinstance(content, list) else [content])]
        if not any(found):
            strange.append(file)
    return export, strange


def _take(export: Export, file: str, part: Any) -> bool:
    if not isinstance(part, dict):
        return False
    before = len(part)
    stem = file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    rules = part.get("ruleDetails", [part] if "expression" in part and "ruleId" in part else [])
    export.rules += [rule for rule in _items(rules) if isinstance(rule, dict)]
    _named(export.variables, part.get("variables"))
    _named(export.event_types, part.get("eventTypes"))
    _named(export.detectors, part.get("detectors"), "detectorId")
    _named(export.lists, part.get("lists"))
    if "elements" in part:
        name = str(part.get("name") or stem)
        entry = export.lists.setdefault(name, {"name": name})
        entry["elements"] = [*_items(entry.get("elements")), *_items(part["elements"])]
    if "ruleExecutionMode" in part and "rules" in part:
        export.versions.append(part)
    known = {"ruleDetails", "variables", "eventTypes", "detectors", "lists", "elements", "outcomes", "expression"}
    return before > 0 and bool(known & part.keys() or "ruleExecutionMode" in part)


def _named(into: dict[str, dict[str, Any]], items: Any, key: str = "name") -> None:
    for item in _items(items):
        if isinstance(item, dict) and isinstance(item.get(key), str):
            into[item[key]] = into.get(item[key], {}) | item


def _items(value: Any) -> list[Any]:
    """Return a list as it is, and nothing for anything else: what comes in may be of any shape."""
    return value if isinstance(value, list) else []


def outcome_verdict(name: str, given: Mapping[str, Verdict]) -> Verdict | None:
    """Return what an outcome means: as given, else by how its name begins, None where that says nothing."""
    if name in given:
        return given[name]
    words = re.split(r"[_\-]+", name.lower())
    for verdict, beginnings in reversed(OUTCOMES):
        if any(word.startswith(beginnings) for word in words):
            return verdict
    return None


def build(
    export: Export, known: Known, *, mode: Mode = Mode.SHADOW, verdicts: Mapping[str, Verdict] | None = None,
    owner: str = "trust",
) -> Imported:  # fmt: skip
    """Return the pack an export becomes."""
    return _Builder(export, known, mode, verdicts or {}, owner).build()


class _Builder:
    def __init__(self, export: Export, known: Known, mode: Mode, verdicts: Mapping[str, Verdict], owner: str) -> None:
        self.export, self.known, self.mode, self.verdicts, self.owner = export, known, mode, verdicts, owner
        self.lines: list[str] = []
        self.refusals: list[str] = []
        self.fields: set[str] = set()
        self.columns = {
            name: self.placed(name, DATA_TYPES.get(str(variable.get("dataType")), FactType.TEXT))
            for name, variable in export.variables.items()
        }
        lists, kinds = set(known.lists), set[str]()
        self.names = {name.lower() for name in known.rules}  # ids may not differ in capitals alone
        self.lists = {name: _free(_word(name), lists) for name in export.lists}
        self.group_names = set(known.groups)
        self.groups: dict[str, str] = {}
        self.kinds = {name: f"{_free(_word(name), kinds)}.evaluated" for name in export.event_types}
        self.kinds = self.kinds or {"": "imported.evaluated"}
        self.used: dict[str, dict[str, Column]] = {}
        self.converted = 0

    def placed(self, name: str, type_: FactType, guessed: bool = False) -> Column:
        """Return the column of a variable, under a name that no column of another type has."""
        field = _word(name)
        there = self.known.catalog.get(f"e.{field}")
        if field in self.fields or field in _OWN or (there is not None and there.type is not type_):
            field = _free(f"afd_{field}", self.fields)
        self.fields.add(field)
        return Column(f"e.{field}", type_, guessed)

    def guess(self, name: str, type_: FactType) -> Column:
        """Return the column of a variable that the export does not describe; the next rule knows it then."""
        column = self.columns[name] = self.placed(name, type_, True)
        return column

    def build(self) -> Imported:
        tables = []
        detectors: dict[str, list[tuple[dict[str, Any], int]]] = {}
        for order, rule in enumerate(self.chosen(), 1):
            detectors.setdefault(str(rule.get("detectorId", "imported")), []).append((rule, order))
        for detector, rules in detectors.items():
            self.groups[detector] = _free(_word(detector), self.group_names)
            tables += [self.group(detector), *(self.rule(detector, rule, order) for rule, order in rules)]
        files = {
            "pack.toml": f'name = "imported"\ndoc = {_text("Rules and lists of Amazon Fraud Detector.")}\n',
            "kinds/imported.toml": self.kinds_file(),
            "policies/imported.toml": _POLICY_FILE,
            "rules/imported.toml": "\n".join(table for table in tables if table),
        } | {f"lists/{name}.toml": self.list_file(there) for there, name in self.lists.items()}
        return Imported(files, self.report(), self.converted, len(self.refusals))

    def chosen(self) -> list[dict[str, Any]]:
        """Return the rules in force: those of the active or last version of a detector, else the last of each id."""
        latest: dict[tuple[str, str], dict[str, Any]] = {}
        every: dict[tuple[str, str, str], dict[str, Any]] = {}
        for rule in self.export.rules:
            detector, id_ = str(rule.get("detectorId", "imported")), str(rule.get("ruleId"))
            every[detector, id_, str(rule.get("ruleVersion", "1"))] = rule
            old = latest.get((detector, id_))
            if old is None or _number(rule.get("ruleVersion")) >= _number(old.get("ruleVersion")):
                latest[detector, id_] = rule
        by_detector: dict[str, dict[str, Any]] = {}
        for version in sorted(self.export.versions, key=lambda v: (v.get("status") == "ACTIVE", _version(v))):
            by_detector[str(version.get("detectorId"))] = version
        named: list[dict[str, Any]] = []
        for detector, version in by_detector.items():
            for asked in _items(version["rules"]):
                if not isinstance(asked, dict):
                    continue
                key = (detector, str(asked.get("ruleId")), str(asked.get("ruleVersion")))
                if key in every:
                    named.append(every[key])
                else:
                    named_as = _line(f"{key[1]} version {key[2]} of {detector}")
                    self.refusals.append(f"{named_as}: the export lacks its expression")
        left = [rule for (detector, _), rule in latest.items() if detector not in by_detector]
        return [*named, *left]

    def group(self, detector: str) -> str:
        modes = {str(v.get("ruleExecutionMode")) for v in self.export.versions if v.get("detectorId") == detector}
        first = "ALL_MATCHED" not in modes
        if not modes:
            self.lines.append(f"{detector}: no detector version in the export; first match is taken, its default")
        match = "first" if first else "all"
        doc = _text(f"Rules of the detector {detector}.")
        return f'[group.{self.groups[detector]}]\ndoc = {doc}\nmatch = "{match}"\n'

    def kind_of(self, detector: str) -> str:
        named = str(self.export.detectors.get(detector, {}).get("eventTypeName", ""))
        if named not in self.kinds and len(self.kinds) > 1:
            self.lines.append(f"{detector}: its event type is not in the export; {next(iter(self.kinds))} is taken")
        return self.kinds.get(named) or next(iter(self.kinds.values()))

    def rule(self, detector: str, rule: Mapping[str, Any], order: int) -> str:
        id_ = str(rule.get("ruleId"))
        text = str(rule.get("expression", ""))
        found = convert(text, self.columns, self.lists, self.guess)
        if isinstance(found, Refused):
            self.refusals.append(f"{_line(id_)}: {_line(found.reason)}\n  `{shorten(' '.join(text.split()), 300)}`")
            return ""
        self.converted += 1
        kind = self.kind_of(detector)
        self.used.setdefault(kind, {}).update(found.columns)
        self.lines += [f"{id_}: {note}" for note in found.notes]
        scores = sorted(name for name in found.columns if name.endswith(SCORE))
        if scores:
            self.lines.append(
                f"{id_}: reads the model score {', '.join(scores)}, here a field of the event: send it along, or write "
                "m.<model> once a model of yours takes its place"
            )
        verdict = self.verdict(id_, _items(rule.get("outcomes")))
        name = _free(_word(id_), self.names)
        doc = str(rule.get("description") or f"Imported from {detector}: {id_}.")
        lines = [
            f"[rule.{name}]", f"doc = {_text(doc)}", f"owner = {_text(self.owner)}", f'policy = "{POLICY}"',
            f"severity = {_SEVERITY[verdict]}", f"on = [{_text(kind)}]", f"when = {_text(found.sql)}",
            f'verdict = "{verdict.value}"', f"reason = {_text(_plain(doc))}", f'mode = "{self.mode.value}"',
            f"group = {_text(self.groups[detector])}", f"order = {order}",
            f"source = {_text(f'Amazon Fraud Detector, detector {detector}, rule {id_}: {text}')}",
        ]  # fmt: skip
        values = {self.lists[there]: frozenset(_elements(entry)) for there, entry in self.export.lists.items()}
        for case, fires in cases_of(found, values):
            given = ", ".join(f"{_text(fact)} = {_toml(value)}" for fact, value in case.items())
            told = '"unknown"' if fires is None else str(fires).lower()
            lines += [f"[[rule.{name}.case]]", f"given = {{ {given} }}" if given else "given = {}", f"fires = {told}"]
        return "\n".join(lines) + "\n"

    def verdict(self, id_: str, outcomes: Sequence[Any]) -> Verdict:
        found = []
        for outcome in map(str, outcomes):
            verdict = outcome_verdict(outcome, self.verdicts)
            if verdict is None:
                self.lines.append(f"{id_}: what the outcome {outcome!r} means is not known; review is taken")
            found.append(verdict or Verdict.REVIEW)
        return max(found, key=lambda verdict: verdict.rank, default=Verdict.REVIEW)

    def kinds_file(self) -> str:
        types = self.export.event_types or {"": {"eventVariables": list(self.columns)}}
        named = sorted({str(entity) for one in types.values() for entity in _items(one.get("entityTypes"))})
        parts = []
        new = {_word(entity): entity for entity in named if _word(entity) not in self.known.entities}
        if new:
            lines = [f"{word} = {_text(f'imported entity type {entity}')}" for word, entity in new.items()]
            parts.append("\n".join(["[entities]", *lines, ""]))
        for name, one in types.items():
            kind = self.kinds[name]
            doc = f"Imported event type {name}." if name else "Imported events."
            lines = [f'[kind."{kind}"]', f"doc = {_text(doc)}"]
            lines.append(f'[kind."{kind}".fields]')
            fields = {
                self.columns[v].name[2:]: _field(self.columns[v], v, self.export.variables.get(v, {}))
                for v in map(str, _items(one.get("eventVariables")))
                if v in self.columns
            }
            for variable, column in self.used.get(kind, {}).items():
                fields.setdefault(column.name[2:], _field(column, variable, self.export.variables.get(variable, {})))
            for entity in map(str, _items(one.get("entityTypes"))):
                field = f"{_word(entity)}_id"
                fields.setdefault(
                    field, f'{{ type = "text", entity = "{_word(entity)}", doc = {_text(f"key of the {entity}")} }}'
                )
            parts.append("\n".join([*lines, *(f"{field} = {table}" for field, table in fields.items())]) + "\n")
        return "\n".join(parts)

    def list_file(self, there: str) -> str:
        entry = self.export.lists[there]
        values = sorted(set(_elements(entry)))
        if not values:
            self.lines.append(f"@{there}: the export has no elements of this list; it is empty")
        doc = str(entry.get("description") or f"imported list {there}")
        head = f'doc = {_text(doc)}\ntype = "text"\nsource = {_text(f"Amazon Fraud Detector, list {there}")}\n'
        body = "".join(f"    {_text(value)},\n" for value in values)
        dated = _text(str(entry.get("updatedTime") or "unknown")[:10])
        return f'{head}licence = "your own data"\nas_of = {dated}\nvalues = [\n{body}]\n'

    def report(self) -> str:
        head = f"# Import from Amazon Fraud Detector\n\n{self.converted} rules converted, {len(self.refusals)} not.\n"
        parts = [head]
        if self.refusals:
            parts.append("## Not converted\n\n" + "".join(f"- {line}\n" for line in self.refusals))
        if self.lines:
            parts.append("## To look at\n\n" + "".join(f"- {_line(line)}\n" for line in dict.fromkeys(self.lines)))
        parts.append(_GENERAL.replace("MODE", self.mode.value))
        return "\n".join(parts)


_GENERAL = """## In general

- A value that is missing makes a comparison unknown here, and a rule whose condition is unknown does not fire. The
  service fills in defaults for missing variables of events; send them, or write COALESCE(e.x, default).
- regex_match matches the whole text, as in `REGEXP_LIKE(x, '\\A(?:…)\\z')`.
- Rules are in mode MODE. They stand in a group for each detector, in its order; in shadow no rule suppresses another.
- Severity follows the verdict, and all rules rest on the one policy `imported`: give each the clause it belongs to.
- The cases beside the rules were made from the numbers in them. They pin what was converted; they are no judgement.
"""
_POLICY_FILE = """[policy.imported]
clause = "0.1"
title = "Rules taken over from another system"
text = "We look after what is sent with our platform. Please ask us about the rule that applied here."
severity = 2
effective_from = 2026-01-01
source = "placeholder of the import; put your own clauses here"
"""


def cases_of(found: Conversion, lists: Mapping[str, frozenset[str]]) -> list[tuple[Facts, bool | None]]:
    """
    Return a row on which the condition holds, one on which it does not, and the row of which nothing is known.

    Rows are tried from the values written in the condition and their neighbours; what is not found is left out.
    """
    expression = found.expression
    choices = {fact: _candidates(expression, fact, lists) for fact in sorted(expression.facts)}
    wanted: dict[bool, Facts] = {}
    for values in itertools.islice(itertools.product(*choices.values()), _TRIES):
        row: Facts = {name: value for name, value in zip(choices, values, strict=True) if value is not None}
        got = expression.evaluate(row, lists)
        if isinstance(got, bool) and got not in wanted:
            wanted[got] = row
        if len(wanted) == 2:
            break
    nothing = expression.evaluate({}, lists)
    rows: list[tuple[Facts, bool | None]] = [(wanted[fires], fires) for fires in (True, False) if fires in wanted]
    return [*rows, ({}, nothing if isinstance(nothing, bool) else None)]


def _candidates(expression: Expression, fact: str, lists: Mapping[str, frozenset[str]]) -> list[Value]:
    """Return values of a fact that its condition may turn on."""
    type_ = next(node.type for node in walk(expression.node) if isinstance(node, Name) and node.name == fact)
    written = [node.value for node in walk(expression.node) if isinstance(node, Literal)]
    listed = [sorted(values)[:1] for name, values in sorted(lists.items()) if name in expression.lists]
    near: list[Value] = []
    if type_ is FactType.BOOLEAN:
        near = [True, False]
    elif type_ is FactType.TEXT:
        texts = [value for value in written if isinstance(value, str)]
        near = [*itertools.chain(*listed), *texts, *(_from_pattern(text) for text in texts), "-"]
    else:
        as_type: Callable[[float], Value] = float if type_ is FactType.NUMBER else int
        numbers = [value for value in written if isinstance(value, int | float) and not isinstance(value, bool)]
        near = [as_type(value + step) for value in numbers for step in (0, 1, -1)] or [as_type(0)]
    return list(dict.fromkeys(near))[: _CASE_VALUES + 3]


def _from_pattern(pattern: str) -> str:
    """Return a text that a simple pattern matches, as far as that can be read off it."""
    text = pattern.removeprefix(r"\A(?:").removesuffix(r")\z").removeprefix("^").removesuffix("$")
    text = re.sub(r"\(\?[a-z]+\)", "", text)
    text = re.sub(r"\.[*?]", "", re.sub(r"\.\+", "x", text))
    text = re.sub(r"\\d[+*]?", "1", re.sub(r"\[a-z[^\]]*\][+*]?", "a", text))
    return re.sub(r"\\(.)", r"\1", text)


def _field(column: Column, name: str, variable: Mapping[str, Any]) -> str:
    kind = str(variable.get("variableType", ""))
    doc = str(variable.get("description") or f"imported variable {name}")
    personal = ", personal = true" if kind.startswith(_PERSONAL) else ""
    return f'{{ type = "{column.type.value}", doc = {_text(doc)}{personal} }}'


def _elements(entry: Mapping[str, Any]) -> Iterable[str]:
    return [str(value) for value in _items(entry.get("elements"))]


def _free(word: str, taken: set[str]) -> str:
    """Return the word, or one made of it that is not taken, and take it: nothing of the packs below is replaced."""
    for number in itertools.count(1):
        tried = word if number == 1 else f"afd_{word}" if number == 2 else f"afd_{word}_{number - 1}"
        if tried not in taken:
            taken.add(tried)
            return tried
    raise AssertionError


def _word(name: str) -> str:
    """Return a name of at most 50 letters, digits and underscores that begins with a letter."""
    word = re.sub(r"\W", "_", name.lower(), flags=re.ASCII)[:_NAME_CHARS]
    return word if word[:1].isalpha() else f"afd_{word}"


def _number(text: object) -> int:
    said = str(text)
    return int(said) if said.isdecimal() and len(said) < _DIGITS else 0


def _version(version: Mapping[str, Any]) -> int:
    return _number(version.get("detectorVersionId"))


def _line(text: str) -> str:
    """Return a text as one line of the report, whatever stands in it."""
    return shorten(printable(" ".join(text.split())), _LINE_CHARS)


def _plain(text: str) -> str:
    """Return a sentence without places: braces would be taken for facts."""
    return text.replace("{", "(").replace("}", ")")


def _text(text: str) -> str:
    """Return a TOML basic string: JSON's escapes are TOML's, but for DEL and lone surrogates."""
    safe = text.encode("utf-8", "replace").decode().replace("\x7f", " ")
    return json.dumps(safe, ensure_ascii=False)


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else _text(str(value))
