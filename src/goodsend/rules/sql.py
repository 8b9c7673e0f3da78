"""The set path of a rule set: which rules hold on every row of a table, as SQL that means what `evaluate.py` does."""

from sqlglot import expressions as exp

from goodsend.expr.sql.model import Dialect, ListValues, Step, column_of
from goodsend.expr.sql.pieces import as_expression, case, literal, text
from goodsend.expr.sql.share import share
from goodsend.facts import FactType
from goodsend.rules.ruleset import Ruleset

KIND = "e.kind"


def rule_column(rule: str) -> str:
    """Return the column that holds the truth of a rule: `r_<id>`."""
    return f"r_{rule}"


def rule_steps(ruleset: Ruleset, dialect: Dialect, lists: ListValues, source: str = "decided") -> list[Step]:
    """
    Return the steps from a table of rows (`arrival`, `e_kind`, and a column for each fact that rules read) to the
    table `truths`: `arrival` and one BOOLEAN per rule, in id order, NULL where the rule is not evaluated for the kind
    of the event or comes out unknown.

    Which hits act, rollout shares and first matches of groups are judged from these truths, not here.
    """
    kinds: dict[str, list[str]] = {}
    for kind, (rules, _) in sorted(ruleset.by_kind.items()):
        for rule in rules:
            kinds.setdefault(rule.id, []).append(kind)
    judged = {id_: ruleset.expressions[id_] for id_ in sorted(ruleset.rules) if id_ in kinds}
    steps, written = share(judged.values(), dialect, lists, source, "part")
    columns = [column_of("arrival")]
    for id_ in sorted(ruleset.rules):
        truth = literal(None, FactType.BOOLEAN, dialect)
        if id_ in judged:
            of_kind = exp.In(this=column_of(KIND), expressions=[text(kind, dialect) for kind in kinds[id_]])
            truth = case((of_kind, written(judged[id_])))
        columns.append(as_expression(exp.alias_(truth, rule_column(id_), quoted=True)))
    query = exp.select(*columns).from_(exp.to_table(steps[-1].name if steps else source))
    return [*steps, Step("truths", query, keep=True)]
