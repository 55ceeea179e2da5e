"""Text utilities for all packages: base errors, suggestions, languages, and columns. Imports nothing else."""

from chainrule.words.callers import Named, at_callers_line, warn_caller
from chainrule.words.catalogue import translated
from chainrule.words.columns import cut, in_rows, may_part, padded, printable, runs, shortened, table, width_of, wrapped
from chainrule.words.errors import ArgumentError, ChainruleError, MissingDependencyError
from chainrule.words.guesses import attribute_message
from chainrule.words.html import html_page
from chainrule.words.languages import (
    HTML_LANGUAGES,
    LanguageError,
    Sentences,
    checked_language,
    listed_in,
    use,
    used_language,
)
from chainrule.words.speaking import LANGUAGE_VARIABLE, LANGUAGES, Language, chosen, speaking, spoken
from chainrule.words.suggestions import nearest, suggestion

__all__ = [
    "HTML_LANGUAGES",
    "LANGUAGES",
    "LANGUAGE_VARIABLE",
    "ArgumentError",
    "ChainruleError",
    "Language",
    "LanguageError",
    "MissingDependencyError",
    "Named",
    "Sentences",
    "at_callers_line",
    "attribute_message",
    "checked_language",
    "chosen",
    "cut",
    "html_page",
    "in_rows",
    "listed_in",
    "may_part",
    "nearest",
    "padded",
    "printable",
    "runs",
    "shortened",
    "speaking",
    "spoken",
    "suggestion",
    "table",
    "translated",
    "use",
    "used_language",
    "warn_caller",
    "width_of",
    "wrapped",
]
