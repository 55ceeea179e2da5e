"""Values that are equal up to a factor are found by one product."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.grading.comparison import Candidates, constant_ratios, equal
from chainrule.grading.measures import Measures
from chainrule.grading.references import Truths

RNG = np.random.default_rng(0)
TRUE = [
    *(RNG.normal(size=shape) * scale for shape in ((4, 3), (3, 4), (12,), (12, 1)) for scale in (1e-12, 1, 1e9)),
    np.zeros((4, 3)),
    np.ones((4, 3)),
    np.full((4, 3), np.inf),
    np.full((3, 4), 1e-200),
    np.full((3, 4), 1e200),
    RNG.normal(size=(4, 3)) > 0,
    *np.eye(12),
]


def accepted(found: np.ndarray, true: np.ndarray) -> bool:
    return any(equal(a, true) or constant_ratios([a], [true]) is not None for a in (found, found.T))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("factor", [1, -1, 1 / 28, 3.0e4, 0])
def test_no_value_that_is_accepted_is_left_out(dtype: type[np.floating], factor: float) -> None:
    candidates = Candidates(TRUE)
    count = 0
    with np.errstate(all="ignore"):
        for true in TRUE:
            for error in (0, 9e-7, 5e-4):
                near = true * factor * (1 + error * RNG.choice([-1, 1], true.shape))
                for found in (near.astype(dtype), near.T.astype(dtype)):
                    if np.isfinite(found).all():
                        right = {k for k, other in enumerate(TRUE) if accepted(found, other)}
                        assert right <= set(candidates.near(found))
                        count += len(right)
    assert count > 20


def test_few_are_left() -> None:
    candidates = Candidates([RNG.normal(size=(5, 5)) for _ in range(200)])
    assert candidates.near(RNG.normal(size=(5, 5))) == []
    assert candidates.near(np.array(3.0) * candidates._rows[17].reshape(5, 5).T) == [17]


def test_a_number_that_equals_a_size_at_one_point_is_not_that_size() -> None:
    truth = Truths("sum((X @ w)^2)", None, {"X": "n 3", "w": "3"}).get()
    assert truth is not None
    sizes = [point.sizes["n"] for point in truth.points]
    measures = Measures(truth)
    assert len(set(sizes)) > 1
    assert measures.shape([np.zeros((1, sizes[0])) for _ in sizes]) == f"(1, {sizes[0]})"
    assert measures.shape([np.zeros((size, 1)) for size in sizes]) == "(n, 1)"
    assert measures.shape([np.zeros(size) for size in sizes]) == "(n,)"
