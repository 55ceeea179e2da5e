"""Formula text to a Program: a small language of its own, parsed and never evaluated."""

from chainrule.trace.formula import syntax
from chainrule.trace.formula.errors import FormulaError
from chainrule.trace.formula.parser import parse
from chainrule.trace.formula.reading import formula_variables, trace_formula
from chainrule.trace.formula.words import FUNCTION_NAMES, canonical_name

__all__ = ["FUNCTION_NAMES", "FormulaError", "canonical_name", "formula_variables", "parse", "syntax", "trace_formula"]
