"""Formulas as functions of arrays, parsed by the package's own parser and never evaluated as code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from chainrule.functions import call
from chainrule.ir import ArrayType, Node, Program, named_dim, rebuild
from chainrule.networks.errors import NetworkError
from chainrule.trace import canonical_name, formula_variables, trace

_ROWS = "rows"


@dataclass(frozen=True)
class Formula:
    """A formula in a few variables, each with synonyms; called with the value of each, in order.

    Works on arrays, nodes and traced values. Raises NetworkError, which lists the allowed names, for an unknown
    variable and for a variable under two names; FormulaError if it cannot be parsed.

    >>> Formula("z * sigmoid(z)", (("z", "x"),), "activation")([0.0, 1000.0])
    array([   0., 1000.])
    """

    text: str
    variables: tuple[tuple[str, ...], ...]
    what: str

    def __post_init__(self) -> None:
        taken = " and ".join(" or ".join(names) for names in self.variables)
        places = self._places()
        for name in formula_variables(self.text):
            if name not in places:
                raise NetworkError(f"the {self.what} {self.text!r} uses {name!r}; a formula here is in {taken}")
        for names in self.variables:
            used = [name for name in formula_variables(self.text) if name in map(canonical_name, names)]
            if len(used) > 1:
                raise NetworkError(
                    f"the {self.what} {self.text!r} uses {' and '.join(used)}, which are the same; write one of them"
                )

    def uses(self, position: int) -> bool:
        """Whether the formula uses the variable at `position`."""
        return any(self._places()[name] == position for name in formula_variables(self.text))

    def __call__(self, *values: Any) -> Any:
        return call(self._built, *values)

    def _places(self) -> dict[str, int]:
        return {canonical_name(name): k for k, names in enumerate(self.variables) for name in names}

    def _built(self, *values: Node) -> Node:
        places = self._places()
        types = tuple((name, values[places[name]].type) for name in formula_variables(self.text))
        program = _program(self.text, types)
        made: dict[Node, Node] = {program.input(name): values[places[name]] for name, _ in types}
        return rebuild(program.outputs, made.get)[0]


@lru_cache(maxsize=256)
def _program(text: str, types: tuple[tuple[str, ArrayType], ...]) -> Program:
    """Trace the formula for these types; a batch with as many rows as columns is not treated as a square matrix."""
    rows = {type_.shape[0] for _, type_ in types if type_.ndim == 2}
    count = rows.pop() if len(rows) == 1 else None
    if not isinstance(count, int):
        return trace(text, **dict(types))
    batch = {
        name: type_.with_shape((named_dim(_ROWS), *type_.shape[1:])) if type_.ndim == 2 else type_
        for name, type_ in types
    }
    return trace(text, **batch).bind({_ROWS: count})


def title_of(function: Callable[..., Any]) -> str:
    """Return the title of a function that has no text: `function NAME`."""
    return f"function {getattr(function, '__name__', type(function).__name__)}"
