"""The gradients of the gallery as papers and textbooks write them, written down here and compared as expressions.

An argument is what has its name in the forward pass; `d_X` is ∂L/∂X, and `prime_a` the derivative of the activation
that gives a.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived
from support.textbook import same

import chainrule as cr
from chainrule.calculus import COTANGENT
from chainrule.deriving import Derivation, derive
from chainrule.gallery import GALLERY
from chainrule.ir import Node, substitute
from chainrule.trace import trace

EXPECTED: dict[tuple[str, str], Callable[..., Any]] = {}


def rows(values: Any) -> Any:
    """Row sums, as a column."""
    return np.sum(values, axis=1, keepdims=True)


def row_means(values: Any) -> Any:
    """Row means, as a column."""
    return np.mean(values, axis=1, keepdims=True)


def table(entry: str, **formulas: Callable[..., Any]) -> None:
    for symbol, expected in formulas.items():
        EXPECTED[entry, symbol] = expected


def known(derivation: Derivation) -> dict[str, Node]:
    """Everything that a formula may name."""
    record = derivation.record
    names: dict[str, Node] = {node.name: node for node in record.program.inputs if not node.name.startswith("∂")}
    names |= {stage.name: stage.symbol for stage in record.backward.stages}
    names |= {f"prime_{stage.name}": symbol for stage, symbol in record.derivative_symbols.items()}
    names |= {f"d_{entry.symbol.name}": entry.cotangent for entry in record.backward.accumulations}
    for node in record.program.inputs:
        if node.name.startswith("∂given "):
            names["given_" + node.name.removeprefix("∂given ")] = node
        elif node.name.startswith(COTANGENT):
            names["d_" + node.name.removeprefix(COTANGENT)] = node
    return names


def expression(expected: Callable[..., Any], names: dict[str, Node]) -> Node:
    used = {name: names[name] for name in inspect.signature(expected).parameters}
    program = trace(expected, **{name: node.type for name, node in used.items()})
    (result,) = substitute(program.outputs, {node: used[node.name] for node in program.inputs})
    return result


table(
    "linear_regression",
    w=lambda X, y, y_hat: 2 / X.shape[0] * X.T @ (y_hat - y),
    b=lambda y, y_hat: 2 / y.shape[0] * np.sum(y_hat - y),
)
table(
    "logistic_regression",
    z=lambda p, y: (p - y) / y.shape[0],
    w=lambda X, p, y: X.T @ (p - y) / y.shape[0],
    b=lambda p, y: np.sum(p - y) / y.shape[0],
)
table(
    "softmax_regression",
    Z=lambda P, Y: (P - Y) / Y.shape[0],
    W=lambda X, P, Y: X.T @ (P - Y) / Y.shape[0],
    b=lambda P, Y: np.sum(P - Y, axis=0) / Y.shape[0],
)
table(
    "two_layer_columns",
    z2=lambda d_a2, prime_a2: d_a2 * prime_a2,
    W2=lambda a2, y, prime_a2, a1: ((a2 - y) * prime_a2) @ a1.T,
    b2=lambda a2, y, prime_a2: (a2 - y) * prime_a2,
    W1=lambda a2, y, prime_a2, prime_a1, W2, x: ((W2.T @ ((a2 - y) * prime_a2)) * prime_a1) @ x.T,
    b1=lambda a2, y, prime_a2, prime_a1, W2: (W2.T @ ((a2 - y) * prime_a2)) * prime_a1,
)
table(
    "two_layer_rows",
    W2=lambda a2, y, prime_a2, a1: a1.T @ ((a2 - y) * prime_a2),
    b2=lambda a2, y, prime_a2: np.sum((a2 - y) * prime_a2, axis=0),
    W1=lambda a2, y, prime_a2, prime_a1, W2, X: X.T @ ((((a2 - y) * prime_a2) @ W2.T) * prime_a1),
    b1=lambda a2, y, prime_a2, prime_a1, W2: np.sum((((a2 - y) * prime_a2) @ W2.T) * prime_a1, axis=0),
)
table(
    "relu_mlp",
    y_hat=lambda y_hat, y: (y_hat - y) / y.shape[0],
    W3=lambda a2, d_y_hat: a2.T @ d_y_hat,
    b3=lambda d_y_hat: np.sum(d_y_hat, axis=0),
    z2=lambda d_a2, prime_a2: d_a2 * prime_a2,
    W2=lambda a1, d_z2: a1.T @ d_z2,
    b2=lambda d_z2: np.sum(d_z2, axis=0),
    a1=lambda d_z2, W2: d_z2 @ W2.T,
    W1=lambda X, d_z1: X.T @ d_z1,
    b1=lambda d_z1: np.sum(d_z1, axis=0),
)
for block in ("gelu_block", "silu_block"):
    table(
        block,
        X=lambda d_Y, W2, prime_a, W1: ((d_Y @ W2.T) * prime_a) @ W1.T,
        W1=lambda X, d_Y, W2, prime_a: X.T @ ((d_Y @ W2.T) * prime_a),
        b1=lambda d_Y, W2, prime_a: np.sum((d_Y @ W2.T) * prime_a, axis=0),
        W2=lambda a, d_Y: a.T @ d_Y,
        b2=lambda d_Y: np.sum(d_Y, axis=0),
    )
table(
    "swiglu_block",
    X=lambda d_U, V, d_z, W: d_U @ V.T + d_z @ W.T,
    W=lambda X, d_Y, W2, U, prime_a: X.T @ ((d_Y @ W2.T) * U * prime_a),
    V=lambda X, d_Y, W2, a: X.T @ ((d_Y @ W2.T) * a),
    W2=lambda H, d_Y: H.T @ d_Y,
)
table(
    "residual_block",
    X=lambda d_Y, d_z, W1: d_Y + d_z @ W1.T,
    W1=lambda X, d_z: X.T @ d_z,
    b1=lambda d_z: np.sum(d_z, axis=0),
    W2=lambda a, d_Y: a.T @ d_Y,
    b2=lambda d_Y: np.sum(d_Y, axis=0),
)
for name in ("batch_norm", "layer_norm"):
    table(
        name,
        x_hat=lambda d_Y, gamma: d_Y * gamma,
        gamma=lambda d_Y, x_hat: np.sum(d_Y * x_hat, axis=0),
        beta=lambda d_Y: np.sum(d_Y, axis=0),
    )
table(
    "batch_norm",
    X=lambda d_x_hat, x_hat, sigma: (
        (d_x_hat - np.mean(d_x_hat, axis=0) - x_hat * np.mean(d_x_hat * x_hat, axis=0)) / sigma
    ),
)
table(
    "layer_norm",
    X=lambda d_x_hat, x_hat, sigma: (d_x_hat - row_means(d_x_hat) - x_hat * row_means(d_x_hat * x_hat)) / sigma,
)
table(
    "rms_norm",
    X=lambda d_x_hat, x_hat, rms: (d_x_hat - x_hat * row_means(d_x_hat * x_hat)) / rms,
    gamma=lambda d_Y, x_hat: np.sum(d_Y * x_hat, axis=0),
)
table("dropout", X=lambda d_Y, mask, q: d_Y * mask / q)
table(
    "attention",
    V=lambda P, d_O: P.T @ d_O,
    P=lambda d_O, V: d_O @ V.T,
    S=lambda P, d_P: P * (d_P - rows(P * d_P)),
    Q=lambda d_S, K: d_S @ K / np.sqrt(K.shape[1]),
    K=lambda d_S, Q: d_S.T @ Q / np.sqrt(Q.shape[1]),
)
HEADS = {
    "V": lambda P, d_O: np.swapaxes(P, 1, 2) @ d_O,
    "P": lambda d_O, V: d_O @ np.swapaxes(V, 1, 2),
    "S": lambda P, d_P: P * (d_P - np.sum(P * d_P, axis=2, keepdims=True)),
    "Q": lambda d_S, K: d_S @ K / np.sqrt(K.shape[2]),
    "K": lambda d_S, Q: np.swapaxes(d_S, 1, 2) @ Q / np.sqrt(Q.shape[2]),
}
table(
    "multi_head_attention",
    **HEADS,
    O=lambda d_Y, WO: d_Y @ np.swapaxes(WO, 1, 2),
    WO=lambda O, d_Y: np.swapaxes(O, 1, 2) @ d_Y,
    WQ=lambda X, d_Q: X.T @ d_Q,
    WK=lambda X, d_K: X.T @ d_K,
    WV=lambda X, d_V: X.T @ d_V,
    X=lambda d_Q, WQ, d_K, WK, d_V, WV: (
        np.sum(d_Q @ np.swapaxes(WQ, 1, 2), axis=0)
        + np.sum(d_K @ np.swapaxes(WK, 1, 2), axis=0)
        + np.sum(d_V @ np.swapaxes(WV, 1, 2), axis=0)
    ),
)
table(
    "transformer_block",
    **HEADS,
    W2=lambda a, d_Y: a.T @ d_Y,
    b2=lambda d_Y: np.sum(d_Y, axis=0),
    z=lambda d_a, prime_a: d_a * prime_a,
    W1=lambda M, d_z: M.T @ d_z,
    b1=lambda d_z: np.sum(d_z, axis=0),
    gamma2=lambda d_M, R_hat: np.sum(d_M * R_hat, axis=0),
    beta2=lambda d_M: np.sum(d_M, axis=0),
    R=lambda d_Y, d_R_hat, R_hat, sigma2: (
        d_Y + (d_R_hat - row_means(d_R_hat) - R_hat * row_means(d_R_hat * R_hat)) / sigma2
    ),
    O=lambda d_R, WO: d_R @ np.swapaxes(WO, 1, 2),
    WO=lambda O, d_R: np.swapaxes(O, 1, 2) @ d_R,
    WQ=lambda N, d_Q: N.T @ d_Q,
    WK=lambda N, d_K: N.T @ d_K,
    WV=lambda N, d_V: N.T @ d_V,
    gamma1=lambda d_N, X_hat: np.sum(d_N * X_hat, axis=0),
    beta1=lambda d_N: np.sum(d_N, axis=0),
    X=lambda d_R, d_X_hat, X_hat, sigma1: (
        d_R + (d_X_hat - row_means(d_X_hat) - X_hat * row_means(d_X_hat * X_hat)) / sigma1
    ),
)
table(
    "lora",
    B=lambda d_h, u, alpha: alpha / u.shape[0] * (d_h @ u.T),
    A=lambda d_h, B, x, alpha: alpha / B.shape[1] * (B.T @ d_h @ x.T),
)
table(
    "mixture_of_experts",
    E=lambda g, d_y: np.outer(g, d_y),
    W=lambda d_E, x: np.einsum("ke,d->ked", d_E, x),
    g=lambda E, d_y: E @ d_y,
    h=lambda g, d_g: g * (d_g - np.sum(g * d_g)),
    Wg=lambda d_h, x: np.outer(d_h, x),
    x=lambda Wg, d_h, W, d_E: Wg.T @ d_h + np.einsum("ked,ke->d", W, d_E),
)
table(
    "rnn",
    h2=lambda given_h2, d_z3, U: given_h2 + d_z3 @ U.T,
    h1=lambda given_h1, d_z2, U: given_h1 + d_z2 @ U.T,
    z1=lambda d_h1, prime_h1: d_h1 * prime_h1,
    h0=lambda d_z1, U: d_z1 @ U.T,
    x1=lambda d_z1, W: d_z1 @ W.T,
    x2=lambda d_z2, W: d_z2 @ W.T,
    x3=lambda d_z3, W: d_z3 @ W.T,
    W=lambda x1, d_z1, x2, d_z2, x3, d_z3: x1.T @ d_z1 + x2.T @ d_z2 + x3.T @ d_z3,
    U=lambda h0, d_z1, h1, d_z2, h2, d_z3: h0.T @ d_z1 + h1.T @ d_z2 + h2.T @ d_z3,
    b=lambda d_z1, d_z2, d_z3: np.sum(d_z1, axis=0) + np.sum(d_z2, axis=0) + np.sum(d_z3, axis=0),
)
table(
    "lstm_cell",
    c_next=lambda given_c_next, d_h_next, o, c_next: given_c_next + d_h_next * o * (1 - np.tanh(c_next) ** 2),
    o=lambda d_h_next, c_next: d_h_next * np.tanh(c_next),
    f=lambda d_c_next, c: d_c_next * c,
    i=lambda d_c_next, g: d_c_next * g,
    g=lambda d_c_next, i: d_c_next * i,
    c=lambda d_c_next, f: d_c_next * f,
    x=lambda d_zi, Wi, d_zf, Wf, d_zg, Wg, d_zo, Wo: d_zi @ Wi.T + d_zf @ Wf.T + d_zg @ Wg.T + d_zo @ Wo.T,
    h=lambda d_zi, Ui, d_zf, Uf, d_zg, Ug, d_zo, Uo: d_zi @ Ui.T + d_zf @ Uf.T + d_zg @ Ug.T + d_zo @ Uo.T,
    zi=lambda d_i, prime_i: d_i * prime_i,
    zf=lambda d_f, prime_f: d_f * prime_f,
    zg=lambda d_g, prime_g: d_g * prime_g,
    zo=lambda d_o, prime_o: d_o * prime_o,
    Wi=lambda x, d_zi: x.T @ d_zi,
    Wf=lambda x, d_zf: x.T @ d_zf,
    Wg=lambda x, d_zg: x.T @ d_zg,
    Wo=lambda x, d_zo: x.T @ d_zo,
    Ui=lambda h, d_zi: h.T @ d_zi,
    Uf=lambda h, d_zf: h.T @ d_zf,
    Ug=lambda h, d_zg: h.T @ d_zg,
    Uo=lambda h, d_zo: h.T @ d_zo,
    bi=lambda d_zi: np.sum(d_zi, axis=0),
    bf=lambda d_zf: np.sum(d_zf, axis=0),
    bg=lambda d_zg: np.sum(d_zg, axis=0),
    bo=lambda d_zo: np.sum(d_zo, axis=0),
)
table(
    "gru_cell",
    h_tilde=lambda d_h_next, z: d_h_next * (1 - z),
    z=lambda d_h_next, h, h_tilde: d_h_next * (h - h_tilde),
    s=lambda d_zh, U: d_zh @ U.T,
    r=lambda d_s, h: d_s * h,
    zz=lambda d_z, prime_z: d_z * prime_z,
    zr=lambda d_r, prime_r: d_r * prime_r,
    zh=lambda d_h_tilde, prime_h_tilde: d_h_tilde * prime_h_tilde,
    x=lambda d_zh, W, d_zr, Wr, d_zz, Wz: d_zh @ W.T + d_zr @ Wr.T + d_zz @ Wz.T,
    h=lambda d_h_next, z, d_s, r, d_zr, Ur, d_zz, Uz: d_h_next * z + d_s * r + d_zr @ Ur.T + d_zz @ Uz.T,
    W=lambda x, d_zh: x.T @ d_zh,
    U=lambda s, d_zh: s.T @ d_zh,
    b=lambda d_zh: np.sum(d_zh, axis=0),
    Wr=lambda x, d_zr: x.T @ d_zr,
    Ur=lambda h, d_zr: h.T @ d_zr,
    br=lambda d_zr: np.sum(d_zr, axis=0),
    Wz=lambda x, d_zz: x.T @ d_zz,
    Uz=lambda h, d_zz: h.T @ d_zz,
    bz=lambda d_zz: np.sum(d_zz, axis=0),
)
table(
    "vae",
    x_hat=lambda x_hat, x: x_hat - x,
    z=lambda d_x_hat, Wx: d_x_hat @ Wx.T,
    mu=lambda d_z, mu: d_z + mu,
    logvar=lambda d_std, std, logvar: 0.5 * (d_std * std + np.exp(logvar) - 1),
    Wx=lambda z, x_hat, x: z.T @ (x_hat - x),
    bx=lambda x_hat, x: np.sum(x_hat - x, axis=0),
    Wmu=lambda x, d_mu: x.T @ d_mu,
    bmu=lambda d_mu: np.sum(d_mu, axis=0),
    Wv=lambda x, d_logvar: x.T @ d_logvar,
    bv=lambda d_logvar: np.sum(d_logvar, axis=0),
)
table("distillation", z=lambda p, q, T: T / p.shape[0] * (q - p))
table(
    "focal_loss",
    x=lambda y, p_t, gamma: y * (1 - p_t) ** gamma * (gamma * p_t * np.log(p_t) + p_t - 1) / y.shape[0],
)
table(
    "huber",
    y_hat=lambda r, delta: np.where(np.abs(r) <= delta, r, delta * np.sign(r)) / r.shape[0],
)
table("label_smoothing", Z=lambda P, Q: (P - Q) / P.shape[0])
table(
    "info_nce",
    S=lambda S: cr.softmax(S) / S.shape[0],
    Q=lambda S, K, tau: (cr.softmax(S) @ K - K) / (tau * K.shape[0]),
    K=lambda S, Q, tau: (cr.softmax(S).T @ Q - Q) / (tau * Q.shape[0]),
)
table(
    "triplet",
    a=lambda u, n, p: 2 * (u > 0).astype(float)[:, None] * (n - p),
    p=lambda u, a, p: 2 * (u > 0).astype(float)[:, None] * (p - a),
    n=lambda u, a, n: 2 * (u > 0).astype(float)[:, None] * (a - n),
)
table(
    "dpo",
    logp_w=lambda beta, r_w, r_l: -beta / r_w.shape[0] * cr.sigmoid(r_l - r_w),
    logp_l=lambda beta, r_w, r_l: beta / r_w.shape[0] * cr.sigmoid(r_l - r_w),
)
table(
    "ppo",
    logp=lambda r, A, eps: np.where(np.clip(r, 1 - eps, 1 + eps) * A < r * A, 0, -1 / r.shape[0] * r * A),
)
table("weight_decay", w=lambda X, r, w, lam: X.T @ r / r.shape[0] + lam * w)
table("l1_regularization", w=lambda X, r, w, lam: X.T @ r / r.shape[0] + lam * np.sign(w))


def forms_of(derivation: Derivation, symbol: str) -> list[Node]:
    """What is printed as ∂L/∂symbol in the end, in short and written out."""
    record = derivation.record
    found = [step for step in record.steps if step.accumulation.symbol.name == symbol]
    assert found, f"there is no gradient by {symbol}"
    short = found[0].chain.right if found[0].merge is None else found[0].merge.right
    forms = [short, *(g.written_out.right for g in record.gradients if g.symbol.name == symbol)]
    unnamed: dict[Node, Node] = {}
    for short_for, claim in record.abbreviation_claims.items():  # what the function leaves unnamed is compared in full
        (unnamed[short_for],) = substitute([claim.right], unnamed)
    return list(substitute(forms, unnamed))


@pytest.mark.parametrize(("entry", "symbol"), EXPECTED)
def test_a_gradient_reads_as_in_textbooks(entry: str, symbol: str) -> None:
    derivation = derived(entry)
    expected = expression(EXPECTED[entry, symbol], known(derivation))
    assert any(same(expected, found) for found in forms_of(derivation, symbol)), derivation.text()


def test_the_rows_of_a_table_get_what_was_looked_up() -> None:
    derivation = derive(GALLERY["embedding"].function)
    (form, *_) = forms_of(derivation, "E")
    gradient, tokens = known(derivation)["d_Y"], known(derivation)["tokens"]
    assert type(form.primitive).__name__ == "ScatterAdd"  # type: ignore[attr-defined]
    assert set(form.operands) >= {gradient, tokens}  # type: ignore[attr-defined]


@pytest.mark.parametrize("entry", GALLERY)
def test_every_parameter_has_a_formula(entry: str) -> None:
    if entry in ("embedding", "conv1d", "conv2d", "max_pool", "avg_pool"):
        return
    derivation = derived(entry)
    assert {symbol.name for symbol in derivation.record.backward.wrt} <= {s for e, s in EXPECTED if e == entry}


@pytest.mark.parametrize(
    ("entry", "symbol", "wrong"),
    [
        ("attention", "Q", lambda d_S, K: d_S @ K / K.shape[1]),
        ("attention", "S", lambda P, d_P: P * (d_P - rows(d_P))),
        ("layer_norm", "X", lambda d_x_hat, x_hat, sigma: (d_x_hat - row_means(d_x_hat) - x_hat) / sigma),
        ("linear_regression", "w", lambda X, y, y_hat: 2 / X.shape[0] * X.T @ (y - y_hat)),
        ("two_layer_rows", "b2", lambda a2, y, prime_a2: np.mean((a2 - y) * prime_a2, axis=0)),
        ("dpo", "logp_w", lambda beta, r_w, r_l: -beta / r_w.shape[0] * cr.sigmoid(r_w - r_l)),
    ],
)
def test_a_wrong_formula_is_told_apart(entry: str, symbol: str, wrong: Callable[..., Any]) -> None:
    derivation = derived(entry)
    expected = expression(wrong, known(derivation))
    assert not any(same(expected, found) for found in forms_of(derivation, symbol))
