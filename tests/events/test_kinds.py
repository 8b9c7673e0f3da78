"""Kinds that do not fit together are told."""

from goodsend.events.kinds import conflicts, parse_kinds


def _told(first: dict[str, str], second: dict[str, str]) -> list[tuple[str, str]]:
    given = {"one.kind": first, "other.kind": second}
    tables = {
        kind: {"doc": "d", "fields": {name: {"type": type_, "doc": "d"} for name, type_ in fields.items()}}
        for kind, fields in given.items()
    }
    kinds, problems = parse_kinds({"k.toml": {"kind": tables}})
    assert not problems
    return [(problem.place, problem.message) for problem in conflicts(kinds)]


def test_one_name_has_one_type() -> None:
    """The same field in two kinds is one column."""
    assert _told({"n": "integer"}, {"n": "integer"}) == []
    assert _told({"n": "integer"}, {"n": "text"}) == [
        ("other.kind: fields.n", "is text here and integer in one.kind"),
    ]


def test_names_differ_beyond_capitals() -> None:
    """SQL engines take `N` and `n` for one column, so that one would be read for the other."""
    ((place, message),) = _told({"n": "integer", "m": "text"}, {"N": "integer"})

    assert place == "other.kind: fields.N"
    assert "in capitals alone" in message
