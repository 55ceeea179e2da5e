"""Lazy import of the formula language."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from chainrule.ir import Declaration, Program

_TRACING = "chainrule.trace.formula.tracing"


def trace_formula(
    text: str,
    shapes: Mapping[str, Any],
    functions: Mapping[str, str | None] | None = None,
    declarations: Sequence[Declaration] = (),
    names: Collection[str] = (),
) -> Program:
    """Build the program of a formula; see `tracing.trace_formula`."""
    program: Program = importlib.import_module(_TRACING).trace_formula(text, shapes, functions, declarations, names)
    return program


def formula_variables(text: str) -> list[str]:
    """Return the names of a formula's variables, in order of first use."""
    names: list[str] = importlib.import_module(_TRACING).formula_variables(text)
    return names
