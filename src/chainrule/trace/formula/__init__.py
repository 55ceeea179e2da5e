"""Formula text to a Program: a small language of its own, parsed and never evaluated.

Its parts are loaded with the first formula: most programs have none, and would pay for them at every start.
"""

from chainrule.trace.formula.errors import FormulaError
from chainrule.trace.formula.texts import formula_variables, trace_formula
from chainrule.trace.formula.words import FUNCTION_NAMES, canonical_name

__all__ = ["FUNCTION_NAMES", "FormulaError", "canonical_name", "formula_variables", "trace_formula"]
