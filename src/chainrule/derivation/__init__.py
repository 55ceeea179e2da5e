"""The record of a backward pass as checked claims, its forms, its sentences and its renderers."""

from chainrule.derivation.claims import (
    Claim,
    Expression,
    LossDerivative,
    StageDerivative,
    StageDifferential,
    StageValue,
)
from chainrule.derivation.differences import derivative_at_zero, is_smooth
from chainrule.derivation.document import DETAILS, Detail, Document, Equation, Frame, Remark, Words
from chainrule.derivation.forms import FORMS, Form, write_document
from chainrule.derivation.html import render_html, sentence_html
from chainrule.derivation.json import Json, json_text, render_json, render_recurrence
from chainrule.derivation.latex import latex_equations, render_latex
from chainrule.derivation.listing import equations, program_html, program_latex, program_markdown
from chainrule.derivation.markdown import render_markdown
from chainrule.derivation.marked import MarkedWriter, keys_of
from chainrule.derivation.mathml import math_of, parted
from chainrule.derivation.names import at_step
from chainrule.derivation.notator import Notator
from chainrule.derivation.points import Evaluator, add_derivatives, drawn
from chainrule.derivation.record import Record
from chainrule.derivation.recurrent import (
    Loop,
    Recurrent,
    Result,
    recurrent,
    recurrent_gradients,
    verified_recurrence,
    write_recurrence,
)
from chainrule.derivation.second.chains import SecondChains
from chainrule.derivation.second.further import (
    Derivatives,
    Further,
    derivatives_verifier,
    write_derivatives,
)
from chainrule.derivation.second.hessian import LAYOUTS, Layout, SecondOrder
from chainrule.derivation.second.jacobians import Jacobians
from chainrule.derivation.second.vector_chains import VectorChains
from chainrule.derivation.sizes import with_sizes_apart
from chainrule.derivation.small_sizes import small_sizes
from chainrule.derivation.style import MATH_FONTS
from chainrule.derivation.text import render_text, text_of
from chainrule.derivation.upstream import is_upstream, output_name, with_upstream
from chainrule.derivation.valuation import Valuation, ValuesError, given_name
from chainrule.derivation.verification import Failure, Verification
from chainrule.derivation.verify import POINTS, PRINTED, Verifier

__all__ = [
    "DETAILS",
    "FORMS",
    "LAYOUTS",
    "MATH_FONTS",
    "POINTS",
    "PRINTED",
    "Claim",
    "Derivatives",
    "Detail",
    "Document",
    "Equation",
    "Evaluator",
    "Expression",
    "Failure",
    "Form",
    "Frame",
    "Further",
    "Jacobians",
    "Json",
    "Layout",
    "Loop",
    "LossDerivative",
    "MarkedWriter",
    "Notator",
    "Record",
    "Recurrent",
    "Remark",
    "Result",
    "SecondChains",
    "SecondOrder",
    "StageDerivative",
    "StageDifferential",
    "StageValue",
    "Valuation",
    "ValuesError",
    "VectorChains",
    "Verification",
    "Verifier",
    "Words",
    "add_derivatives",
    "at_step",
    "derivative_at_zero",
    "derivatives_verifier",
    "drawn",
    "equations",
    "given_name",
    "is_smooth",
    "is_upstream",
    "json_text",
    "keys_of",
    "latex_equations",
    "math_of",
    "output_name",
    "parted",
    "program_html",
    "program_latex",
    "program_markdown",
    "recurrent",
    "recurrent_gradients",
    "render_html",
    "render_json",
    "render_latex",
    "render_markdown",
    "render_recurrence",
    "render_text",
    "sentence_html",
    "small_sizes",
    "text_of",
    "verified_recurrence",
    "with_sizes_apart",
    "with_upstream",
    "write_derivatives",
    "write_document",
    "write_recurrence",
]
