"""Source of Hessians and Jacobians, and of their products with a vector, beside the passes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import C_FLAGS, signature

import chainrule as cr
from chainrule.emit import EmitError, UnverifiedError
from chainrule.emit.loop_source import Further

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
RANDOM = np.random.default_rng(5)
VALUES = {
    "X": RANDOM.standard_normal((5, 3)),
    "y": RANDOM.uniform(0.2, 0.8, 5),
    "w": RANDOM.standard_normal(3),
    "b": np.asarray(0.3),
    "A": RANDOM.standard_normal((5, 3)),
    "Z": RANDOM.standard_normal((3, 2)),
    "B": RANDOM.standard_normal((5, 2)),
    "v": RANDOM.standard_normal(3),
}


def logistic(X: Any, y: Any, w: Any, b: Any) -> Any:
    p = cr.sigmoid(X @ w + b)
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))


def matrix_loss(A: Any, Z: Any, B: Any) -> Any:
    return np.sum((A @ Z - B) ** 2)


def multinomial(X: Any, Y: Any, Z: Any) -> Any:
    P = cr.softmax(X @ Z)
    return -np.sum(Y * np.log(P))


def space_of(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(text, "<emitted>", "exec"), space)
    return space


def test_the_hessian_and_its_product_in_numpy() -> None:
    derivation = cr.derive(logistic, wrt=["w", "b"], X="n d", y="n", w="d", b="", order=2)
    space = space_of(derivation.source("numpy"))
    arguments = [VALUES[name] for name in ("X", "y", "w", "b")]
    rows = space["hessian"](*arguments)
    expected = cr.hessian(logistic, argnums=(2, 3))(*arguments)
    for row, other in zip(rows, expected, strict=True):
        for block, value in zip(row, other, strict=True):
            np.testing.assert_allclose(block, value, rtol=1e-12)
    v, c = RANDOM.standard_normal(3), 0.7
    product = space["hvp"](*arguments, v, c)
    np.testing.assert_allclose(product[0], expected[0][0] @ v + expected[0][1] * c)
    np.testing.assert_allclose(product[1], expected[1][0] @ v + expected[1][1] * c)
    assert space["forward"](*arguments)[0] == pytest.approx(logistic(*arguments))


@pytest.mark.parametrize("loss", [matrix_loss, multinomial])
def test_the_hessian_of_a_matrix_has_four_axes(loss: Any) -> None:
    shapes = {"A": "m n", "Z": "n k", "B": "m k", "X": "m n", "Y": "m k"}
    names = loss.__code__.co_varnames[: loss.__code__.co_argcount]
    derivation = cr.derive(loss, wrt="Z", order=2, **{name: shapes[name] for name in names})
    space = space_of(derivation.source("numpy"))
    arguments = [VALUES.get(name, VALUES["B"]) for name in names]
    expected = cr.hessian(loss, names.index("Z"))(*arguments)
    found = space["hessian"](*arguments)
    assert found.shape == (3, 2, 3, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    direction = RANDOM.standard_normal((3, 2))
    np.testing.assert_allclose(space["hvp"](*arguments, direction), np.tensordot(expected, direction, 2))


def test_a_jacobian_in_numpy() -> None:
    def layer(A: Any, w: Any) -> Any:
        return cr.softmax(A @ w)

    derivation = cr.derive(layer, wrt=["A", "w"], A="m n", w="n", jacobian=True)
    space = space_of(derivation.source("numpy"))
    arguments = VALUES["A"], VALUES["w"]
    expected = cr.jacobian(layer, argnums=(0, 1))(*arguments)
    for found, value in zip(space["jacobian"](*arguments), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-12)
    direction = RANDOM.standard_normal((5, 3))
    found = space["jvp"](*arguments, direction, VALUES["v"])
    np.testing.assert_allclose(found, np.tensordot(expected[0], direction, 2) + expected[1] @ VALUES["v"])


def test_the_denominator_layout_changes_the_page_and_not_the_arrays() -> None:
    texts = [
        cr.derive("tanh(A @ x)", "x", A="m n", x="n", jacobian=True, layout=layout).source("numpy")
        for layout in ("numerator", "denominator")
    ]
    arguments = VALUES["A"], VALUES["w"]
    first, second = (space_of(text)["jacobian"](*arguments) for text in texts)
    np.testing.assert_allclose(first, second)


def test_a_user_s_v_keeps_its_name() -> None:
    derivation = cr.derive("norm(A @ v - y)^2", "v", A="m n", v="n", y="m", order=2)
    space = space_of(derivation.source("numpy"))
    found = space["hvp"](VALUES["A"], VALUES["v"], VALUES["y"], VALUES["w"])
    np.testing.assert_allclose(found, 2 * VALUES["A"].T @ VALUES["A"] @ VALUES["w"])


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_other_libraries_have_the_functions_under_its_name(target: str) -> None:
    derivation = cr.derive(logistic, wrt=["w", "b"], X="n d", y="n", w="d", b="", order=2)
    text = derivation.source(target, name="nll")
    compile(text, "<emitted>", "exec")
    assert "def nll_hessian(X, y, w, b):" in text
    assert "def nll_hvp(X, y, w, b, v_w, v_b):" in text


def test_the_hessian_and_its_product_in_c(tmp_path: Path) -> None:
    derivation = cr.derive(logistic, wrt=["w", "b"], X="n d", y="n", w="d", b="", order=2)
    source = derivation.source("c", "nll", {"n": 5, "d": 3}, "float64")
    assert signature(source, "nll_hvp") == ["params", "X", "directions", "changes", "changes_work"]
    if COMPILER is None:
        return
    (tmp_path / "nll.h").write_text(source)
    (tmp_path / "caller.c").write_text(
        """
        #include "nll.h"
        void run(const nll_params *, const double *, const nll_directions *, nll_blocks *, nll_changes *);
        void run(const nll_params *params, const double *X, const nll_directions *directions, nll_blocks *blocks,
                 nll_changes *changes) {
            static nll_blocks_work blocks_work;
            static nll_changes_work changes_work;
            nll_hessian(params, X, blocks, &blocks_work);
            nll_hvp(params, X, directions, changes, &changes_work);
        }
        """
    )
    library = tmp_path / "caller.so"
    command = [COMPILER, *C_FLAGS, "-shared", "-fPIC", "-o", str(library), str(tmp_path / "caller.c"), "-lm"]
    subprocess.run(command, check=True, capture_output=True)
    params, direction = np.append(VALUES["w"], VALUES["b"]), RANDOM.standard_normal(4)
    blocks, changes = np.full(16, np.nan), np.full(4, np.nan)
    arrays = (params, VALUES["X"], direction, blocks, changes)
    ctypes.CDLL(str(library)).run(*(array.ctypes.data_as(ctypes.c_void_p) for array in arrays))
    arguments = [VALUES[name] for name in ("X", "y", "w", "b")]
    (h_w_w, h_w_b), (h_b_w, h_b_b) = cr.hessian(logistic, argnums=(2, 3))(*arguments)
    expected = np.concatenate([np.ravel(block) for block in (h_w_w, h_w_b, h_b_w, h_b_b)])
    np.testing.assert_allclose(blocks, expected, rtol=1e-12)
    np.testing.assert_allclose(changes, np.block([[h_w_w, h_w_b[:, None]], [h_b_w, h_b_b]]) @ direction, rtol=1e-12)


def test_javascript_is_run_and_a_wrong_line_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = cr.derive(logistic, wrt=["w", "b"], X="n d", y="n", w="d", b="", order=2)
    assert "export function nll_hessian(params, X, blocks, blocks_work, sizes) {" in derivation.source("js", "nll")
    right = Further.__init__

    def doubled(self: Further, *arguments: Any) -> None:
        right(self, *arguments)
        self.program = replace(self.program, outputs=tuple(2.0 * node for node in self.program.outputs))

    monkeypatch.setattr(Further, "__init__", doubled)
    with pytest.raises(UnverifiedError, match="what the source in JavaScript gives for"):
        derivation.source("js", "nll")


def test_sizes_that_an_inverse_asks_for_are_numbers_everywhere() -> None:
    derivation = cr.derive("logdet(X' X)", "X", X="n d", order=2)
    assert "H_X_X: new Float64Array" not in (text := derivation.source("js", sizes={"n": 4, "d": 2}))
    assert "H: new Float64Array(4 * 2 * 4 * 2)" in text


def test_a_product_with_a_diagonal_matrix_scales_rows() -> None:
    text = cr.derive(logistic, wrt="w", X="n d", y="n", w="d", b="", order=2).source("numpy")
    assert "H = (X.T * p * (1 - p)) @ X" in text


def test_webassembly_has_no_hessian() -> None:
    derivation = cr.derive(logistic, wrt="w", X="n d", y="n", w="d", b="", order=2)
    with pytest.raises(EmitError, match="write them for js or c"):
        derivation.source("wasm", sizes={"n": 4, "d": 2})
