"""What a page offers to take away: its derivation as source code for every target, and as LaTeX."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.derivation import Json
from chainrule.deriving import Derivation
from chainrule.emit import EmitError, source
from chainrule.words import LANGUAGES

_TARGETS = ("numpy", "torch", "jax", "c", "js")


class Exports:
    """Texts as lists of line numbers, since the sources of similar derivations share most of their lines."""

    def __init__(self) -> None:
        self._lines: dict[str, int] = {}

    @property
    def lines(self) -> list[str]:
        """Every line, at its number."""
        return list(self._lines)

    def of(self, derivation: Derivation, sizes: Mapping[str, int]) -> dict[str, Json]:
        """Return the texts of a derivation by target, those in LaTeX by language; C has these sizes.

        A target that does not support an operation is left out.
        """
        texts: dict[str, Json] = {}
        for target in _TARGETS:
            try:
                text = source(
                    derivation.record,
                    target,
                    sizes=dict(sizes) if target == "c" else None,
                    dtype="float64",
                    title=derivation.name,
                    verified=True,
                )
            except EmitError:
                continue
            texts[target] = self._numbered(text)
        texts["latex"] = {
            language: self._numbered(derivation.latex(lang=language, standalone=True)) for language in LANGUAGES
        }
        return texts

    def _numbered(self, text: str) -> list[Json]:
        return [self._lines.setdefault(line, len(self._lines)) for line in text.rstrip("\n").split("\n")]
