"""The grader measured: mutants of right answers, and right answers in other styles."""
