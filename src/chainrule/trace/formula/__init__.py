"""Formulas: text in a small language of its own, parsed and never evaluated.

The parser is imported with the first formula, since most programs use none.
"""

from chainrule.trace.formula.errors import FormulaError
from chainrule.trace.formula.lazy import formula_variables, trace_formula
from chainrule.trace.formula.questions import Question, question_of
from chainrule.trace.formula.words import FUNCTION_NAMES, canonical_name

__all__ = [
    "FUNCTION_NAMES",
    "FormulaError",
    "Question",
    "canonical_name",
    "formula_variables",
    "question_of",
    "trace_formula",
]
