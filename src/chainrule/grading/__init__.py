"""Grading hand-written backward passes: what each line is, the first wrong one, and what is wrong with it."""

from chainrule.grading.answers import GradeError
from chainrule.grading.diagnosis import Diagnosis
from chainrule.grading.grades import Grade, Line
from chainrule.grading.grading import AnswerFile, grade

__all__ = ["AnswerFile", "Diagnosis", "Grade", "GradeError", "Line", "grade"]
