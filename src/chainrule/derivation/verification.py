"""The result of a verification."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.charts import escape
from chainrule.derivation.claims import (
    Claim,
)
from chainrule.derivation.proofreading import Misreading
from chainrule.derivation.words import say
from chainrule.words import Language, used_language


@dataclass(frozen=True)
class Failure:
    """A claim that does not hold."""

    line: int
    claim: Claim
    relative_error: float


@dataclass(frozen=True, repr=False)
class Verification:
    """The result of `verify`: the numbers of lines and points, and the largest relative errors.

    Examples
    --------
    >>> import chainrule as cr
    >>> verification = cr.derive("sum(sin(x))", x="n").verify()
    >>> verification.ok, verification.lines_checked == verification.lines, verification.failures
    (True, True, ())
    >>> verification.finite_difference_error < 1e-6
    True

    """

    lines: int
    lines_checked: int
    points: int
    worst_relative_error: float
    finite_difference_error: float
    failures: tuple[Failure, ...]
    unchecked: tuple[int, ...] = ()
    """The lines that could not be decided at any point."""
    lines_read: int = 0
    """The number of printed lines that were read back, in text and in LaTeX."""
    misreadings: tuple[Misreading, ...] = ()
    """The printed lines that read as something else, or cannot be read."""
    unread: tuple[str, ...] = ()
    """The printed lines in a notation that is not read back, such as that of sliding windows."""
    further: bool = False
    """Whether the lines are those of a Hessian or of Jacobians, with the backward pass behind them."""

    @property
    def holds(self) -> bool:
        """Whether every line holds at every point, regardless of how it is printed."""
        return not self.failures and self.lines_checked == self.lines

    @property
    def ok(self) -> bool:
        """Whether every line holds at every point, and reads as its claim."""
        return self.holds and not self.misreadings

    def joined(self, other: Verification) -> Verification:
        """Combine the result with that of further lines."""
        return Verification(
            self.lines + other.lines,
            self.lines_checked + other.lines_checked,
            self.points,
            max(self.worst_relative_error, other.worst_relative_error),
            max(self.finite_difference_error, other.finite_difference_error),
            self.failures + tuple(replace(each, line=self.lines + each.line) for each in other.failures),
            self.unchecked + tuple(self.lines + line for line in other.unchecked),
            self.lines_read + other.lines_read,
            self.misreadings + other.misreadings,
            self.unread + other.unread,
            self.further or other.further,
        )

    def text(self, lang: Language | None = None) -> str:
        """Return the result as a sentence, in English or Chinese."""
        lang = used_language(lang)
        if self.failures:
            first = self.failures[0]
            words = say(lang, "refuted", str(first.line), f"{first.relative_error:.1e}")
        elif self.misreadings:
            misread = self.misreadings[0]
            words = say(lang, "misread", misread.line, misread.reason)
        elif len(self.unchecked) == self.lines and self.lines:
            words = say(lang, "no point")
        elif self.unchecked:
            words = say(lang, "unchecked", str(self.unchecked[0]))
        else:
            errors = (f"{self.worst_relative_error:.1e}", f"{self.finite_difference_error:.1e}")
            words = say(
                lang, "verified further" if self.further else "verified", str(self.lines), str(self.points), *errors
            )
        return "".join(map(str, words))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Verification: {self.text('en')}>"

    def _repr_html_(self) -> str:
        return f"<p>{'✓' if self.ok else '✗'} {escape(self.text())}</p>"
