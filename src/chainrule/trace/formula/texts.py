"""The way into the language of formulas, which loads it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from chainrule.ir import Program

_READING = "chainrule.trace.formula.reading"


def trace_formula(text: str, shapes: Mapping[str, Any], functions: Mapping[str, str | None] | None = None) -> Program:
    """The program that a formula computes; see `reading.trace_formula`."""
    program: Program = importlib.import_module(_READING).trace_formula(text, shapes, functions)
    return program


def formula_variables(text: str) -> list[str]:
    """The names of a formula's variables, in the order in which they are first used."""
    names: list[str] = importlib.import_module(_READING).formula_variables(text)
    return names
