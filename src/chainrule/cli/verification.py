"""The verdict of a verification, as a sentence."""

from __future__ import annotations

import click

from chainrule.cli.output import say_line
from chainrule.cli.sentences import Language, say
from chainrule.derivation import Verification


def verdict(verification: Verification, lang: Language) -> str:
    """How many lines hold, at how many points, to which error; or the first line that does not."""
    if not verification.ok and verification.failures:
        failure = verification.failures[0]
        return say(lang, "refuted", line=failure.line, error=f"{failure.relative_error:.1e}")
    return say(
        lang,
        "verified",
        checked=verification.lines_checked,
        lines=verification.lines,
        points=verification.points,
        error=f"{verification.worst_relative_error:.1e}",
        difference=f"{verification.finite_difference_error:.1e}",
    )


def print_verification(verification: Verification, lang: Language, as_comment: bool = False) -> None:
    """Print the verdict; `as_comment` for LaTeX."""
    if as_comment:
        click.echo(f"% {verdict(verification, lang)}")
    else:
        say_line(verdict(verification, lang))
