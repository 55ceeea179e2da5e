"""Published gradients are printed as published, up to the order of what commutes, and are right as they are read."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.printed_formulas import symbols
from support.problems import PROBLEMS
from support.problems.longer import REASONS
from support.problems.solving import Solution, spelled


@cache
def solution(name: str) -> Solution:
    return Solution(PROBLEMS[name])


def test_there_are_enough_problems() -> None:
    assert len(PROBLEMS) >= 340


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_gradient_is_printed_as_published(name: str) -> None:
    solved = solution(name)
    for symbol, ways in PROBLEMS[name].expected.items():
        assert solved.match(symbol) is not None, f"{symbol}: {solved.printed.get(symbol)} is none of {ways}"


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_gradient_is_right_as_printed_and_as_published(name: str) -> None:
    problem, solved = PROBLEMS[name], solution(name)
    for symbol, ways in problem.expected.items():
        derived = solved.page.gradients[spelled(symbol)]
        if symbol in problem.wrt:
            expected = solved.gradient(symbol)
            np.testing.assert_allclose(derived, expected, rtol=1e-7, atol=1e-8 * max(1, np.max(np.abs(expected))))
        chosen = solved.match(symbol)
        assert chosen is not None
        for formula in (*solved.printed[symbol], ways[0], ways[chosen]):
            assert solved.error(symbol, formula, derived) < 1e-9, formula


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_is_printed_is_no_longer_than_what_is_published_without_a_reason(name: str) -> None:
    solved = solution(name)
    longer = {
        (name, symbol)
        for symbol, ways in PROBLEMS[name].expected.items()
        if min(map(symbols, solved.printed[symbol])) > symbols(ways[0])
    }
    assert longer == {each for each in REASONS if each[0] == name}


def test_reasons_are_of_problems() -> None:
    assert all(symbol in PROBLEMS[name].expected for name, symbol in REASONS)
