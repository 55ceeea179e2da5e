"""Refusal of the arguments of NumPy functions that mean nothing in a recording."""

from __future__ import annotations

from chainrule.trace.source import refusal


def refuse_options(name: str, **options: object) -> None:
    """Raise TraceError if any option is given a value other than None."""
    for option, value in options.items():
        if value is not None:
            raise refusal(f"{name}(…, {option}=…) cannot be recorded; leave {option}= out")
