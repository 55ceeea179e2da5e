"""The three forms of a record: the matrix form, the chain rule path by path, the index form."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from chainrule.derivation.document import Detail, Document
from chainrule.derivation.index_form import IndexForm
from chainrule.derivation.matrix_form import MatrixForm
from chainrule.derivation.path_form import PathForm
from chainrule.derivation.record import Record
from chainrule.derivation.sections import Sections
from chainrule.derivation.valuation import Valuation
from chainrule.words import Language

Form: TypeAlias = Literal["path", "matrix", "index"]
FORMS: Final = ("path", "matrix", "index")

_FORMS: dict[Form, type[Sections]] = {"path": PathForm, "matrix": MatrixForm, "index": IndexForm}


def write_document(
    record: Record, form: Form, language: Language, detail: Detail = "full", values: Valuation | None = None
) -> Document:
    """Write the derivation of `record` in one form and one language, with `values` as a worked example."""
    return sections_of(record, form, language, detail, values).document()


def sections_of(
    record: Record, form: Form, language: Language, detail: Detail = "full", values: Valuation | None = None
) -> Sections:
    """Return what writes the sections of `record` in one form."""
    return _FORMS[form](record, language, detail, values)
