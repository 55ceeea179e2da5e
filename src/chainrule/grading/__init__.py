"""Grading of handwritten backward passes: the meaning of each line, the first wrong one, and its mistake."""

from chainrule.grading.cohorts import Cohort, Submission, grade_folder
from chainrule.grading.diagnosis import Diagnosis
from chainrule.grading.grades import Grade, Line
from chainrule.grading.grading import AnswerFile, grade
from chainrule.grading.instruments import GradeError

__all__ = [
    "AnswerFile",
    "Cohort",
    "Diagnosis",
    "Grade",
    "GradeError",
    "Line",
    "Submission",
    "grade",
    "grade_folder",
]
