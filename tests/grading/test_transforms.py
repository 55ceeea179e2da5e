"""Right answers in other styles are right."""

from __future__ import annotations

import pytest
from support.grading_transforms import TRANSFORMS, styled
from support.grading_truths import truths_of

from chainrule.cage import Limits
from chainrule.grading import GradeError
from chainrule.grading.grading import grade_against

LEAST = {"summed": 8, "scaled": 18, "nested": 18}
"""The number of answers to which a transformation applies, if not to all."""


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_right_answers_in_other_styles_are_right(transform: str) -> None:
    wrong: list[str] = []
    count = 0
    for name, answer in styled(transform):
        count += 1
        try:
            grade = grade_against(answer, truths_of(name), "it", Limits())
        except GradeError as error:
            wrong.append(f"{name}: {error}")
            continue
        if not grade.right:
            wrong.append(f"{name}:\n{grade}")
    assert not wrong, "\n".join(wrong)
    assert count >= LEAST.get(transform, 35)
