"""Tracing: from Python functions and formulas to a Program.

A NumPy function is called once, on values that record operations; formula text is parsed.
"""

import importlib
from typing import TYPE_CHECKING

from chainrule.trace.formula import (
    FormulaError,
    Question,
    canonical_name,
    formula_variables,
    question_of,
    trace_formula,
)
from chainrule.trace.inputs import leaf_names
from chainrule.trace.naming import named
from chainrule.trace.pytree import TreeStructure, flatten, flatten_with_paths, is_record, map_leaves, unflatten
from chainrule.trace.pytree import paths as leaf_paths
from chainrule.trace.recording import recording
from chainrule.trace.recurrence import scan
from chainrule.trace.rounds import keeping_recurrences
from chainrule.trace.source import TraceError
from chainrule.trace.specification import ShapeTree, parse_type, shapes_in, split_list
from chainrule.trace.traced import Size, Traced, released, unwrap, wrap
from chainrule.trace.tracing import Tracing, for_one_call, trace, trace_with_recurrences, trace_with_structure

if TYPE_CHECKING:
    from chainrule.trace.formula import syntax
    from chainrule.trace.formula.parser import parse as parse_formula


def __getattr__(name: str) -> object:
    """Import the formula parser and its syntax tree on first use."""
    if name == "parse_formula":
        return importlib.import_module("chainrule.trace.formula.parser").parse
    if name == "syntax":
        return importlib.import_module("chainrule.trace.formula.syntax")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "FormulaError",
    "Question",
    "ShapeTree",
    "Size",
    "TraceError",
    "Traced",
    "Tracing",
    "TreeStructure",
    "canonical_name",
    "flatten",
    "flatten_with_paths",
    "for_one_call",
    "formula_variables",
    "is_record",
    "keeping_recurrences",
    "leaf_names",
    "leaf_paths",
    "map_leaves",
    "named",
    "parse_formula",
    "parse_type",
    "question_of",
    "recording",
    "released",
    "scan",
    "shapes_in",
    "split_list",
    "syntax",
    "trace",
    "trace_formula",
    "trace_with_recurrences",
    "trace_with_structure",
    "unflatten",
    "unwrap",
    "wrap",
]
