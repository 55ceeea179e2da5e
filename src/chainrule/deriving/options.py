"""How a page is written: the arguments that every kind of derivation has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.derivation import DETAILS, FORMS, Detail, Form
from chainrule.deriving.errors import check_choice
from chainrule.words import Language, used_language


@dataclass(frozen=True)
class PageOptions:
    """The form, the language and the detail of a page, and the values of the inputs in a worked example."""

    form: Form
    lang: Language
    detail: Detail
    at: Mapping[str, Any] | None


def page_options(form: Form, lang: Language | None, detail: Detail, at: Mapping[str, Any] | None) -> PageOptions:
    """Check the arguments of a caller; the language is by default the one in use."""
    check_choice("form", form, FORMS)
    check_choice("detail", detail, DETAILS)
    return PageOptions(form, used_language(lang), detail, at)
