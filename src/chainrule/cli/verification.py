"""The verdict of a verification, as a sentence."""

from __future__ import annotations

from chainrule.cli.output import say_line
from chainrule.cli.sentences import Language
from chainrule.derivation import Verification


def print_verification(verification: Verification, lang: Language) -> None:
    """Print the verdict."""
    say_line(verification.text(lang))
