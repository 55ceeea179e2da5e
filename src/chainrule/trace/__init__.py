"""The user's words to a Program.

A function in plain NumPy is called once, on values that record what is done; the text of a formula is parsed.
"""

from chainrule.trace.formula import FormulaError, canonical_name, formula_variables, syntax
from chainrule.trace.formula import parse as parse_formula
from chainrule.trace.pytree import TreeStructure, flatten, flatten_with_paths, map_leaves, unflatten
from chainrule.trace.source import TraceError
from chainrule.trace.specification import parse_type, split_list
from chainrule.trace.traced import Size, Traced, unwrap, wrap
from chainrule.trace.tracing import Tracing, trace, trace_with_structure

__all__ = [
    "FormulaError",
    "Size",
    "TraceError",
    "Traced",
    "Tracing",
    "TreeStructure",
    "canonical_name",
    "flatten",
    "flatten_with_paths",
    "formula_variables",
    "map_leaves",
    "parse_formula",
    "parse_type",
    "split_list",
    "syntax",
    "trace",
    "trace_with_structure",
    "unflatten",
    "unwrap",
    "wrap",
]
