"""Export of a derivation, or of a program alone, as standalone source code: NumPy, JAX, PyTorch, C or JavaScript."""

from chainrule.emit import expressions
from chainrule.emit.c_file import function, header_text, signature_lines, structure
from chainrule.emit.c_unit import CUnit, declarations
from chainrule.emit.c_values import C_TYPES
from chainrule.emit.checking import check_gradients, note_verified
from chainrule.emit.code import Code
from chainrule.emit.dialects import DIALECTS, NOTATIONS
from chainrule.emit.errors import EmitError, UnverifiedError
from chainrule.emit.forward import Body, Forward, find_forward, forward_body
from chainrule.emit.js_object import passes_object
from chainrule.emit.js_unit import JsUnit, allocations
from chainrule.emit.layout import block, bracketed, broken
from chainrule.emit.live import LiveModule, live_module
from chainrule.emit.names import ascii_identifier, member_names
from chainrule.emit.python_file import functions, module_text
from chainrule.emit.source import TARGETS, source, source_with_loops
from chainrule.emit.spelled import spelled
from chainrule.emit.unit import Location, Statements

__all__ = [
    "C_TYPES",
    "DIALECTS",
    "NOTATIONS",
    "TARGETS",
    "Body",
    "CUnit",
    "Code",
    "EmitError",
    "Forward",
    "JsUnit",
    "LiveModule",
    "Location",
    "Statements",
    "UnverifiedError",
    "allocations",
    "ascii_identifier",
    "block",
    "bracketed",
    "broken",
    "check_gradients",
    "declarations",
    "expressions",
    "find_forward",
    "forward_body",
    "function",
    "functions",
    "header_text",
    "live_module",
    "member_names",
    "module_text",
    "note_verified",
    "passes_object",
    "signature_lines",
    "source",
    "source_with_loops",
    "spelled",
    "structure",
]
