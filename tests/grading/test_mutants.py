"""Single mistakes in right answers are named at their lines; right answers in other styles are right.

These are samples; `python -m benchmarks mutants variants` grades all of them.
"""

from __future__ import annotations

import warnings

import pytest

from benchmarks.grading.corpus import BOOKS, NAMES, graded
from benchmarks.grading.mutants import Tally, judge
from benchmarks.grading.operators import sampled
from benchmarks.grading.styles import STYLES, variants
from benchmarks.grading.variants import Verdicts

QUICK = [name for name in NAMES if name not in BOOKS["published"].names][::3]
"""Answers that take little time."""


@pytest.mark.parametrize("name", QUICK)
def test_a_mistake_is_named_where_it_is(name: str) -> None:
    total = Tally()
    for mutant in sampled(name, 1):
        judge(mutant, total)
    assert not total.false_confirmations
    assert not total.false_mends
    assert total.found == total.mutants, total.missed


@pytest.mark.parametrize("style", STYLES)
def test_a_right_answer_is_right_in_any_style(style: str) -> None:
    found = Verdicts()
    start = 3 * list(STYLES).index(style)
    for name in (*NAMES[start:], *NAMES[:start]):
        for variant in variants(name, [style]) if found.variants < 2 else ():
            found.judge(variant)
    assert not found.not_right
    assert found.variants


def test_a_variant_is_another_program_of_the_same_answer() -> None:
    made = {variant.style: variant.source for variant in variants("two_layer_rows__textbook")}
    assert len(set(made.values())) == len(made)
    assert "dW2 = np.einsum('ji,j...->i...', a1, d2)" in made["einsum"]


def test_a_wrong_answer_is_not_found_right() -> None:
    found = Verdicts()
    variant = next(variants("two_layer_rows__textbook", ["renamed"]))
    wrong = variant.source.replace("a1.T @ own_", "2 * a1.T @ own_")
    assert wrong != variant.source
    found.judge(type(variant)(variant.name, variant.style, variant.called, wrong))
    assert len(found.not_right) == 1
    assert graded("two_layer_rows__textbook", variant.source).right


def test_an_answer_is_graded_without_warnings() -> None:
    right = BOOKS["published"].text
    wrong = right.replace("np.sum(xhat * dout, axis=0)", "np.sum(xhat * dout, axis=1)")
    assert wrong != right
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not graded("normalized__short", wrong).right
    assert not caught


def test_an_entry_at_a_place_that_is_looked_up_wrongly_is_not_confirmed() -> None:
    right = BOOKS["published"].text
    wrong = right.replace("correct_class_score = scores[y[i]]", "correct_class_score = scores[y[i - 1]]")
    assert wrong != right
    first = graded("hinge__loops", wrong).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == ("correct_class_score = scores[y[i - 1]]", "index")
