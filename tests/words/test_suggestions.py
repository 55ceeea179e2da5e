"""Suggestions for names that are not known."""

from __future__ import annotations

import pytest

from chainrule.words import nearest, suggestion

KNOWN = frozenset({"weights", "bias", "W1", "Bias2"})


@pytest.mark.parametrize(
    ("name", "meant"), [("wieghts", "weights"), ("WEIGHTS", "weights"), ("bias2", "Bias2"), ("w1", "W1"), ("x", None)]
)
def test_the_name_that_is_spelt_most_alike(name: str, meant: str | None) -> None:
    assert nearest(name, KNOWN) == meant


def test_likeness_decides_what_is_suggested() -> None:
    assert nearest("W", ["W1"]) == "W1"
    assert nearest("W", ["W1"], likeness=0.7) is None


def test_what_a_message_ends_with() -> None:
    assert suggestion("wieghts", KNOWN, "; it has none") == "; did you mean 'weights'?"
    assert suggestion("x", KNOWN, "; it has none") == "; it has none"
    assert suggestion("x", KNOWN) == ""
