"""The verdict of a verification, as a sentence."""

from __future__ import annotations

import click

from chainrule.cli.output import say_line
from chainrule.cli.sentences import Language
from chainrule.derivation import Verification


def print_verification(verification: Verification, lang: Language, as_comment: bool = False) -> None:
    """Print the verdict; `as_comment` for LaTeX."""
    if as_comment:
        click.echo(f"% {verification.text(lang)}")
    else:
        say_line(verification.text(lang))
