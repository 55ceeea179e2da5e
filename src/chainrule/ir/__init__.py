"""The intermediate representation: types, nodes, programs. It is independent of the primitives."""

from chainrule.ir.arrays import MASKED, MATRIX, plain_array, refuse_subclass
from chainrule.ir.caching import Memo, cached_property
from chainrule.ir.declarations import SHORT_WORDS, Declaration, Property, parse_declarations
from chainrule.ir.demands import Demand
from chainrule.ir.dims import Dim, SymbolicDim, bind_dim, dim_product, dim_quotient, named_dim, reading_order
from chainrule.ir.display import media_bundle
from chainrule.ir.errors import DeclarationError, DTypeError, ProgramError, ShapeError, refuses_deep_nesting
from chainrule.ir.locks import fork_safe_lock
from chainrule.ir.nodes import OPERATORS, Apply, Const, Input, Node, Operand, applies
from chainrule.ir.program import PROGRAM_DISPLAYS, Program, rebuild, rebuild_all, substitute, topological_order
from chainrule.ir.types import ArrayType, DType, Shape, concrete, parse_shape, shape_text, sizes_text

__all__ = [
    "MASKED",
    "MATRIX",
    "OPERATORS",
    "PROGRAM_DISPLAYS",
    "SHORT_WORDS",
    "Apply",
    "ArrayType",
    "Const",
    "DType",
    "DTypeError",
    "Declaration",
    "DeclarationError",
    "Demand",
    "Dim",
    "Input",
    "Memo",
    "Node",
    "Operand",
    "Program",
    "ProgramError",
    "Property",
    "Shape",
    "ShapeError",
    "SymbolicDim",
    "applies",
    "bind_dim",
    "cached_property",
    "concrete",
    "dim_product",
    "dim_quotient",
    "fork_safe_lock",
    "media_bundle",
    "named_dim",
    "parse_declarations",
    "parse_shape",
    "plain_array",
    "reading_order",
    "rebuild",
    "rebuild_all",
    "refuse_subclass",
    "refuses_deep_nesting",
    "shape_text",
    "sizes_text",
    "substitute",
    "topological_order",
]
