"""The user's words to a Program: a function in plain NumPy is called once, on values that record what is done."""

from chainrule.trace.pytree import TreeStructure, flatten, flatten_with_paths, map_leaves, unflatten
from chainrule.trace.source import TraceError
from chainrule.trace.specification import parse_type
from chainrule.trace.traced import Size, Traced, unwrap, wrap
from chainrule.trace.tracing import Tracing, trace, trace_with_structure

__all__ = [
    "Size",
    "TraceError",
    "Traced",
    "Tracing",
    "TreeStructure",
    "flatten",
    "flatten_with_paths",
    "map_leaves",
    "parse_type",
    "trace",
    "trace_with_structure",
    "unflatten",
    "unwrap",
    "wrap",
]
