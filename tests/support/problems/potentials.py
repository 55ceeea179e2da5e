"""Potentials, kernels, means and divergences: functions of few quantities, as physics and statistics write them."""

from __future__ import annotations

from support.problems.problem import Chapter

CHAPTER = Chapter()
formula = CHAPTER.formula

SINGULAR = "the adjugate also exists for a singular X"
NAMED = "a value that is used several times is named"

formula(
    "Coulomb potential",
    "Jackson (1999), 1.1",
    "q*s/norm(x - y)",
    "q: ; s: ; x: 3; y: 3",
    "",
    x="−L · (x − y) / ‖x − y‖²",
)
formula(
    "Morse potential",
    "Morse (1929)",
    "D*(1 - exp(-a*(r - c)))^2",
    "D: ; a: ; r: ; c: ",
    "u = exp(−a (r − c)) is named",
    r="2 D · (1 − u) · u · a",
)
formula(
    "Michaelis–Menten rate",
    "Michaelis and Menten (1913)",
    "v*s/(k + s)",
    "v: ; s: ; k: ",
    "",
    s="(v − L) / (k + s)",
    k="−L / (k + s)",
)
formula(
    "Hill rate",
    "Hill (1910)",
    "v*s^n/(k^n + s^n)",
    "v: ; s: ; n: ; k: ",
    NAMED,
    s="(v − L) · n · s^(n − 1) / u",
    k="−L · n · k^(n − 1) / u",
)
formula("geometric mean of the elements", "Bullen (2003), II.1", "exp(mean(log(x)))", "x: n", "", x="L / (n · x)")
formula("harmonic mean of the elements", "Bullen (2003), II.1", "1/mean(1/x)", "x: n", "", x="L² / (n · x²)")
formula(
    "cubic polynomial kernel",
    "Schölkopf and Smola (2002), 2.3",
    "(x' @ y + c)^3",
    "x: n; y: n; c: ",
    "",
    x="3 (xᵀ y + c)² · y",
)
formula(
    "rational quadratic kernel, α = 1",
    "Rasmussen and Williams (2006), 4.19",
    "1/(1 + norm(x - y)^2/s^2)",
    "x: n; y: n; s: ",
    "the sign may be taken into the difference",
    x=("−2 L² · (x − y) / s²", "2 L² · (y − x) / s²"),
)
formula(
    "Tukey's biweight",
    "Beaton and Tukey (1974)",
    "sum((1 - (r/c)^2)^3)",
    "r: n; c: ",
    "",
    r=("−6 · ((1 − (r / c)²)² ⊙ r) / c²", "−(6 · (1 − (r / c)²)² ⊙ r) / c²"),
)
formula(
    "Student's t, location",
    "Lange et al. (1989)",
    "(nu + 1)/2*sum(log(1 + (x - mu)^2/(nu*s^2)))",
    "x: n; mu: ; s: ; nu: ",
    "",
    mu="−(nu + 1) · (Σ ((x − mu) / (nu · s² + (x − mu)²)))",
)
formula(
    "trace of a Kronecker product",
    "Magnus and Neudecker",
    "tr(kron(A, B))",
    "A: m m; B: p p",
    "",
    A="tr(B) · I",
    B="tr(A) · I",
)
formula(
    "potential of Lennard and Jones",
    "Lennard-Jones (1924)",
    "4*eps*((s/r)^12 - (s/r)^6)",
    "eps: ; s: ; r: ",
    "",
    r="−24 eps · s⁶ · (2 s⁶ / r⁶ − 1) / r⁷",
)
formula(
    "smoothed lasso",
    "Lee et al. (2006)",
    "0.5*norm(y - X @ w)^2 + lam*sum(sqrt(w^2 + eps))",
    "y: n; X: n d; w: d; lam: ; eps: ",
    "s = √(w² + eps) is named",
    w="Xᵀ (X w − y) + lam · w / s",
)
formula(
    "von Mises likelihood",
    "Mardia and Jupp (2000), 5.3",
    "-kappa*sum(cos(x - mu))",
    "x: n; mu: ; kappa: ",
    "",
    mu="−kappa · (Σ sin(x − mu))",
)
formula(
    "Hellinger distance", "Tsybakov (2009), 2.4", "0.5*sum((sqrt(p) - sqrt(q))^2)", "p: n; q: n", NAMED, p="½ u / √p"
)
formula(
    "divergence of order α",
    "Amari (2016), 3.5",
    "sum(p^a .* q^(1 - a))",
    "p: n; q: n; a: ",
    "",
    p="a · (q^(1 − a) ⊙ p^(a − 1))",
    q="(1 − a) · (p^a ⊙ q^(−a))",
)
formula("χ²-divergence", "Pearson (1900)", "sum((p - q)^2 ./ q)", "p: n; q: n", "", p="2 (p − q) / q", q="1 − p² / q²")
formula(
    "det of a third power", "Matrix Cookbook (58), k = 3", "det(X @ X @ X)", "X: n n", SINGULAR, X="3 det(X)² · adj(X)ᵀ"
)
formula(
    "trace of the inverse of a product",
    "Magnus and Neudecker (2019), 9.9",
    "tr(inv(A @ X @ B))",
    "A: n n; X: n n; B: n n",
    "",
    X="−(X B)⁻ᵀ (A X)⁻ᵀ",
)
formula(
    "trace of an inverse Gram matrix alone",
    "Magnus and Neudecker (2019), 9.10",
    "tr(inv(X' @ X))",
    "X: 5 3",
    "",
    X="−2 X (Xᵀ X)⁻¹ (Xᵀ X)⁻¹",
)
formula(
    "entropic transport",
    "Cuturi (2013)",
    "sum(P .* C) + eps*sum(P .* (log(P) - 1))",
    "P: n m; C: n m; eps: ",
    "",
    P="C + eps · ln(P)",
)
formula(
    "mean field energy",
    "Opper and Saad (2001)",
    "sum(log(2*cosh(J @ s + h)))",
    "J: n n; s: n; h: n",
    "u = J s + h is named",
    J="tanh(u) sᵀ",
    s="Jᵀ tanh(u)",
    h="tanh(u)",
)
