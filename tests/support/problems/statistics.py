"""Likelihoods, Gaussian models, subspaces and filters."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

NAMED = "a value that the derivation has named is written by its name"
STEPS = "the chain rule is written with a line for each named value"

formula(
    "Gaussian of one variable",
    "Bishop (2006), 1.54",
    "N*log(sigma) + sum((x - mu)^2)/(2*sigma^2)",
    "x: n; mu: ; sigma: ; N: ",
    "the orientation of the residual is free, and u = Σ (x − mu)² is named",
    mu=("Σ (mu − x) / sigma²", "−(Σ (x − mu)) / sigma²"),
    sigma=("N / sigma − (Σ (x − mu)²) / sigma³", "(N − u / sigma²) / sigma"),
)
formula(
    "Gaussian by its covariance",
    "Bishop (2006), 2.118; Matrix Cookbook 8.2",
    "0.5*logdet(S) + 0.5*(x - m)' @ inv(S) @ (x - m)",
    "S: d d; x: d; m: d",
    "S is not said to be symmetric, and u = S⁻¹ (x − m) is named",
    S=(
        "½ (S⁻ᵀ − S⁻ᵀ (x − m) (x − m)ᵀ S⁻ᵀ)",
        "½ S⁻ᵀ − ½ S⁻ᵀ (x − m) (x − m)ᵀ S⁻ᵀ",
        "½ (S⁻ᵀ − S⁻ᵀ (x − m) uᵀ)",
    ),
    m=("½ (S⁻¹ + S⁻ᵀ) (m − x)", "−½ (S⁻¹ + S⁻ᵀ) (x − m)"),
)
formula(
    "Gaussian by its scatter",
    "Anderson (2003), 3.2",
    "logdet(S) + tr(inv(S) @ C)",
    "S: d d; C: d d",
    "",
    S="S⁻ᵀ − S⁻ᵀ Cᵀ S⁻ᵀ",
)
formula(
    "Gaussian by its precision",
    "Friedman et al. (2008), graphical lasso",
    "-logdet(P) + tr(S @ P) + rho*sum(abs(P))",
    "P: d d; S: d d; rho: ",
    "",
    P="Sᵀ − P⁻ᵀ + rho · sign(P)",
)
formula(
    "Gaussian by a factor of its precision",
    "Pinheiro and Bates (1996)",
    "-log(det(A @ A')) + tr(S @ A @ A')",
    "S: n n; A: n n",
    "",
    A="(S + Sᵀ) A − 2 A⁻ᵀ",
)
formula(
    "heteroscedastic Gaussian",
    "Nix and Weigend (1994)",
    "0.5*sum(s + (y - mu)^2 .* exp(-s))",
    "s: n; y: n; mu: n",
    "the orientation of the residual is free, and u is named",
    mu=("(mu − y) ⊙ exp(−s)", "−(y − mu) ⊙ exp(−s)"),
    s=("½ (1 − (y − mu)² ⊙ exp(−s))", "½ (1 − u)"),
)
formula(
    "divergence of two Gaussians",
    "Kingma and Welling (2014), appendix B",
    "-0.5*sum(1 + s - mu^2 - exp(s))",
    "s: n; mu: n",
    "",
    mu="mu",
    s=("½ (exp(s) − 1)",),
)
formula(
    "infomax",
    "Bell and Sejnowski (1995)",
    "logdet(W) - sum(log(cosh(W @ x)))",
    "W: n n; x: n",
    NAMED,
    W=("W⁻ᵀ − tanh(W x) xᵀ",),
)
formula(
    "normalizing flow",
    "Rezende and Mohamed (2015), linear flow",
    "0.5*norm(A @ x + b)^2 - logdet(A)",
    "A: n n; x: n; b: n",
    "A x has the name u",
    A=("(A x + b) xᵀ − A⁻ᵀ", "(u + b) xᵀ − A⁻ᵀ"),
    b=("A x + b", "u + b"),
)
formula(
    "trace ratio of scatters",
    "Fukunaga (1990), 10.2; Matrix Cookbook (126)",
    "tr(inv(W' @ S @ W) @ (W' @ B @ W))",
    "W: 5 3; S: 5 5; B: 5 5",
    "the inverse and a product with it are named",
    W=(
        "−S W (Wᵀ S W)⁻¹ Wᵀ B W (Wᵀ S W)⁻¹ − Sᵀ W (Wᵀ S W)⁻ᵀ Wᵀ Bᵀ W (Wᵀ S W)⁻ᵀ + B W (Wᵀ S W)⁻¹ + Bᵀ W (Wᵀ S W)⁻ᵀ",
        "Bᵀ W Uᵀ − Sᵀ W V + B W U − S W Vᵀ",
    ),
)
formula(
    "orthonormal subspace",
    "Brockett (1991), with a penalty",
    "tr(W' @ S @ W) + mu*norm(W' @ W - eye(d))^2",
    "W: n d; S: n n; mu: ",
    "multiplied out, the product with the identity is shorter",
    W=("(S + Sᵀ) W + 4 mu · W (Wᵀ W − I)", "(S + Sᵀ) W + 4 mu · (W Wᵀ W − W)"),
)
formula(
    "orthogonality penalty",
    "Brock et al. (2017)",
    "norm(W' @ W - eye(d))^2",
    "W: n d",
    "multiplied out, it is shorter",
    W=("4 W (Wᵀ W − I)", "4 (W Wᵀ W − W)"),
)
formula("Laplacian smoothing", "Belkin and Niyogi (2003)", "tr(X' @ L @ X)", "X: n d; L: n n", "", X="(L + Lᵀ) X")
formula("Procrustes", "Schönemann (1966)", "norm(A @ R - B)^2", "A: n d; R: d d; B: n d", "", R="2 Aᵀ (A R − B)")
formula(
    "classical scaling",
    "Torgerson (1952)",
    "norm(X @ X' - G)^2",
    "X: n d; G: n n",
    "the factor 2 is taken out",
    X=(
        "2 (X Xᵀ − G) X + 2 (X Xᵀ − G)ᵀ X",
        "2 ((X Xᵀ − G) X + (X Xᵀ − G)ᵀ X)",
        "2 ((X Xᵀ − G) + (X Xᵀ − G)ᵀ) X",
        "2 (2 X Xᵀ − G − Gᵀ) X",
    ),
)
formula(
    "linear dynamics",
    "Kalman (1960), one step",
    "0.5*(y - C @ A @ x)' @ (y - C @ A @ x)",
    "y: m; C: m n; A: n n; x: n",
    "the orientation of the residual is free, and u = C A x is named",
    A=("Cᵀ (C A x − y) xᵀ", "−Cᵀ (y − C A x) xᵀ", "Cᵀ (u − y) xᵀ"),
    x=("(C A)ᵀ (C A x − y)", "Aᵀ Cᵀ (C A x − y)", "−Aᵀ Cᵀ (y − C A x)", "Aᵀ Cᵀ (u − y)"),
)
formula(
    "covariance of a Kalman update",
    "Welch and Bishop (2006), Joseph form",
    "tr((eye(n) - K @ H) @ P @ (eye(n) - K @ H)' + K @ R @ K')",
    "K: n m; H: m n; P: n n; R: m m",
    "P and R are not said to be symmetric; u = I − K H is named",
    K=("K (R + Rᵀ) − (I − K H) (P + Pᵀ) Hᵀ", "K (R + Rᵀ) − U (P + Pᵀ) Hᵀ"),
)
formula(
    "Lyapunov residual",
    "Kressner (2009)",
    "0.5*norm(A @ X + X @ A' + Q)^2",
    "A: n n; X: n n; Q: n n",
    "the residual has the name u",
    X=("Aᵀ (A X + X Aᵀ + Q) + (A X + X Aᵀ + Q) A", "Aᵀ U + U A"),
)


@code(
    "Rasmussen and Williams (2006), 5.9, by K",
    "K: n n; y: n",
    "K is not said to be symmetric",
    K=("½ (K⁻ᵀ − K⁻ᵀ y yᵀ K⁻ᵀ)", "½ K⁻ᵀ − ½ K⁻ᵀ y yᵀ K⁻ᵀ"),
)
def Gaussian_process(K: Any, y: Any) -> Any:
    return 0.5 * y @ np.linalg.solve(K, y) + 0.5 * cr.logdet(K)


@code(
    "Rasmussen and Williams (2006), 5.9",
    "C: n n; y: n; s: ; noise: ",
    "K is not said to be symmetric; " + STEPS,
    K=("½ (K⁻ᵀ − K⁻ᵀ y aᵀ)", "½ (K⁻ᵀ − K⁻ᵀ y yᵀ K⁻ᵀ)"),
    noise=("½ (tr(K⁻¹) − yᵀ K⁻¹ a)", "tr(∂L/∂K)"),
)
def Gaussian_process_noise(C: Any, y: Any, s: Any, noise: Any) -> Any:
    K = s * C + noise * np.eye(C.shape[0])
    a = np.linalg.solve(K, y)
    return 0.5 * y @ a + 0.5 * cr.logdet(K)


@code(
    "Cao et al. (2003), adjoint of a linear solve",
    "A: n n; b: n",
    STEPS,
    u="2 u",
    b=("2 A⁻ᵀ u", "A⁻ᵀ (∂L/∂u)"),
    A=("−2 A⁻ᵀ u uᵀ", "−A⁻ᵀ (∂L/∂u) uᵀ"),
)
def linear_solve(A: Any, b: Any) -> Any:
    u = np.linalg.solve(A, b)
    return np.sum(u**2)


@code(
    "Giles (2008), 2.2.3, inverse product", "A: n n; B: n m", "", B="A⁻ᵀ (∂L/∂C)", A=("−A⁻ᵀ (∂L/∂C) Cᵀ", "−(∂L/∂B) Cᵀ")
)
def inverse_product(A: Any, B: Any) -> Any:
    C = np.linalg.solve(A, B)
    return C


@code("Giles (2008), 2.2.3, inverse", "A: n n", "", A="−Cᵀ (∂L/∂C) Cᵀ")
def inverse(A: Any) -> Any:
    C = np.linalg.inv(A)
    return C


@code(
    "Giles (2008), 2.2.4, determinant",
    "A: n n",
    "the adjugate, det(A) A⁻¹, also exists for a singular A",
    A=("C · A⁻ᵀ", "adj(A)ᵀ"),
)
def determinant(A: Any) -> Any:
    C = np.linalg.det(A)
    return C


@code(
    "Welch and Bishop (2006), 1.12",
    "x: n; K: n m; H: m n; y: m",
    "",
    x="∂L/∂z − Hᵀ Kᵀ (∂L/∂z)",
    K="(∂L/∂z) (y − H x)ᵀ",
    y="Kᵀ (∂L/∂z)",
)
def Kalman_update(x: Any, K: Any, H: Any, y: Any) -> Any:
    z = x + K @ (y - H @ x)
    return z


@code(
    "Jolliffe (2002); Baldi and Hornik (1989)",
    "X: n d; W: d k",
    STEPS,
    R="2 R",
    W=("2 (Xᵀ R W + Rᵀ X W)", "Xᵀ (∂L/∂R) W + (∂L/∂R)ᵀ X W", "(Xᵀ (∂L/∂R) + (∂L/∂R)ᵀ X) W"),
)
def principal_components(X: Any, W: Any) -> Any:
    R = X @ W @ W.T - X
    return np.sum(R**2)


@code(
    "Baldi and Hornik (1989)",
    "X: n d; V: d k; W: k d",
    STEPS,
    R="R",
    V=("Xᵀ R Wᵀ", "Xᵀ (∂L/∂R) Wᵀ"),
    W=("(X V)ᵀ R", "Vᵀ Xᵀ R", "Vᵀ Xᵀ (∂L/∂R)"),
)
def linear_autoencoder(X: Any, V: Any, W: Any) -> Any:
    R = X @ V @ W - X
    return 0.5 * np.sum(R**2)


@code(
    "Bishop (2006), 9.17, before it is set to zero",
    "x: ; mu: k; logpi: k",
    STEPS,
    z="−softmax(z)",
    mu=("softmax(z) ⊙ (mu − x)", "δ_z ⊙ (x − mu)"),
    logpi=("−softmax(z)", "δ_z"),
)
def mixture_of_Gaussians(x: Any, mu: Any, logpi: Any) -> Any:
    z = logpi - 0.5 * (x - mu) ** 2
    return -cr.logsumexp(z)


@code(
    "Bishop (2006), 9.16, for all data", "X: n d; M: k d; c: k", STEPS, z="−softmax(z)", c=("−1ᵀ softmax(z)", "1ᵀ δ_z")
)
def mixture_of_several_Gaussians(X: Any, M: Any, c: Any) -> Any:
    D = np.sum((X[:, None, :] - M[None, :, :]) ** 2, axis=2)
    z = c - 0.5 * D
    return -np.sum(cr.logsumexp(z, axis=1))


@code(
    "Hinton (2002), free energy of a restricted Boltzmann machine",
    "v: n; a: n; c: m; W: m n",
    STEPS,
    a="−v",
    z1=("−σ(z1)", "∂L/∂a1 ⊙ σ(z1)"),
    c=("−σ(W v + c)", "δ1"),
    W=("−σ(W v + c) vᵀ", "δ1 vᵀ"),
)
def free_energy(v: Any, a: Any, c: Any, W: Any) -> Any:
    return -a @ v - np.sum(cr.softplus(W @ v + c))


@code("Hopfield (1984)", "x: n; W: n n", "W is not said to be symmetric", x="−½ (W + Wᵀ) x")
def Hopfield_energy(x: Any, W: Any) -> Any:
    return -0.5 * x @ W @ x


@code(
    "Ramsauer et al. (2021), equation 3",
    "x: d; X: n d; beta: ",
    NAMED,
    x=("x − Xᵀ softmax(beta · X x)", "x − Xᵀ softmax(z)"),
)
def modern_Hopfield_energy(x: Any, X: Any, beta: Any) -> Any:
    return -cr.logsumexp(beta * (X @ x)) / beta + 0.5 * x @ x


@code(
    "Cox (1972), Breslow's likelihood",
    "event: n; eta: n",
    STEPS,
    risk="event / risk",
    eta=("exp(eta) ⊙ cumsum(event / risk) − event", "exp(eta) ⊙ cumsum(∂L/∂risk) − event"),
)
def partial_likelihood(event: Any, eta: Any) -> Any:
    risk = np.flip(np.cumsum(np.flip(np.exp(eta))))
    return -np.sum(event * (eta - np.log(risk)))


@code("Lafferty et al. (2001), score of one transition", "T: k k; i: :int; j: :int", "", T="onehot(i) onehot(j)ᵀ")
def transition_score(T: Any, i: Any, j: Any) -> Any:
    return T[i, j]


@code(
    "van der Maaten and Hinton (2008), for fixed weights",
    "Y: n d; P: n n",
    "the two places at which Y stands give a sum each",
    form="index",
    D="P[i,k]",
    Y=(
        "2 Σₖ (P[i,k] + P[k,i]) (Y[i,j] − Y[k,j])",
        "2 (Σₖ ∂L/∂D[k,i] (Y[i,j] − Y[k,j]) + Σₖ ∂L/∂D[i,k] (Y[i,j] − Y[k,j]))",
    ),
)
def weighted_distances(Y: Any, P: Any) -> Any:
    D = np.sum((Y[:, None, :] - Y[None, :, :]) ** 2, axis=2)
    return np.sum(P * D)
