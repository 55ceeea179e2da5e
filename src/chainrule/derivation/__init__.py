"""The record of a backward pass as checked claims, its forms, its words and its renderers."""

from chainrule.derivation.derivation import Derivation, DerivationError, derive
from chainrule.derivation.document import DETAILS, Detail
from chainrule.derivation.forms import FORMS, Form
from chainrule.derivation.listing import equations, program_html, program_latex, program_markdown
from chainrule.derivation.notate import Notator
from chainrule.derivation.text import text_of
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.derivation.verify import Failure, Verification, Verifier, small_sizes

__all__ = [
    "DETAILS",
    "FORMS",
    "Derivation",
    "DerivationError",
    "Detail",
    "Failure",
    "Form",
    "Notator",
    "Verification",
    "Verifier",
    "derive",
    "equations",
    "is_upstream",
    "output_name",
    "program_html",
    "program_latex",
    "program_markdown",
    "small_sizes",
    "text_of",
]
