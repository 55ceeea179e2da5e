"""Classifiers and word vectors of the courses CS231n and CS224n."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

STEPS = "the chain rule is written with a line for each named value"


@code(
    "CS231n, a neural network case study",
    "X: n d; y: n:int; W: d c; b: c; reg: ",
    "",
    scores="(1/n) (probs − onehot(y))",
    W="Xᵀ δ_scores + reg · W",
    b="1ᵀ δ_scores",
)
def softmax_classifier(X: Any, y: Any, W: Any, b: Any, reg: Any) -> Any:
    num = X.shape[0]
    scores = np.dot(X, W) + b
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[range(num), y])
    return np.sum(correct_logprobs) / num + 0.5 * reg * np.sum(W * W)


@code(
    "CS231n, a neural network case study, two layers",
    "X: n d; y: n:int; W: d h; b: h; W2: h c; b2: c",
    "",
    scores="(1/n) (probs − onehot(y))",
    W2="hiddenᵀ δ_scores",
    b2="1ᵀ δ_scores",
    hidden="δ_scores W2ᵀ",
    W="Xᵀ δ_z",
    z="∂L/∂hidden ⊙ 1[z > 0]",
    b="1ᵀ δ_z",
)
def two_layer_classifier(X: Any, y: Any, W: Any, b: Any, W2: Any, b2: Any) -> Any:
    num = X.shape[0]
    z = np.dot(X, W) + b
    hidden = np.maximum(0, z)
    scores = np.dot(hidden, W2) + b2
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    return -np.sum(np.log(probs[np.arange(num), y])) / num


@code(
    "CS231n assignment 1, softmax_loss_vectorized",
    "X: n d; y: n:int; W: d c",
    STEPS,
    S="(1/n) (P − onehot(y))",
    W=("(1/n) Xᵀ (P − onehot(y))", "Xᵀ δ_S"),
)
def stable_softmax_classifier(X: Any, y: Any, W: Any) -> Any:
    S = X @ W
    E = np.exp(S - np.max(S, axis=1, keepdims=True))
    P = E / np.sum(E, axis=1, keepdims=True)
    return np.mean(-np.log(P[np.arange(X.shape[0]), y]))


@code(
    "CS231n assignment 1, svm_loss_vectorized",
    "S: n c; y: n:int",
    "",
    S="1[u > 0] − (1[u > 0] 1 1ᵀ) ⊙ onehot(y)",
)
def multiclass_hinge_loss(S: Any, y: Any) -> Any:
    correct = S[np.arange(S.shape[0]), y][:, None]
    margins = np.maximum(0, S - correct + 1)
    return np.sum(margins)


@code("softmax, then the labels' probabilities", "z: n k; y: n:int", "", z="(1/n) (p − onehot(y))")
def softmax_then_pick(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    return -np.mean(np.log(np.take_along_axis(p, y[:, None], axis=1)))


@code(
    "CS224n assignment 2, (b) and (c), naive softmax",
    "v: d; U: w d; o: :int",
    STEPS,
    z="softmax(z) − onehot(o)",
    v=("Uᵀ (softmax(z) − onehot(o))", "Uᵀ δ_z"),
    U=("(softmax(z) − onehot(o)) vᵀ", "δ_z vᵀ"),
)
def naive_softmax(v: Any, U: Any, o: Any) -> Any:
    z = U @ v
    return -(z[o] - np.log(np.sum(np.exp(z))))


@code(
    "CS224n assignment 2, by the probabilities",
    "v: d; U: w d; o: :int",
    STEPS,
    z="y_hat − onehot(o)",
    v=("Uᵀ (y_hat − onehot(o))", "Uᵀ δ_z"),
    U=("(y_hat − onehot(o)) vᵀ", "δ_z vᵀ"),
)
def naive_softmax_by_probabilities(v: Any, U: Any, o: Any) -> Any:
    z = U @ v
    y_hat = cr.softmax(z)
    return -np.log(y_hat[o])


@code(
    "CS224n assignment 2, one-hot columns",
    "v: d; U: d w; y: w",
    "where y sums to one, this is ŷ − y",
    z=("(Σ y) · y_hat − y", "y_hat ⊙ (1 1ᵀ y) − y"),
    v="U δ_z",
)
def softmax_with_a_target(v: Any, U: Any, y: Any) -> Any:
    z = U.T @ v
    y_hat = cr.softmax(z)
    return -np.sum(y * np.log(y_hat))


@code(
    "CS224n assignment 2, (f), negative sampling",
    "v: d; u: d; N: k d",
    STEPS,
    z1="a1 − 1",
    z2="a2 − 1",
    v=("(σ(uᵀ v) − 1) · u − Nᵀ (σ(−N v) − 1)", "δ1 · u − Nᵀ δ2"),
    u=("(σ(uᵀ v) − 1) · v", "δ1 · v"),
    N=("−(σ(−N v) − 1) vᵀ", "−δ2 vᵀ"),
)
def negative_sampling(v: Any, u: Any, N: Any) -> Any:
    return -np.log(cr.sigmoid(u @ v)) - np.sum(np.log(cr.sigmoid(-(N @ v))))


@code(
    "Pennington et al. (2014), GloVe, equation 8",
    "W: n d; V: m d; b: n; c: m; F: n m; X: n m",
    STEPS,
    E="2 F ⊙ E",
    W=("2 (F ⊙ E) V", "(∂L/∂E) V"),
    V=("2 (F ⊙ E)ᵀ W", "(∂L/∂E)ᵀ W"),
    b=("2 (F ⊙ E) 1", "(∂L/∂E) 1"),
    c=("2 1ᵀ (F ⊙ E)", "1ᵀ (∂L/∂E)"),
)
def GloVe(W: Any, V: Any, b: Any, c: Any, F: Any, X: Any) -> Any:
    E = W @ V.T + b[:, None] + c - np.log(X)
    return np.sum(F * E**2)


@code(
    "CS224n, lecture 3: softmax on one hidden layer",
    "x: d; W: h d; b: h; U: k h; y: :int",
    "",
    theta="p − onehot(y)",
    U="δ_theta hᵀ",
    h="Uᵀ δ_theta",
    z=("∂L/∂h ⊙ 1[z > 0]",),
    W="δ_z xᵀ",
    b="δ_z",
    x="Wᵀ δ_z",
)
def classifier_of_a_vector(x: Any, W: Any, b: Any, U: Any, y: Any) -> Any:
    z = W @ x + b
    h = cr.relu(z)
    theta = U @ h
    p = cr.softmax(theta)
    return -np.log(p[y])
