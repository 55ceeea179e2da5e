"""Changes of a statement that differ by one name are compiled once: what runs is what the changed statement says."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from types import CodeType
from typing import Any

import numpy as np

from chainrule.grading.building import OTHER
from chainrule.grading.changes import Scope
from chainrule.grading.edits import edits
from chainrule.grading.instruments import with_name

VALUES: Mapping[str, Any] = {"x": np.arange(1.0, 5).reshape(2, 2), "y": np.full((2, 2), 3.0), "_factor__0": 0.25}
SCOPE = Scope(["x", "y"], [], {"1/4": "_factor__0"}, None, False)


def code_of(statement: ast.stmt) -> CodeType:
    return compile(ast.fix_missing_locations(ast.Module([statement], [])), "<statement>", "exec")


def value(code: CodeType) -> Any:
    space: dict[str, Any] = {**VALUES, "__transpose__": np.transpose}
    with np.errstate(all="ignore"):
        try:
            exec(code, space)
        except (ValueError, AttributeError, np.exceptions.AxisError) as error:
            return type(error).__name__
    return {name: np.asarray(space[name]).tolist() for name in ("z", *VALUES) if name in space}


def test_a_name_put_into_the_code_of_a_pattern_is_the_changed_statement() -> None:
    (statement,) = ast.parse("z = x @ (y + x * 2)").body
    named = [edit for edit in edits(statement, SCOPE) if edit.name]
    assert {edit.name for edit in named} == {"x", "y", "_factor__0"}
    more = dataclasses.replace(SCOPE, variables=["x", "y", "u", "v", "w"])
    assert len({edit.pattern for edit in edits(statement, more)}) == len({e.pattern for e in edits(statement, SCOPE)})
    for edit in named:
        code = with_name(code_of(edit.pattern), OTHER, edit.name)
        assert code is not None
        assert value(code) == value(code_of(edit.statement)), ast.unparse(edit.statement)


def test_the_statement_of_an_edit_shares_what_it_does_not_change() -> None:
    (statement,) = ast.parse("z = x @ np.sum([[y[i, j] * x[i] for i in range(3)] for j in range(2)]) + 2 * x").body
    before = ast.dump(statement)
    for edit in (edit for edit in edits(statement, SCOPE) if edit.name):
        pattern, old = ast.dump(edit.pattern), {id(node) for node in ast.walk(edit.pattern)}
        assert OTHER not in ast.dump(edit.statement)
        assert ast.dump(edit.pattern) == pattern
        # What holds a changed name is new, up to the statement; all else is that of the pattern.
        new = [node for node in ast.walk(edit.statement) if id(node) not in old]
        assert len(new) <= sum(OTHER in ast.dump(node) for node in ast.walk(edit.pattern))
    assert ast.dump(statement) == before


def test_a_name_that_a_scope_inside_has_too_is_not_put_into_code() -> None:
    for text in (f"z = sum([{OTHER} for x in y])", f"z = (lambda x: {OTHER})(1)", f"z = sum(x * {OTHER} for x in y)"):
        (statement,) = ast.parse(text).body
        assert with_name(code_of(statement), OTHER, "x") is None


def test_what_a_diagnosis_quotes_is_code_that_a_learner_could_write() -> None:
    for text in ("z = x @ y", "z = np.dot(x, y)", "z = x * (y @ x.T)", "z = x.dot(y)", "z = np.multiply(x, y)"):
        (statement,) = ast.parse(text).body
        quoted = {quote for edit in edits(statement, SCOPE) for quote in (edit.before, edit.after)}
        assert not any("__transpose__" in quote for quote in quoted)
        assert any(".T" in quote for quote in quoted)
