"""A few inputs of `support.fuzz` in every run; CHAINRULE_FUZZ_COUNT and CHAINRULE_FUZZ_SEED ask for others."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fuzz import Report, fuzz_derivations, fuzz_formulas, fuzz_functions

import chainrule as cr

COUNT = int(os.environ.get("CHAINRULE_FUZZ_COUNT", "1500"))
SEED = int(os.environ.get("CHAINRULE_FUZZ_SEED", "7"))
UNLIMITED = float("inf")  # how long each takes is measured by tests/support/fuzz.py, on a machine that is left alone


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def test_formulas_are_read_or_refused() -> None:
    cr.trace("sum(x)", x="n")  # imports what reads formulas, which opens files
    report = fuzz_formulas(COUNT, SEED, UNLIMITED)
    assert report.findings == []
    assert report.outcomes["accepted"] > COUNT // 20
    assert report.outcomes["FormulaError"] > COUNT // 20
    assert report.outcomes["of the user's code"] == 0


def test_functions_are_traced_or_refused() -> None:
    report = fuzz_functions(COUNT, SEED, UNLIMITED)
    assert report.findings == []
    assert report.outcomes["accepted"] > COUNT // 30
    assert report.outcomes["TraceError"] > COUNT // 20


def test_what_is_accepted_is_derived() -> None:
    report = fuzz_derivations(40, SEED, UNLIMITED)
    assert report.findings == []
    assert report.outcomes["of the user's code"] == 0


def test_a_given_gradient_smaller_than_what_it_is_of_stands_for_itself() -> None:
    derivation = cr.derive("where(A > 0, A, A .* A) · softmax(A · y)", A="n n", y="n")
    assert derivation.verify(points=1).ok


def test_findings_are_noticed() -> None:
    report = Report()
    report.checked("slow", lambda: None, limit=-1.0)
    report.checked("broken", lambda: cr.trace(3, x="n"), 9.0)  # type: ignore[arg-type]
    report.checked("several lines", lambda: (_ for _ in ()).throw(cr.FormulaError("a\nb")), 9.0)
    assert len(report.findings) == 2


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    report = Report()
    report.checked(text, lambda: cr.trace(text), UNLIMITED)
    assert report.findings == []
