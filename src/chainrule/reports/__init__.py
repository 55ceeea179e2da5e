"""Reports on trained networks: scores, mistakes, importance, advice; as text, JSON and a web page."""

from chainrule.reports.advice import advice
from chainrule.reports.alone import alone
from chainrule.reports.calibration import Calibration, Thresholds
from chainrule.reports.dependence import Dependence, Grid, partial_dependence
from chainrule.reports.importance import Importance, permutation_importance
from chainrule.reports.mistakes import Confusion, Level, Residuals
from chainrule.reports.page import render_page
from chainrule.reports.report import (
    Column,
    DataSummary,
    FitSummary,
    Refit,
    Report,
    Rows,
    Run,
    ScoreSummary,
    Settings,
    Trial,
)
from chainrule.reports.scoring import MEDIAN, ahead, better, class_scores, decisive, number_scores
from chainrule.reports.terminal import (
    columns_text,
    curve_text,
    importance_text,
    mistakes_text,
    probabilities_text,
    scores_text,
    trials_text,
)
from chainrule.reports.verdicts import ending, refit_text, score_notes, verdict
from chainrule.reports.words import say, score_text, table_name

__all__ = [
    "MEDIAN",
    "Calibration",
    "Column",
    "Confusion",
    "DataSummary",
    "Dependence",
    "FitSummary",
    "Grid",
    "Importance",
    "Level",
    "Refit",
    "Report",
    "Residuals",
    "Rows",
    "Run",
    "ScoreSummary",
    "Settings",
    "Thresholds",
    "Trial",
    "advice",
    "ahead",
    "alone",
    "better",
    "class_scores",
    "columns_text",
    "curve_text",
    "decisive",
    "ending",
    "importance_text",
    "mistakes_text",
    "number_scores",
    "partial_dependence",
    "permutation_importance",
    "probabilities_text",
    "refit_text",
    "render_page",
    "say",
    "score_notes",
    "score_text",
    "scores_text",
    "table_name",
    "trials_text",
    "verdict",
]
