"""What is wrong with the arguments of a derivation."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.words import ChainruleError


class DerivationError(ChainruleError, ValueError):
    """A derivation was requested for something that the function does not have."""


def check_choice(name: str, choice: str, choices: Sequence[str]) -> None:
    """Raise DerivationError for an argument `name` that is none of its `choices`."""
    if choice not in choices:
        raise DerivationError(f"{name} is {choice!r}; it can be {', '.join(choices)}")
