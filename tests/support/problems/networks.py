"""Layers and networks of course assignments and papers."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

STEPS = "the chain rule is written with a line for each named value"
REPEATED = "a scalar that is subtracted from each element is repeated by 1"
FACTOR = "scalar factors come first"


@code("CS231n, affine_backward", "X: n d; W: d m; b: m", "", X="(∂L/∂Y) Wᵀ", W="Xᵀ (∂L/∂Y)", b="1ᵀ (∂L/∂Y)")
def affine_layer(X: Any, W: Any, b: Any) -> Any:
    Y = X @ W + b
    return Y


@code("CS231n, relu_backward", "X: n d", "", X="∂L/∂Y ⊙ 1[X > 0]")
def relu_layer(X: Any) -> Any:
    Y = np.maximum(0, X)
    return Y


@code("CS231n, sigmoid gate", "x: n", "", x="∂L/∂y ⊙ y ⊙ (1 − y)")
def sigmoid_layer(x: Any) -> Any:
    y = 1 / (1 + np.exp(-x))
    return y


@code("LeCun et al. (1998), efficient backprop", "x: n", "", x="∂L/∂y ⊙ (1 − y²)")
def tanh_layer(x: Any) -> Any:
    y = np.tanh(x)
    return y


@code(
    "Ramachandran et al. (2017)",
    "x: n",
    STEPS,
    s="∂L/∂y ⊙ x",
    x=(
        "∂L/∂y ⊙ (s + y ⊙ (1 − s))",
        "s ⊙ (∂L/∂y + ∂L/∂s ⊙ (1 − s))",
        "s ⊙ (∂L/∂y + ∂L/∂s − ∂L/∂s ⊙ s)",
        "s ⊙ ∂L/∂y ⊙ (1 + x − y)",
    ),
)
def swish_layer(x: Any) -> Any:
    s = cr.sigmoid(x)
    y = x * s
    return y


@code(
    "Dauphin et al. (2017), gated linear unit",
    "X: n d; Z: n d",
    STEPS,
    X="∂L/∂Y ⊙ G",
    G="∂L/∂Y ⊙ X",
    Z=("∂L/∂Y ⊙ X ⊙ G ⊙ (1 − G)", "∂L/∂G ⊙ G ⊙ (1 − G)"),
)
def gated_linear_unit(X: Any, Z: Any) -> Any:
    G = cr.sigmoid(Z)
    Y = X * G
    return Y


@code(
    "Srivastava et al. (2015), highway network",
    "x: n; h: n; t: n",
    "",
    x="∂L/∂y ⊙ (1 − t)",
    h="∂L/∂y ⊙ t",
    t="∂L/∂y ⊙ (h − x)",
)
def highway_layer(x: Any, h: Any, t: Any) -> Any:
    y = t * h + (1 - t) * x
    return y


@code(
    "CS231n assignment 2, batchnorm_backward_alt",
    "x: n d; gamma: d; beta: d",
    "",
    x_hat="∂L/∂out ⊙ gamma",
    x=("(∂L/∂x_hat − 1 mean₀(∂L/∂x_hat) − x_hat ⊙ (1 mean₀(∂L/∂x_hat ⊙ x_hat))) / std",),
    gamma="1ᵀ (∂L/∂out ⊙ x_hat)",
    beta="1ᵀ (∂L/∂out)",
)
def batch_normalization(x: Any, gamma: Any, beta: Any) -> Any:
    mu = x.mean(axis=0)
    std = np.sqrt(x.var(axis=0) + 1e-5)
    x_hat = (x - mu) / std
    out = gamma * x_hat + beta
    return out


@code(
    "Ba et al. (2016), as PyTorch code writes it",
    "x: n d; g: d; b: d",
    "the normalized x has no name; u is ∂L/∂Y ⊙ g ⊙ (x − mu)",
    x=(
        "(∂L/∂Y ⊙ g − mean₁(∂L/∂Y ⊙ g) 1ᵀ − ((x − mu) / s) ⊙ (mean₁(∂L/∂Y ⊙ g ⊙ ((x − mu) / s)) 1ᵀ)) / s",
        "(∂L/∂Y ⊙ g − mean₁(∂L/∂Y ⊙ g) 1ᵀ − ((x − mu) ⊙ (mean₁(u) 1ᵀ)) / s²) / s",
    ),
)
def layer_normalization(x: Any, g: Any, b: Any) -> Any:
    mu = x.mean(-1, keepdims=True)
    v = x.var(-1, keepdims=True)
    return (x - mu) / np.sqrt(v + 1e-5) * g + b


@code(
    "Karpathy, llm.c, layernorm_backward",
    "x: d; w: d; b: d",
    REPEATED,
    n="∂L/∂y ⊙ w",
    x=("(∂L/∂n − mean(∂L/∂n) − n · mean(∂L/∂n ⊙ n)) / s", "(∂L/∂n − 1 mean(∂L/∂n) − n · mean(∂L/∂n ⊙ n)) / s"),
    w="∂L/∂y ⊙ n",
    b="∂L/∂y",
)
def layer_normalization_of_a_vector(x: Any, w: Any, b: Any) -> Any:
    s = np.sqrt(np.var(x) + 1e-5)
    n = (x - np.mean(x)) / s
    y = n * w + b
    return y


@code(
    "Zhang and Sennrich (2019), RMSNorm of a vector",
    "x: d; g: d",
    "",
    n="∂L/∂y ⊙ g",
    x="(∂L/∂n − n · mean(∂L/∂n ⊙ n)) / r",
    g="∂L/∂y ⊙ n",
)
def root_mean_square_normalization(x: Any, g: Any) -> Any:
    r = np.sqrt(np.mean(x**2))
    n = x / r
    y = n * g
    return y


@code(
    "Salimans and Kingma (2016), equation 3",
    "v: d; g: ",
    STEPS,
    g="vᵀ (∂L/∂w) / r",
    r="−wᵀ (∂L/∂w) / r",
    v=("(g / r) (∂L/∂w) − (g · ∂L/∂g / r²) v", "(g · ∂L/∂w − ((∂L/∂w)ᵀ w) · v / r) / r"),
)
def weight_normalization(v: Any, g: Any) -> Any:
    r = np.linalg.norm(v)
    w = g * v / r
    return w


@code(
    "CS231n assignment 3, rnn_step_backward",
    "x: n d; h: n k; W: d k; U: k k; b: k",
    "",
    z=("∂L/∂h_next ⊙ (1 − h_next²)", "∂L/∂h_next ⊙ tanh′(z)"),
    x="δ_z Wᵀ",
    h="δ_z Uᵀ",
    W="xᵀ δ_z",
    U="hᵀ δ_z",
    b="1ᵀ δ_z",
)
def recurrent_step(x: Any, h: Any, W: Any, U: Any, b: Any) -> Any:
    z = x @ W + h @ U + b
    h_next = np.tanh(z)
    return h_next


@code(
    "Werbos (1990), two steps on one input", "x: n; h: m; W: m n; U: m m", "", W="(δ1 + δ2) xᵀ", U=("δ1 hᵀ + δ2 a1ᵀ",)
)
def recurrent_network_on_one_input(x: Any, h: Any, W: Any, U: Any) -> Any:
    z1 = W @ x + U @ h
    a1 = np.tanh(z1)
    z2 = W @ x + U @ a1
    a2 = np.tanh(z2)
    return np.sum(a2)


@code(
    "CS231n assignment 3, lstm_step_backward, without the gates' layers",
    "i: n; f: n; o: n; g: n; c: n",
    STEPS,
    t="∂L/∂h ⊙ o",
    s=("∂L/∂h ⊙ o ⊙ (1 − t²)", "∂L/∂t ⊙ (1 − t²)"),
    c=("∂L/∂h ⊙ o ⊙ (1 − t²) ⊙ f", "δ_s ⊙ f"),
    i="δ_s ⊙ g",
    f="δ_s ⊙ c",
    g="δ_s ⊙ i",
    o="∂L/∂h ⊙ t",
)
def memory_cell(i: Any, f: Any, o: Any, g: Any, c: Any) -> Any:
    s = f * c + i * g
    t = np.tanh(s)
    h = o * t
    return h


@code(
    "CS231n assignment 3, word_embedding_backward, np.add.at",
    "W: v d; x: n:int",
    "",
    W=("onehot(x)ᵀ (∂L/∂Y)", "scatter_add(∂L/∂Y, x)"),
)
def embedding(W: Any, x: Any) -> Any:
    Y = W[x]
    return Y


@code(
    "Vaswani et al. (2017), one query",
    "q: d; K: n d; V: n m",
    REPEATED,
    V="a (∂L/∂y)ᵀ",
    a="V (∂L/∂y)",
    s=("a ⊙ (∂L/∂a − aᵀ (∂L/∂a))", "a ⊙ (∂L/∂a − 1 aᵀ (∂L/∂a))"),
    K=("(1/√d) δ_s qᵀ",),
    q=("(1/√d) Kᵀ δ_s",),
)
def attention_of_one_query(q: Any, K: Any, V: Any) -> Any:
    s = K @ q / np.sqrt(q.shape[0])
    a = cr.softmax(s)
    y = a @ V
    return y


@code(
    "Bahdanau et al. (2015), additive attention",
    "W: m d; h: d; U: m k; s: k; v: m",
    STEPS,
    t="v",
    z=("v ⊙ (1 − t²)", "∂L/∂t ⊙ (1 − t²)"),
    W="δ_z hᵀ",
    h="Wᵀ δ_z",
    U="δ_z sᵀ",
    s="Uᵀ δ_z",
    v="t",
)
def additive_attention_score(W: Any, h: Any, U: Any, s: Any, v: Any) -> Any:
    z = W @ h + U @ s
    t = np.tanh(z)
    return v @ t


@code(
    "Kipf and Welling (2017), equation 2",
    "A: n n; X: n d; W: d k",
    "the transpose is distributed",
    z="∂L/∂H ⊙ 1[z > 0]",
    W=("(A X)ᵀ δ_z", "Xᵀ Aᵀ δ_z"),
    X="Aᵀ δ_z Wᵀ",
)
def graph_convolution(A: Any, X: Any, W: Any) -> Any:
    z = A @ X @ W
    H = cr.relu(z)
    return H


@code(
    "Saxe et al. (2014), deep linear network",
    "X: d n; Y: o n; W1: h d; W2: h h; W3: o h",
    "the transposes are distributed, and u = E Xᵀ is named",
    E="E",
    W1=("(W3 W2)ᵀ E Xᵀ", "W2ᵀ W3ᵀ u"),
    W2=("W3ᵀ E (W1 X)ᵀ", "W3ᵀ u W1ᵀ"),
    W3=("E (W2 W1 X)ᵀ", "u W1ᵀ W2ᵀ"),
)
def deep_linear_network(X: Any, Y: Any, W1: Any, W2: Any, W3: Any) -> Any:
    E = W3 @ W2 @ W1 @ X - Y
    return 0.5 * np.sum(E**2)


@code(
    "Nielsen (2015), BP1 to BP4",
    "x: d; y: o; W1: h d; b1: h; W2: o h; b2: o",
    "",
    z2=("(a2 − y) ⊙ σ′(z2)", "∂L/∂a2 ⊙ σ′(z2)"),
    z1=("(W2ᵀ δ2) ⊙ σ′(z1)", "∂L/∂a1 ⊙ σ′(z1)"),
    W2="δ2 a1ᵀ",
    b2="δ2",
    W1="δ1 xᵀ",
    b1="δ1",
)
def network_of_two_layers(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    z1 = W1 @ x + b1
    a1 = cr.sigmoid(z1)
    z2 = W2 @ a1 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


@code("Nickel et al. (2011), RESCAL", "a: n; R: n n; b: n", "", a="R b", b="Rᵀ a", R="a bᵀ")
def bilinear_score(a: Any, R: Any, b: Any) -> Any:
    return a @ R @ b


@code("Yang et al. (2015), DistMult", "h: n; r: n; t: n", "", h="r ⊙ t", r="h ⊙ t", t="h ⊙ r")
def three_way_score(h: Any, r: Any, t: Any) -> Any:
    return np.sum(h * r * t)


@code(
    "Bordes et al. (2013), TransE",
    "h: n; r: n; t: n",
    STEPS,
    u="2 u",
    h=("2 u", "∂L/∂u"),
    r=("2 u", "∂L/∂u"),
    t=("−2 u", "−∂L/∂u"),
)
def translation_score(h: Any, r: Any, t: Any) -> Any:
    u = h + r - t
    return np.sum(u**2)


@code("rowwise products by einsum", "A: n m; B: n m", "", A="((∂L/∂y) 1ᵀ) ⊙ B", B="((∂L/∂y) 1ᵀ) ⊙ A")
def rowwise_products(A: Any, B: Any) -> Any:
    y = np.einsum("ij,ij->i", A, B)
    return y


@code("Matrix Cookbook (142), for a Gram matrix", "A: n d", "", A="2 A diag(∂L/∂y)")
def diagonal_of_a_Gram_matrix(A: Any) -> Any:
    y = np.diag(A.T @ A)
    return y


@code("Hinton et al. (2012), inverted dropout", "X: n d; M: n d; p: ", FACTOR, X="∂L/∂Y ⊙ M / p")
def dropout_of_a_batch(X: Any, M: Any, p: Any) -> Any:
    Y = X * M / p
    return Y


@code("Hu et al. (2018), squeeze and excitation of rows", "X: n d; s: d", "", X="∂L/∂Y ⊙ s", s="1ᵀ (∂L/∂Y ⊙ X)")
def channel_scaling(X: Any, s: Any) -> Any:
    Y = X * s
    return Y


@code(
    "Lin et al. (2014), average pooling",
    "X: n d",
    "a dot keeps the factor apart from the column of ones",
    X="(1/n) 1 (∂L/∂y)ᵀ",
)
def average_pooling(X: Any) -> Any:
    y = np.mean(X, axis=0)
    return y


@code(
    "Elman (1990), concatenated input",
    "x: 2; h: 4; W: 4 6; b: 4",
    STEPS,
    W="(∂L/∂z) sᵀ",
    s="Wᵀ (∂L/∂z)",
    x="∂L/∂s[:2]",
    h="∂L/∂s[2:]",
)
def concatenated_input(x: Any, h: Any, W: Any, b: Any) -> Any:
    s = np.concatenate([x, h])
    z = W @ s + b
    return z
