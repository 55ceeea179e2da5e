"""The verdicts of the quiz: right forms are right, wrong ones are not, and mistakes have the grader's diagnosis."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.gallery_samples import derived
from support.gallery_samples import page_of as gallery_page
from support.subprocesses import HANG

import chainrule as cr
from benchmarks.grading.corpus import book_of, graded
from benchmarks.grading.operators import sampled
from chainrule.explorer.page import unpacked
from chainrule.explorer.quiz import SIZES
from chainrule.explorer.start import starting_values
from chainrule.explorer.structures import of_function
from chainrule.grading import GradeError

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="no node is installed: what pages answer is not tested")

Answer = Mapping[str, Any]
Lines = Mapping[str, str]
Names = Mapping[str, NDArray[Any]]
Rewriting = Callable[..., ast.expr]
Verdict = dict[str, Any]


@cache
def page_of(name: str) -> dict[str, Any]:
    """The data of the page of a gallery entry, "" for that of networks."""
    return unpacked(gallery_page(name) if name else cr.explore().html())


def verdicts(page: str, *answers: Answer) -> list[Verdict]:
    """The verdicts of a page on answers."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(Path(__file__).with_name("quiz.mjs"))],
        input=json.dumps({"payload": page_of(page), "answers": answers}),
        capture_output=True,
        text=True,
        env={**os.environ, "MODULES": str(files("chainrule.explorer") / "page")},
        timeout=HANG,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[Verdict] = json.loads(done.stdout)
    return found


def verdict(page: str, target: str, text: str) -> Verdict:
    return verdicts(page, {"target": target, "text": text})[0]


ASKED = ("", "two_layer_columns", "softmax_regression", "attention", "layer_norm", "lstm_cell", "lora", "weight_decay")


@pytest.mark.parametrize("page", ASKED)
def test_every_line_is_right_as_it_is_printed(page: str) -> None:
    structures = page_of(page)["structures"]
    answers = [
        {"structure": number, "target": line["key"].replace("∂ ", "∂"), "text": line["asked"]}
        for number, structure in enumerate(structures)
        for line in structure["lines"]
        if line["asked"]
    ]
    assert len(answers) >= len(structures)
    for answer, found in zip(answers, verdicts(page, *answers), strict=True):
        assert found["verdict"] == "right", (answer, found)


RIGHT = [
    ("dW2", "a1ᵀ δ2"),
    ("dW2", "a1' d2"),
    ("dW2", "a1.T @ dz2"),
    ("dW2", "a1^T * delta_2"),
    ("dW2", "∂L/∂W2 = a1ᵀ δ2"),
    ("dW2", "dW2 = np.dot(a1.T, dL/dz2)"),
    ("dW2", "(δ2ᵀ a1)ᵀ"),
    ("dW2", "a₁ᵀ（δ₂）"),
    ("dW2", r"a_1^\top \delta_2"),
    ("dW2", r"\frac{\partial L}{\partial W_{2}} = \mathbf{a}_{1}^{T} \left(\delta^{(2)}\right);"),
    ("dW2", "a1.transpose() @ dz2"),
    ("dW2", "a1.t() @ dz2;"),
    ("dW2", "a1' ((a2 - y) .* a2 .* (1 - a2))"),
    ("dW2", "a1ᵀ ((a2 − y) ⊙ σ′(z2))"),
    ("dW2", "a1' * ((a2 - y) * sigmoid_prime(z2))"),
    ("dW2", "2 a1ᵀ δ2 / 2"),
    ("db2", "1ᵀ δ2"),
    ("db2", "δ2.sum(axis=0)"),
    ("db2", "np.sum(δ2, 0)"),
    ("db2", "½ 1ᵀ (2 δ2)"),
    ("db2", "(1/n) 1ᵀ δ2 n"),
    ("db2", "δ2' ones(n)"),
    ("db2", "n * mean(δ2, axis=0)"),
    ("dz2", "(a2 - y) ⊙ (a2 − a2²)"),
    ("dz2", "∂L/∂a2 ⊙ exp(-z2) / (1 + exp(-z2))^2"),
    ("dz2", r"\frac{\partial L}{\partial a_2} \odot \frac{\exp(-z_2)}{(1 + \exp(-z_2))^{2}}"),
    ("dz2", r"(a^{[2]} - y) \circ \sigma'(z^{[2]})"),
    ("da2", "−(y − a2)"),
]


def test_any_form_of_a_right_line_is_right() -> None:
    found = verdicts("", *({"target": target, "text": text} for target, text in RIGHT))
    assert [(text, each) for (_, text), each in zip(RIGHT, found, strict=True) if each["verdict"] != "right"] == []


MISTAKES = [
    ("dW2", "a1 δ2", "Transposed: a1 stands where a1ᵀ belongs."),
    ("dW2", r"a_1 \delta_2", "Transposed: a1 stands where a1ᵀ belongs."),
    ("dW2", "δ2 a1ᵀ", "The factors of the matrix product are in the wrong order: δ2 a1ᵀ should be a1ᵀ δ2."),
    ("dW2", "a1ᵀ ⊙ δ2", "Element by element where a matrix product belongs: a1ᵀ ⊙ δ2."),
    ("dW2", "a1ᵀ δ2 / n", "A factor is wrong: the value is 1/n times what it should be."),
    ("dW2", "z1ᵀ δ2", "The wrong operand: z1, where a1 belongs."),
    ("da2", "y - a2", "The sign is wrong: y − a2 should be a2 − y."),
    ("da2", "2 (a2 - y)", "A factor is wrong: the value is 2 times what it should be."),
    ("dz2", "∂L/∂a2", "The derivative of the activation, σ′(z2), is missing."),
    ("dz2", "∂L/∂a2 ⊙ σ′(a2)", "The derivative of the activation is taken at a2; it belongs at z2."),
    ("dz2", "∂L/∂a2 ⊙ σ′(z2) ⊙ σ′(z2)", "The derivative of the activation, σ′(z2), is there once too often."),
    ("db2", "δ2.sum(axis=1)", "The wrong axis: 1 (of size o), where 0 (of size n) belongs."),
    ("db2", "δ2", "The sum over axis 0 (the n entries there) is missing"),
]


@pytest.mark.parametrize(("target", "text", "sentence"), MISTAKES)
def test_a_mistake_has_its_sentence(target: str, text: str, sentence: str) -> None:
    found = verdict("", target, text)
    assert found["verdict"] == "known", found
    assert found["sentence"].startswith(sentence.rstrip(".")), found


REFUSED = [
    ("dW2", "", "unreadable"),
    ("dW2", "a1ᵀ (δ2", "unreadable"),
    ("dW2", "a1ᵀ δ2 +", "unreadable"),
    ("dW2", "a1[0] δ2", "unreadable"),
    ("dW2", "a1 $ δ2", "unreadable"),
    ("dW2", "a1ᵀ qqqqq", "unknown"),
    ("dW2", "∂L/∂W2", "later"),
    ("dW2", "dW2", "later"),
    ("dz2", "∂L/∂W1", "later"),
    ("dW2", "X W1 W2 W2", "misfit"),
    ("dW2", "sum(X)", "shape"),
    ("dW2", "W2 ⊙ W2 + 1", "unequal"),
    ("dW2", "0 W2", "unequal"),
    ("dW2", "W2 / 0", "unequal"),
    ("dW2", "sqrt(-1) W2", "unequal"),
]


def test_what_is_no_answer_is_refused_with_its_reason() -> None:
    found = verdicts("", *({"target": target, "text": text} for target, text, _ in REFUSED))
    assert [each["verdict"] for each in found] == [expected for _, _, expected in REFUSED]
    assert verdict("", "dW2", "a1ᵀ dz22")["nearest"] == "δ2"


# Variations by program, of which NumPy says whether they are right


BASES: Mapping[str, Lines] = {
    "two_layer_rows": {
        "da2": "a2 - y",
        "dz2": "da2 * sigmoid_prime(z2)",
        "dW2": "a1.T @ dz2",
        "db2": "dz2.sum(axis=0)",
        "da1": "dz2 @ W2.T",
        "dz1": "da1 * sigmoid_prime(z1)",
        "dW1": "X.T @ dz1",
        "db1": "dz1.sum(axis=0)",
    },
    "two_layer_columns": {
        "da2": "a2 - y",
        "dz2": "da2 * a2 * (1 - a2)",
        "dW2": "dz2 @ a1.T",
        "da1": "W2.T @ dz2",
        "dz1": "da1 * (a1 - a1 ** 2)",
        "dW1": "dz1 @ x.T",
    },
    "attention": {
        "dV": "P.T @ dO",
        "dP": "dO @ V.T",
        "dS": "P * (dP - np.sum(dP * P, axis=1, keepdims=True))",
        "dQ": "dS @ K / np.sqrt(d)",
        "dK": "dS.T @ Q / np.sqrt(d)",
    },
    "softmax_regression": {"dZ": "(P - Y) / n", "dW": "X.T @ dZ", "db": "dZ.sum(axis=0)"},
}
VARIATIONS = 14
"""Variations of each line."""


class Varied(ast.NodeTransformer):
    """Rewrites an expression at one place, in a form that is right or perhaps wrong."""

    def __init__(self, place: int, change: Callable[[ast.expr], ast.expr]) -> None:
        self._left, self._change = place, change

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.keyword) or not isinstance(node, ast.expr):
            return node
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_module(node.func):
            node.args = [self.visit(each) for each in node.args]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        elif not isinstance(node, ast.Call):
            self.generic_visit(node)
        self._left -= 1
        return self._change(node) if self._left == -1 else node


def _is_module(function: ast.Attribute) -> bool:
    return isinstance(function.value, ast.Name) and function.value.id == "np"


def _parsed(text: str, **parts: ast.expr) -> ast.expr:
    class Filled(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return parts.get(node.id, node)

    filled: ast.expr = Filled().visit(ast.parse(text, mode="eval").body)
    return filled


def kept(
    node: ast.expr, chance: random.Random, names: Mapping[str, NDArray[Any]], lines: Mapping[str, str]
) -> ast.expr:
    """Write an expression in another way that means the same."""
    match node:
        case ast.BinOp(left, ast.MatMult(), right) if chance.random() < 0.6:
            return _parsed("(R.T @ L.T).T", L=left, R=right)
        case ast.BinOp(left, ast.Mult(), right) if chance.random() < 0.6:
            return _parsed("R * L", L=left, R=right)
        case ast.BinOp(left, ast.Sub(), right) if chance.random() < 0.6:
            return _parsed(chance.choice(["-(R - L)", "L + -R", "-R + L"]), L=left, R=right)
        case ast.Name(name) if name in lines and chance.random() < 0.6:
            return ast.parse(lines[name], mode="eval").body
        case ast.Constant():
            return node
    return _parsed(
        chance.choice(["2 * E / 2", "-(-E)", "E * 3 - 2 * E", "E.T.T", "(E + E) / 2", "E / 0.5 * 0.5"]), E=node
    )


def altered(
    node: ast.expr, chance: random.Random, names: Mapping[str, NDArray[Any]], lines: Mapping[str, str]
) -> ast.expr:
    """Write something else, which is mostly wrong."""
    match node:
        case ast.BinOp(left, operator, right) if chance.random() < 0.7:
            made = [left, right, ast.BinOp(right, operator, left)]
            others: list[ast.operator] = [ast.Mult(), ast.MatMult(), ast.Add(), ast.Sub()]
            return chance.choice([*made, *(ast.BinOp(left, each, right) for each in others)])
        case ast.Attribute(inner, "T") if chance.random() < 0.7:
            return inner
        case ast.Call() if chance.random() < 0.5:
            text = ast.unparse(node)
            return ast.parse(
                text.replace("axis=0", "axis=9").replace("axis=1", "axis=0").replace("axis=9", "axis=1"), mode="eval"
            ).body
        case ast.Name() if chance.random() < 0.6:
            return ast.Name(chance.choice(sorted(names)))
        case ast.Constant():
            return ast.Constant(chance.choice([0, 1, 2, 3, 0.5]))
    return _parsed(
        chance.choice(["E.T", "-E", "2 * E", "E / 3", "E ** 2", "E + 1", "np.sum(E, axis=0)", "np.exp(E)"]), E=node
    )


def values_of(page: str) -> dict[str, Any]:
    """Values of every name of a derivation, with gradients as `dX`, at a point that the page does not know."""
    record = of_function(derived(page), None, None).derivation.record
    sizes = dict(zip(record.program.dim_names, SIZES, strict=False))
    point = starting_values(record, sizes=sizes, seed=99, spread_out=True)
    names: dict[str, Any] = {node.name: point(node) for node in record.program.inputs}
    names |= {stage.name: point(stage.symbol) for stage in record.backward.stages}
    names |= {f"d{entry.symbol.name}": point(entry.cotangent) for entry in record.backward.accumulations}
    return {name.replace("∂ ", "d"): value for name, value in names.items()} | {
        name: np.asarray(float(size)) for name, size in sizes.items()
    }


def sigmoid_prime(z: NDArray[Any]) -> NDArray[Any]:
    s = 1 / (1 + np.exp(-z))
    return np.asarray(s * (1 - s))


def on_paper(text: str) -> str:
    """Write NumPy as it is printed on the page; products of NumPy keep their brackets."""
    tree = ast.parse(text, mode="eval").body

    def written(node: ast.expr) -> str:
        match node:
            case ast.BinOp(left, operator, right):
                signs = {
                    ast.MatMult: " ",
                    ast.Mult: " ⊙ ",
                    ast.Add: " + ",
                    ast.Sub: " − ",
                    ast.Div: " / ",
                    ast.Pow: "^",
                }
                return f"({written(left)}){signs[type(operator)]}({written(right)})"
            case ast.UnaryOp(ast.USub(), inner):
                return f"−({written(inner)})"
            case ast.Attribute(inner, "T"):
                return f"({written(inner)})ᵀ"
            case ast.Call(ast.Attribute() as function, arguments):
                inner = arguments[0] if _is_module(function) else function.value
                options = [ast.unparse(each) for each in node.keywords]
                return f"{function.attr}({', '.join([written(inner), *options])})"
            case ast.Call(ast.Name("sigmoid_prime"), [inner]):
                return f"σ′({written(inner)})"
            case ast.Name(name):
                return name.replace("dz", "δ") if name in ("dz1", "dz2") else name
        return ast.unparse(node)

    return written(tree)


def elementwise(text: str) -> str:
    """Write NumPy as a formula, in which `*` alone may be a product of matrices."""
    return text if any(mark in text for mark in ("@", ".T", "axis")) else text.replace(" * ", " .* ")


def variations(page: str, target: str, values: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield variations of a line, and whether they are right."""
    chance = random.Random(f"{page} {target}")
    lines = BASES[page]
    before = dict(list(lines.items())[: list(lines).index(target)])
    later = set(lines) - set(before)
    names = {name: value for name, value in values.items() if np.ndim(value) > 0 and name not in later}
    names = {name: value for name, value in names.items() if not name.startswith("d") or name in (*before, "dO")}
    for _ in range(VARIATIONS):
        tree = ast.parse(lines[target], mode="eval").body
        rewritings: list[Rewriting] = [kept] * chance.randint(0, 3) + [altered] * chance.choice([0, 0, 1, 1, 2])
        for rewrite in rewritings:
            count = sum(isinstance(each, ast.expr) for each in ast.walk(tree))
            changed = Varied(chance.randrange(count), partial(rewrite, chance=chance, names=names, lines=before))
            tree = ast.parse(ast.unparse(changed.visit(tree)), mode="eval").body
        text = ast.unparse(tree)
        with np.errstate(all="ignore"):
            try:
                value = eval(text, {"np": np, "sigmoid_prime": sigmoid_prime, **values})
            except (ValueError, TypeError, np.exceptions.AxisError):
                yield text, False
                continue
        right = values[target]
        yield text, np.shape(value) == right.shape and np.allclose(value, right, 1e-7, 1e-10)


def test_no_wrong_line_is_accepted_and_no_right_one_refused() -> None:
    count = {True: 0, False: 0}
    for page, lines in BASES.items():
        values = values_of(page)
        cases = [(target, *each) for target in lines for each in variations(page, target, values)]
        for spelled in (elementwise, on_paper):
            answers = [{"target": target, "text": spelled(text)} for target, text, _ in cases]
            for answer, (_, text, right), found in zip(answers, cases, verdicts(page, *answers), strict=True):
                assert (found["verdict"] == "right") == right, (page, answer, text, right, found)
                count[right] += 1
    assert sum(count.values()) >= 500
    assert min(count.values()) >= 200, count


ANSWERS = (
    "two_layer_rows__textbook",
    "two_layer_columns__textbook",
    "two_layer_columns__primes",
    "attention__rows",
)
MUTANTS = int(os.environ.get("QUIZ_MUTANTS", "7"))
"""Mutants of each answer."""


def test_mistakes_have_the_diagnosis_of_the_grader() -> None:
    same, all_, missed = 0, 0, []
    for name in ANSWERS:
        page = name.partition("__")[0]
        mutants = [mutant for mutant in sampled(name, MUTANTS) if " = " in mutant.after and len(mutant.lines) == 1]
        lines = book_of(name).text.split("\n")
        answers = []
        for mutant in mutants:
            for text in (lines[mutant.line - 1].strip(), mutant.after):
                target, _, value = text.partition(" = ")
                answers.append({"target": target, "text": value})
        found = iter(verdicts(page, *answers))
        for mutant in mutants:
            before, after = next(found), next(found)
            if before["verdict"] != "right":  # a line that the page does not ask, or with a name of the answer's own
                continue
            try:
                grade = graded(name, mutant.source)
            except GradeError:
                continue
            first = grade.first_wrong
            assert (after["verdict"] == "right") <= grade.right, (mutant.after, after)
            if grade.right or first is None or first.diagnosis is None or first.number != mutant.line:
                continue
            all_ += 1
            if after.get("kind") == first.diagnosis.kind:
                same += 1
            else:
                missed.append(f"{page} {mutant.after}: {first.diagnosis.kind}, and here {after}")
    assert all_ >= len(ANSWERS) * MUTANTS // 2
    assert same >= 0.9 * all_, f"{same} of {all_}\n" + "\n".join(missed)
