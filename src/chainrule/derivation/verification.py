"""The result of a verification."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chainrule.charts import escape
from chainrule.derivation.claims import (
    Claim,
)
from chainrule.derivation.proofreading import Misreading
from chainrule.derivation.words import join, say
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

    told: tuple[int, ...]
    """The number of points at which each line was decided."""
    points: int
    worst_relative_error: float
    finite_difference_error: float
    failures: tuple[Failure, ...]
    lines_read: int = 0
    """The number of printed lines that were read back, in text and in LaTeX."""
    misreadings: tuple[Misreading, ...] = ()
    """The printed lines that read as something else, or cannot be read."""
    unread: tuple[str, ...] = ()
    """The printed lines in a notation that is not read back, such as that of sliding windows."""
    further: bool = False
    """Whether the lines are those of a Hessian or of Jacobians, with the backward pass behind them."""

    @property
    def lines(self) -> int:
        """The number of lines."""
        return len(self.told)

    @property
    def lines_checked(self) -> int:
        """The number of lines that were decided at a point at least."""
        return self.lines - len(self.unchecked)

    @property
    def unchecked(self) -> tuple[int, ...]:
        """The lines that could not be decided at any point."""
        return tuple(line for line, count in enumerate(self.told, start=1) if not count)

    @property
    def at_fewer_points(self) -> dict[int, int]:
        """The lines that were decided, at fewer than `points` points, each with their number.

        At the other points that were tried they are next to a kink or a pole, not finite, or known to few digits.
        """
        return {line: count for line, count in enumerate(self.told, start=1) if 0 < count < self.points}

    @property
    def holds(self) -> bool:
        """Whether every line holds at every point that decides it, regardless of how it is printed."""
        return not self.failures and self.lines_checked == self.lines

    @property
    def ok(self) -> bool:
        """Whether every line holds at every point that decides it, and reads as its claim."""
        return self.holds and not self.misreadings

    def joined(self, other: Verification) -> Verification:
        """Combine the result with that of further lines."""
        return Verification(
            self.told + other.told,
            self.points,
            max(self.worst_relative_error, other.worst_relative_error),
            max(self.finite_difference_error, other.finite_difference_error),
            self.failures + tuple(replace(each, line=self.lines + each.line) for each in other.failures),
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
            if fewer := self.at_fewer_points:
                each = [say(lang, "line at points", str(line), str(count)) for line, count in fewer.items()]
                words += say(lang, "at fewer points", join(lang, each))
        return "".join(map(str, words))

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Verification: {self.text('en')}>"

    def _repr_html_(self) -> str:
        return f"<p>{'✓' if self.ok else '✗'} {escape(self.text())}</p>"
