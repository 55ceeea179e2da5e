"""The verdict of a verification."""

from __future__ import annotations

from chainrule.cli.output import say_line
from chainrule.derivation import Verification
from chainrule.words import Language


def print_verification(verification: Verification, lang: Language) -> None:
    """Print the verdict."""
    say_line(verification.text(lang))
