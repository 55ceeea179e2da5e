"""Constraints on settings: rules as values, stated beside the annotation of a field.

    @dataclass(frozen=True)
    class Huber:
        delta: Annotated[float, POSITIVE, "delta of huber"] = 1.0

        def __post_init__(self) -> None:
            keep(self, NetworkError)

The same rule validates arguments and data read from files, with the same message. A string beside the rule is the name
of the field in messages.
"""

from __future__ import annotations

import inspect
import math
import numbers
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from chainrule.schema.errors import shown
from chainrule.words import suggestion

_SAID = 12
_SAID_CHARACTERS = 180
"""How many names a message lists, and how many characters of them, so that it remains a sentence."""


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Rule:
    """A predicate on values, with its description and a conversion. `a | b` allows the values of either rule.

    Parameters
    ----------
    choices
        Alternatives that complete "it should be …".
    holds
        Whether a value is allowed.
    kept
        The conversion of an allowed value.
    names
        The texts among which a suggestion is sought for a wrong text.
    inner
        The rule of each entry of a sequence; a message names the first wrong entry.


    >>> rule = NONE | whole(at_least=1) | one_of("auto")
    >>> rule.says, rule.holds("auto"), rule.holds(True)
    ("None, a whole number of at least 1 or 'auto'", True, False)

    """

    choices: tuple[str, ...]
    holds: Callable[[Any], bool]
    kept: Callable[[Any], Any] = _same
    names: tuple[str, ...] = field(default=(), kw_only=True)
    inner: Rule | None = field(default=None, kw_only=True)

    @property
    def says(self) -> str:
        """The description of allowed values, as a phrase."""
        *others, last = self.choices
        return f"{', '.join(others)} or {last}" if others else last

    def __or__(self, other: Rule) -> Rule:
        return Rule(
            self.choices + other.choices,
            lambda value: self.holds(value) or other.holds(value),
            lambda value: (self if self.holds(value) else other).kept(value),
            names=self.names + other.names,
        )


def number(
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> Rule:
    """Return the rule of real numbers within bounds, converted to float; finite, unless `at_most` is infinity.

    >>> number(at_least=0, below=1).says, number(above=0).says
    ('a number from 0 to below 1', 'a positive, finite number')
    """
    low = -math.inf if above is None and at_least is None else at_least if above is None else above
    high = math.inf if below is None and at_most is None else at_most if below is None else below
    assert low is not None
    assert high is not None

    def holds(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            return False
        try:
            found = float(value)
        except OverflowError:
            return False
        enough = found > low if at_least is None else found >= low
        return enough and (found <= high if at_most is not None else found < high)

    if high < math.inf:
        said = f"between {low:g} and {high:g}" if above is not None else f"from {low:g} to "
        said = said if above is not None else said + (f"below {high:g}" if at_most is None else f"{high:g}")
        return Rule((f"a number {said}",), holds, float)
    if low == -math.inf:
        return Rule(("a finite number",), holds, float)
    if above == 0:
        return Rule(("a positive, finite number",), holds, float)
    finite = "" if at_most is not None else "finite "
    return Rule((f"a {finite}number {'above' if above is not None else 'of at least'} {low:g}",), holds, float)


def whole(*, at_least: int | None = None, at_most: int | None = None) -> Rule:
    """Return the rule of integers within bounds, converted to int; bools are not integers here.

    >>> whole(at_least=1).says, whole(at_least=1, at_most=4096).says
    ('a whole number of at least 1', 'a whole number from 1 to 4,096')
    """

    def holds(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            return False
        found = int(value)
        return (at_least is None or found >= at_least) and (at_most is None or found <= at_most)

    if at_most is not None:
        said = f" from {at_least:,} to {at_most:,}"
    else:
        said = "" if at_least is None else f" of at least {at_least:,}"
    return Rule((f"a whole number{said}",), holds, int)


def one_of(*names: str) -> Rule:
    """Return the rule of texts among `names`, of which it says the first.

    >>> one_of("adam", "sgd").says
    'one of adam, sgd'
    """
    lengths = accumulate(len(name) + len(", ") for name in names[:_SAID])
    listed = names[: sum(length <= _SAID_CHARACTERS for length in lengths)]
    more = ", …" if len(names) > len(listed) else ""
    said = f"one of {', '.join(listed)}{more}" if len(names) > 1 else repr(names[0])
    return Rule((said,), lambda value: isinstance(value, str) and value in names, names=names)


def one_or_several(rule: Rule, at_least: int = 0, such: str = "a list of such") -> Rule:
    """Return the rule of values that `rule` allows, and of lists, tuples and 1-d arrays of such values."""

    def holds(value: Any) -> bool:
        if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1):
            return len(value) >= at_least and all(map(rule.holds, value))
        return rule.holds(value)

    return Rule((f"{rule.says}, or {such}",), holds)


def each(rule: Rule) -> Rule:
    """Return the rule of tuples whose entries `rule` allows."""
    return Rule(
        (f"{rule.says} in each place",),
        lambda values: isinstance(values, tuple) and all(map(rule.holds, values)),
        lambda values: tuple(map(rule.kept, values)),
        inner=rule,
    )


def different(what: str, at_least: int = 0) -> Rule:
    """Return the rule of sequences without duplicates; `what` names the entries, as in "texts"."""
    said = f"different {what}" + (f", at least {at_least}" if at_least else "")
    return Rule((said,), lambda values: len(values) >= at_least and len(set(values)) == len(values))


NONE = Rule(("None",), lambda value: value is None)
FLAG = Rule(("True or False",), lambda value: isinstance(value, bool | np.bool_), bool)
COUNT = whole(at_least=1)
NOT_BELOW_0 = whole(at_least=0)
FINITE = number()
POSITIVE = number(above=0)
NOT_NEGATIVE = number(at_least=0)
SHARE = number(at_least=0, below=1)
FRACTION = number(at_least=0, at_most=1)
WITHIN = number(above=0, below=1)
FILLED = Rule(("text that is not empty",), lambda value: isinstance(value, str) and value != "")
MANY = Rule(("a list that is not empty",), lambda value: len(value) > 0)


def refusal(what: str, value: object, rule: Rule) -> str:
    """Return the message for a value that `rule` does not allow."""
    if rule.inner is not None and isinstance(value, tuple | list):
        for place, entry in enumerate(value):
            if not rule.inner.holds(entry):
                return refusal(f"{what}[{place}]" if len(value) > 1 else what, entry, rule.inner)
    if isinstance(value, type):
        return f"{what} is {shown(value)}; give an instance"
    hint = suggestion(value, rule.names) if isinstance(value, str) else ""
    return f"{what} is {shown(value)}; it should be {rule.says}{hint}"


def checked(what: str, value: Any, rule: Rule, error: type[Exception]) -> Any:
    """Return `value` as converted by `rule`; raise `error`, which names it `what`, if the rule does not allow it.

    >>> checked("epochs", 3, COUNT, ValueError)
    3
    """
    if not rule.holds(value):
        raise error(refusal(what, value, rule))
    return rule.kept(value)


def keep(instance: Any, error: type[Exception]) -> None:
    """Validate and convert the fields of a dataclass that have rules; raise `error` for the first invalid one."""
    kind: type = type(instance)
    for name, (what, rule) in rules_of(kind).items():
        object.__setattr__(instance, name, checked(what, getattr(instance, name), rule, error))


@lru_cache(maxsize=256)
def rules_of(kind: type) -> Mapping[str, tuple[str, Rule]]:
    """Return the rules of a class and of its bases, by field, each with the name of the field in messages."""
    found: dict[str, tuple[str, Rule]] = {}
    for base in reversed(kind.__mro__):
        try:
            hints = inspect.get_annotations(base, eval_str=True)
        except NameError:  # annotations may name types that are imported only for type checking
            continue
        for name, hint in hints.items():
            stated = stated_in(hint)
            if stated is not None:
                found[name] = (stated[0] or name, stated[1])
    return found


def stated_in(hint: Any) -> tuple[str, Rule] | None:
    """Return the rule in an annotation, with the name beside it or ""; a rule within `… | None` allows None."""
    if get_origin(hint) is Annotated:
        extras = hint.__metadata__
        rule = next((each for each in extras if isinstance(each, Rule)), None)
        return None if rule is None else (next((each for each in extras if isinstance(each, str)), ""), rule)
    if get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
        inner = [found for found in map(stated_in, get_args(hint)) if found is not None]
        return (inner[0][0], NONE | inner[0][1]) if inner else None
    return None
