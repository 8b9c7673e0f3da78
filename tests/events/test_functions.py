"""Address functions: their examples run, and no text makes them raise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodsend.events.functions import ADDRESS_FUNCTIONS, wilson
from goodsend.expr.check import compile_expression
from goodsend.expr.functions import CORE_FUNCTIONS
from goodsend.expr.model import Expression
from goodsend.facts import Catalog, FactType, Value

FUNCTIONS = {**CORE_FUNCTIONS, **ADDRESS_FUNCTIONS}
EXAMPLES = [(source, value) for function in ADDRESS_FUNCTIONS.values() for source, value in function.examples]


@pytest.mark.parametrize(("source", "expected"), EXAMPLES)
def test_examples_are_true(source: str, expected: Value) -> None:
    """Every example in the table gives what it says."""
    found = compile_expression(source, Catalog([]), FUNCTIONS, [], None)

    assert isinstance(found, Expression), [problem.render() for problem in found]
    assert expected == found.evaluate({})


@given(st.one_of(st.text(), st.from_regex(r"[a-z.@:/%\[\]+0-9]{0,30}", fullmatch=True)), st.text())
def test_no_text_raises(one: str, other: str) -> None:
    """Every function of texts is total, and gives a value of its type or NULL."""
    types = {FactType.TEXT: str, FactType.BOOLEAN: bool}
    for function in ADDRESS_FUNCTIONS.values():
        if all(parameter.type is FactType.TEXT for parameter in function.parameters):
            found = function.call(*(one, other)[: len(function.parameters)])
            assert found is None or isinstance(found, types[function.result])


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_wilson_brackets_the_share(successes: int, trials: int) -> None:
    """The interval holds the observed share and stays within 0…1; without trials there is none."""
    found = wilson(successes, trials)

    if trials == 0:
        assert found is None
    else:
        assert found is not None
        assert 0 <= found[0] <= min(successes / trials, 1) + 1e-12
        assert min(successes / trials, 1) - 1e-12 <= found[1] <= 1
