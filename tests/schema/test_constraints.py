"""Every rule rejects invalid values, with the same kind of message for arguments and for files."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pytest

from chainrule.schema import (
    COUNT,
    FILLED,
    FINITE,
    FLAG,
    FRACTION,
    MANY,
    NONE,
    NOT_BELOW_0,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    WITHIN,
    DescriptionError,
    Rule,
    Schema,
    checked,
    different,
    each,
    keep,
    number,
    one_of,
    one_or_several,
    shown,
    whole,
)

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]

CASES: list[tuple[Rule, str, list[Any], list[Any]]] = [
    (
        FINITE,
        "a finite number",
        [0, -1.5, np.float32(2), Fraction(1, 3)],
        [True, np.True_, "1", None, math.nan, math.inf],
    ),
    (POSITIVE, "a positive, finite number", [1, 5e-324], [0, -1, math.inf, math.nan, True, 10**400]),
    (NOT_NEGATIVE, "a finite number of at least 0", [0, 0.0, 3], [-5e-324, math.inf, math.nan, False]),
    (SHARE, "a number from 0 to below 1", [0, 0.5], [1, 1.0, -0.1, math.nan, True]),
    (FRACTION, "a number from 0 to 1", [0, 1], [1.0000001, -1e-9, math.nan]),
    (WITHIN, "a number between 0 and 1", [0.5], [0, 1, math.nan]),
    (number(at_least=0, at_most=math.inf), "a number of at least 0", [0, math.inf], [-1, math.nan, -math.inf]),
    (number(above=2), "a finite number above 2", [2.5], [2, math.inf]),
    (COUNT, "a whole number of at least 1", [1, np.int64(3)], [0, 1.0, True, np.True_, "1", None]),
    (NOT_BELOW_0, "a whole number of at least 0", [0, 10**400], [-1, 0.0, False]),
    (whole(), "a whole number", [0, -5], [0.5, True]),
    (whole(at_least=1, at_most=4096), "a whole number from 1 to 4,096", [1, 4096], [0, 4097]),
    (FLAG, "True or False", [True, np.False_], [0, 1, None, "yes"]),
    (NONE, "None", [None], [0, False, ""]),
    (FILLED, "text that is not empty", ["a"], ["", 1, None]),
    (one_of("a", "b"), "one of a, b", ["a", "b"], ["c", "", None, 1, ["a"], np.array(["a", "b"])]),
    (one_of("auto"), "'auto'", ["auto"], ["Auto", None]),
    (NONE | COUNT, "None or a whole number of at least 1", [None, 2], [0, True, "none"]),
    (
        one_or_several(COUNT),
        "a whole number of at least 1, or a list of such",
        [1, [1, 2], (), np.arange(1, 3)],
        [0, [1, 0], "ab"],
    ),
    (
        one_or_several(WITHIN, 1),
        "a number between 0 and 1, or a list of such",
        [0.5, [0.5]],
        [[], [1], np.ones((2, 2)) / 2],
    ),
    (each(COUNT), "a whole number of at least 1 in each place", [(), (1, 2)], [(1, 0), (True,), [1]]),
    (different("texts"), "different texts", [(), ("a", "b")], [("a", "a")]),
    (different("texts", at_least=2), "different texts, at least 2", [("a", "b")], [("a",), ("a", "a")]),
    (MANY, "a list that is not empty", [(1,)], [()]),
]


@pytest.mark.parametrize(
    ("rule", "says", "right", "wrong"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_rule_allows_what_it_says(rule: Rule, says: str, right: list[Any], wrong: list[Any]) -> None:
    assert rule.says == says
    for value in right:
        assert rule.holds(value), value
    for value in wrong:
        assert not rule.holds(value), value
        with pytest.raises(ValueError, match=r"^it(\[\d\])? is .*; it should be ") as caught:
            checked("it", value, rule, ValueError)
        assert says.removesuffix(" in each place") in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("rule", "given", "kept"),
    [
        (FINITE, 3, 3.0),
        (COUNT, np.int32(3), 3),
        (FLAG, np.True_, True),
        (each(FINITE), (1, 2), (1.0, 2.0)),
        (NONE | FINITE, 1, 1.0),
    ],
)
def test_a_value_is_kept_in_one_type(rule: Rule, given: Any, kept: Any) -> None:
    found = checked("it", given, rule, ValueError)
    assert found == kept
    assert type(found) is type(kept)


def test_what_was_meant_is_said() -> None:
    with pytest.raises(ValueError, match=r"solver is 'adm'; it should be one of sgd, adam; did you mean 'adam'\?$"):
        checked("solver", "adm", one_of("sgd", "adam"), ValueError)
    with pytest.raises(ValueError, match=r"^widths\[1\] is 0; it should be a whole number of at least 1$"):
        checked("widths", (3, 0), each(COUNT), ValueError)
    with pytest.raises(ValueError, match=r"^solver is the class Rule; give an instance$"):
        checked("solver", Rule, FINITE, ValueError)


def test_a_long_value_is_shown_in_short() -> None:
    assert shown("x" * 1000) == "'" + "x" * 58 + "…"
    assert shown(10**5000) == "a huge number"
    assert "\n" not in shown(np.eye(9))


@dataclass(frozen=True)
class Base:
    rate: Annotated[float, POSITIVE, "the rate"] = 1.0
    count: Annotated[int, COUNT] | None = None

    def __post_init__(self) -> None:
        keep(self, LookupError)


@dataclass(frozen=True)
class Derived(Base):
    """States a field anew without a rule, has a rule of its own, and a type that only a type checker knows."""

    rate: float = 2.0
    share: Annotated[float, SHARE] = 0.0


@dataclass(frozen=True)
class Untold(Base):
    extra: Unknown = None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Base(rate=0), "^the rate is 0; it should be a positive, finite number$"),
        (lambda: Base(count=0), "^count is 0; it should be None or a whole number of at least 1$"),
        (lambda: Base(count=True), "^count is True"),
        (lambda: Derived(rate=-1), "^the rate is -1"),
        (lambda: Derived(share=1), "^share is 1; it should be a number from 0 to below 1$"),
        (lambda: Untold(rate="x"), "^the rate is 'x'"),  # type: ignore[arg-type]
    ],
)
def test_fields_are_held_to_their_rules(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(LookupError, match=said):
        make()


def test_fields_are_kept_as_their_rules_do() -> None:
    found = Derived(rate=3, count=np.int64(2))  # type: ignore[arg-type]
    assert (type(found.rate), type(found.count)) == (float, int)


@pytest.mark.parametrize(
    ("rule", "says", "right", "wrong"), CASES[:12], ids=lambda value: value if isinstance(value, str) else ""
)
def test_files_are_held_to_the_same_rules(rule: Rule, says: str, right: list[Any], wrong: list[Any]) -> None:
    schema = Schema()
    inner = int if "whole" in says else float
    for value in wrong:
        if not isinstance(value, np.generic):
            with pytest.raises(DescriptionError, match=f"^it is .*; it should be {says}"):
                schema.read(Annotated[inner, rule], value, "it")
    for value in right:
        if isinstance(value, int | float) and abs(value) < 2**62:
            assert schema.read(Annotated[inner, rule], value, "it") == value
