"""Objects that show themselves: a line in a terminal, a table or bars in a notebook, plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes

import chainrule as cr
from chainrule.charts import bars, table_html
from chainrule.estimators import MLPClassifier

matplotlib.use("Agg")

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 1, 1, 0])


def xor(**settings: Any) -> cr.MLP:
    network = cr.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    network.fit(X, Y, epochs=500, **settings)
    return network


def elements(page: str, tag: str) -> list[Any]:
    return list(ElementTree.fromstring(f"<div>{page}</div>").iter(tag))


def shown(value: Any) -> str:
    text: str = value._repr_html_()
    return text


def test_networks_show_their_layers() -> None:
    network = cr.MLP([2, 8, 3], activation=["tanh"], output="softmax")
    assert repr(network) == "<MLP 2 → 8 tanh → 3 softmax, loss cross_entropy, 51 parameters>"
    cells = [cell.text for cell in elements(shown(network), "td")]
    assert cells == ["1", "2 × 8", "tanh", "24", "2", "8 × 3", "softmax", "27"]
    two = cr.NeuralNetwork(2, 4, 1)
    assert repr(two) == "<NeuralNetwork 2 → 4 sigmoid → 1 sigmoid, loss ½ Σ (a2 − y)²>"
    assert [cell.text for cell in elements(shown(two), "td")][1::4] == ["2 × 4", "4 × 1"]


def test_models_show_their_parameters(tmp_path: Path) -> None:
    cr.MLP([2, 8, 3], output="softmax").save(tmp_path / "model")
    page = shown(cr.load_model(tmp_path / "model"))
    assert [cell.text for cell in elements(page, "code")] == ["W1", "b1", "W2", "b2"]
    assert "Model 2 inputs, 3 outputs, 51 parameters" in page


def test_a_verification_shows_its_sentence() -> None:
    found = cr.derive("sum((W @ x - y)^2)", wrt="W").verify()
    assert repr(found).startswith("<Verification: Verified: all ")
    assert shown(found).startswith("<p>✓ Verified: all ")
    cr.use(lang="zh")
    try:
        assert "已验证" in shown(found) or "验证" in shown(found)
    finally:
        cr.use()


def test_a_grade_shows_each_line_with_its_mark() -> None:
    def against(x: Any, w: Any, y: Any) -> Any:
        z = w * x
        return 0.5 * np.sum((z - y) ** 2)

    def answer(x: Any, w: Any, y: Any) -> Any:
        dz = w * x - y
        dw = np.sum(dz * w)
        return {"w": dw}

    grade = cr.grade(answer, against, wrt="w", x="n", y="n", w="")
    line = grade.first_wrong
    assert line is not None
    assert repr(grade) == f"<Grade of answer against against: first wrong in line {line.number}; w wrong>"
    rows = elements(shown(grade), "tr")[1:]
    assert [row[0].text for row in rows] == ["✓", "✗"]
    assert rows[1][2][0].text == "dw = np.sum(dz * w)"
    assert "x" in rows[1][3].text


def test_a_gradient_report_shows_bars() -> None:
    report = xor().gradient_report(X, Y)
    assert repr(report).startswith(f"<GradientReport: {report.status}; The gradient")
    names = ["∂L/∂z2", "∂L/∂a1", "∂L/∂z1"]
    assert [text.text for text in elements(shown(report), "text") if text.get("text-anchor") == "end"] == names
    assert len(elements(shown(report), "rect")) == 3
    ax = report.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    widths = [bar.get_width() for bar in ax.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths, [report.norms[name] for name in ("z2", "a1", "z1")])


def test_bars_are_as_long_as_their_logarithms() -> None:
    page = bars([("a", 1.0), ("b", 10.0), ("<c>", 100.0), ("none", 0.0), ("nan", float("nan"))], "norm")
    widths = [float(rect.get("width")) for rect in elements(page, "rect")]
    assert widths[0] == 1.0
    assert widths[2] == pytest.approx(2 * widths[1], abs=0.2)
    assert bars([("a", 0.0)], "norm") == ""
    assert len(elements(bars([("a", 2.0)], "norm"), "rect")) == 1


def test_texts_of_tables_are_escaped() -> None:
    page = table_html("<b>", ["<i>"], [["a < b", "`x < y`"]])
    assert [cell.text for cell in elements(page, "td")] == ["a < b", None]
    assert elements(page, "code")[0].text == "x < y"
    assert elements(page, "caption")[0].text == "<b>"


def boundary_classes(ax: Axes) -> set[str]:
    legend = ax.get_legend()
    assert legend is not None
    return {text.get_text() for text in legend.get_texts()}


def test_the_boundary_of_two_classes_is_where_the_probability_is_a_half() -> None:
    network = xor()
    ax = cr.plot_decision_boundary(network, X, Y, resolution=50)
    assert boundary_classes(ax) == {"0", "1"}
    half = ax.collections[1].get_paths()[0].vertices
    np.testing.assert_allclose(network.predict_proba(half), 0.5, atol=0.05)


def test_boundaries_of_all_kinds_of_models(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    rows = random.normal(size=(60, 2)) + 4 * np.eye(3)[labels][:, :2]
    network = cr.MLP([2, 8, 3], output="softmax", seed=0)
    network.fit(rows, labels, epochs=50)
    network.save(tmp_path / "model")
    words = np.array(["a", "b", "c"])[labels]
    estimator = MLPClassifier((8,), max_iter=200, tol=1e-2, random_state=0).fit(rows, words)
    for model, classes in (
        (network, {"0", "1", "2"}),
        (cr.load_model(tmp_path / "model"), {"0", "1", "2"}),
        (estimator, {"a", "b", "c"}),
        (lambda X: X @ np.ones((2, 3)), {"0", "1", "2"}),
    ):
        given = words if model is estimator else labels
        assert boundary_classes(cr.plot_decision_boundary(model, rows, given, resolution=20)) == classes
    two = cr.NeuralNetwork(2, 4, 1, seed=0)
    assert cr.plot_decision_boundary(two, X, resolution=20).get_legend() is None
    assert boundary_classes(cr.plot_decision_boundary(two, X, Y[:, None], resolution=20)) == {"0", "1"}


@pytest.mark.parametrize(
    ("model", "rows", "labels", "words"),
    [
        (xor, np.ones((3, 3)), None, r"X has the shape \(3, 3\); give two columns"),
        (xor, X, [0, 1], "y has 2 labels for 4 rows of X"),
        (lambda: 3, X, None, "model is a int; give one with predict"),
    ],
)
def test_what_has_no_boundary_is_refused(model: Any, rows: Any, labels: Any, words: str) -> None:
    with pytest.raises(cr.PlotError, match=words):
        cr.plot_decision_boundary(model(), rows, labels)


def test_training_with_a_validation_is_that_of_fit() -> None:
    network = cr.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    result = network.fit(X, Y, epochs=400, validation=(X, Y), patience=3, optimizer="adam", progress=False)
    losses = result.history["validation_loss"]
    assert result.best_epoch == losses.argmin() + 1
    assert network.loss_function(X, Y[:, None], **network.params) == pytest.approx(losses.min())


def test_a_network_is_read_again(tmp_path: Path) -> None:
    for network in (xor(), cr.MLP([2, 5, 4, 2], activation=["relu", "z * sigmoid(z)"], dtype="float32", seed=1)):
        network.save(tmp_path / "network")
        again = cr.MLP.load(tmp_path / "network")
        assert repr(again) == repr(network)
        assert {name: array.tobytes() for name, array in again.params.items()} == {
            name: array.tobytes() for name, array in network.params.items()
        }
        again.fit(X, Y if network.sizes[-1] == 1 else np.eye(2)[Y], epochs=1)


def test_other_models_are_not_read_as_a_network(tmp_path: Path) -> None:
    cr.save_model(tmp_path / "model", MLPClassifier((3,), max_iter=50, tol=1).fit(X, Y))
    with pytest.raises(cr.NetworkError, match=r"holds a model that is not an MLP; read it with cr\.load_model"):
        cr.MLP.load(tmp_path / "model")
    with pytest.raises(cr.ModelError, match="does not exist"):
        cr.MLP.load(tmp_path / "none")


def test_a_network_derives_its_own_gradients() -> None:
    derivation = xor().derive()
    assert derivation.text().startswith("Backward pass of L\n")
    assert derivation.verify().ok
    assert "(1/n) (σ(z2) − y)" in derivation.text()
