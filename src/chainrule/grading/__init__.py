"""Grading of handwritten backward passes: the meaning of each line, the first wrong one, and its mistake."""

from chainrule.grading.cohorts import Cohort, Submission, grade_folder
from chainrule.grading.diagnosis import Diagnosis
from chainrule.grading.edits import PRIORITY
from chainrule.grading.grades import Grade, Line
from chainrule.grading.grading import AnswerFile, grade
from chainrule.grading.instruments import GradeError
from chainrule.grading.references import batch_size
from chainrule.grading.words import mistake_sentences

__all__ = [
    "PRIORITY",
    "AnswerFile",
    "Cohort",
    "Diagnosis",
    "Grade",
    "GradeError",
    "Line",
    "Submission",
    "batch_size",
    "grade",
    "grade_folder",
    "mistake_sentences",
]
