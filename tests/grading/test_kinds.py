"""Mistakes in the published answers, each named by its line and its kind."""

from __future__ import annotations

import pytest

from benchmarks.grading.corpus import book_of, graded
from chainrule.grading import Grade, Line


def changed(name: str, before: str, after: str) -> tuple[Grade, str]:
    """Grade an answer with one part of its text replaced, below its own head; return the changed line as well."""
    text = book_of(name).text
    start = text.index(f" {name}")
    at = text.index(before, start)
    source = text[:at] + after + text[at + len(before) :]
    line = source[:at].count("\n")
    return graded(name, source), source.split("\n")[line].strip()


def first_of(grade: Grade) -> Line:
    assert grade.first_wrong is not None, str(grade)
    return grade.first_wrong


@pytest.mark.parametrize(
    ("name", "before", "after", "kind"),
    [
        ("hinge__loops", "range(num_train)", "range(num_train - 1)", "rounds"),
        ("hinge__loops", "range(num_classes)", "range(1, num_classes)", "rounds"),
        ("hinge__loops", "margin > 0", "margin < 0", "mask"),
        ("listed__backprop", "range(2, 4)", "range(2, 3)", "rounds"),
    ],
)
def test_heads_of_loops_and_conditions_are_named_and_mended(name: str, before: str, after: str, kind: str) -> None:
    grade, line = changed(name, before, after)
    first = first_of(grade)
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == (line, kind)
    assert first.diagnosis.code.endswith(":")


@pytest.mark.parametrize(
    ("name", "before", "after", "kind"),
    [
        ("two_layer__grads", "hidden.T, dscores", "hidden, dscores", "transposed"),
        ("small__Net", "self.a1.T @ dout", "self.a1 @ dout", "transposed"),
        ("script__updates", "l1.T.dot(l2_delta)", "l1.dot(l2_delta)", "transposed"),
        ("softmaxed__vectorized", "X.T.dot(dscores)", "-X.T.dot(dscores)", "sign"),
        ("hinge__loops", "2 * reg * W", "W", "missing operand"),
    ],
)
def test_lines_that_fail_or_add_are_named(name: str, before: str, after: str, kind: str) -> None:
    grade, line = changed(name, before, after)
    first = first_of(grade)
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == (line, kind)
    assert "missing" not in grade.gradients.values()


@pytest.mark.parametrize(
    ("name", "before", "after", "kind", "mend"),
    [
        ("characters__time", "(1 - hs[t] * hs[t]) * dh", "1 - hs[t] * hs[t]", "missing operand", "dhraw = {} * dh"),
        ("characters__time", "np.dot(Wxh, xs[t])", "np.dot(Wxh.T, xs[t])", "transposed", ""),
        ("characters__time", "dby += dy", "dby = dy", "missing term", "dby += dy"),
        ("softmaxed__loops", " / np.sum(np.exp(scores))", "", "missing operand", "p = {} / np.sum(np.exp(scores))"),
        ("softmaxed__loops", "dW[:, j] +=", "dW[:, j] -=", "sign", ""),
        ("softmaxed__vectorized", "] -= 1", "] = 1", "missing term", "dscores[np.arange(num_train), y] -= 1"),
        ("hinge__vectorized", "X.T.dot(binary) / num_train", "X.T.dot(binary)", "factor", ""),
        ("huber__clipped", "delta * np.sign(r)", "delta", "missing operand", ""),
        ("leaky__slopes", "da1 * leaky_prime(z1)", "da1", "missing derivative", ""),
        ("batch_norm__staged", "* -0.5 * sigma", "* sigma", "factor", ""),
    ],
)
def test_what_a_line_lacks_is_named_in_that_line(name: str, before: str, after: str, kind: str, mend: str) -> None:
    """A forward pass that is wrong hides what the targets are; a loop has many other lines."""
    grade, line = changed(name, before, after)
    first = first_of(grade)
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == (line, kind)
    value = line.partition(" = ")[2]
    assert mend.format(f"({value})" if " - " in value else value) in first.diagnosis.code


def test_a_derivative_left_out_in_the_method_of_a_layer_is_named_there() -> None:
    text = book_of("small__layers").text.replace("dx = dout * (1 - self.y ** 2)", "dx = dout")
    first = first_of(graded("small__layers", text))
    assert first.diagnosis is not None
    assert (first.source, first.diagnosis.kind) == ("dx = dout", "missing derivative")


def test_summands_entries_and_sums_of_loops_are_confirmed() -> None:
    found = {line.source: line.meaning for line in graded("hinge__loops", book_of("hinge__loops").text).lines}
    assert found["margin = scores[j] - correct_class_score + 1"] == "(scores − correct + 1)ᵢⱼ"
    assert found["dW[:, j] += X[i]"] == found["dW[:, y[i]] -= X[i]"] == "5 (Xᵀ (∂L/∂scores))"
    assert found["dW /= num_train"] == "Xᵀ (∂L/∂scores)"
    assert found["dW += 2 * reg * W"] == "∂L/∂W"


def test_what_is_wrong_for_a_gradient_is_not_confirmed_as_a_summand() -> None:
    grade, _ = changed("hinge__loops", "    dW += 2 * reg * W\n", "")
    assert not grade.right
    assert all(line.meaning != "Xᵀ (∂L/∂scores)" for line in grade.lines)


def test_a_slip_in_several_lines_is_not_one_of_the_helper_that_they_share() -> None:
    text = book_of("attended__steps").text.replace("    dS = A *", "    dS = spread(dA, A)\n    unused = A *")
    helper = "\n\ndef spread(dA, A):\n    return A * (dA - np.sum(dA * A, axis=1, keepdims=True))\n"
    assert graded("attended__steps", text + helper).right
    grade = graded("attended__steps", text.replace("@ K / scale", "@ K").replace("@ Q / scale", "@ Q") + helper)
    wrong = [line.source for line in grade.lines if line.diagnosis is not None]
    assert wrong == ["dQ = dS @ K", "dK = dS.T @ Q"]


def test_paths_that_are_left_out_are_named() -> None:
    text = book_of("layered__short").text
    start = text.index("dx = (dxhat", text.index(" layered__short"))
    source = text[:start] + "dx = dxhat / std" + text[text.index("\n", start) :]
    first = first_of(graded("layered__short", source))
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "missing term"
    assert set(first.diagnosis.values["paths"].split(", ")) >= {"mu", "var"} or "std" in first.diagnosis.values["paths"]


@pytest.mark.parametrize(
    ("name", "before", "after", "kind", "further"),
    [
        ("logistic_regression__classic", "sigmoid(X @ w + b)", "sigmoid(b)", "missing term", []),
        ("softmax_regression__minus_one", "dZ = dZ / n", "dZ = -(dZ / n)", "sign", []),
        ("two_layer_rows__textbook", "d2 @ W2.T * a1", "d2 @ W2 * z1", "transposed", ["operand"]),
    ],
)
def test_a_mistake_is_named_before_the_line_that_hides_it_and_two_in_one_line(
    name: str, before: str, after: str, kind: str, further: list[str]
) -> None:
    text = book_of(name).text.replace("textbook(X, y, W2, a1, a2)", "textbook(X, y, W2, z1, a1, a2)")
    at = text.index(before, text.index(f" {name}"))
    source = text[:at] + after + text[at + len(before) :]
    first = first_of(graded(name, source))
    assert first.diagnosis is not None
    assert after in first.source
    assert (first.diagnosis.kind, [kind for kind, _ in first.diagnosis.further]) == (kind, further)
