"""Chapter 2 of the Matrix Cookbook (Petersen and Pedersen, 15 November 2012), by the numbers of its equations."""

from __future__ import annotations

from support.problems.problem import Chapter

CHAPTER = Chapter()
formula = CHAPTER.formula

VALUE = "the value of the function has the name L"
NAMED = "a value that the derivation has named is written by its name"
ADJUGATE = "the adjugate, det(X) X⁻¹, also exists for a singular X"

# 2.1 Derivatives of a determinant

formula("det", "Matrix Cookbook (49)", "det(X)", "X: n n", ADJUGATE, X=("det(X) · X⁻ᵀ", "L · X⁻ᵀ", "adj(X)ᵀ"))
formula(
    "det of a product",
    "Matrix Cookbook (51)",
    "det(A @ X @ B)",
    "A: n n; X: n n; B: n n",
    ADJUGATE,
    X=("det(A X B) · X⁻ᵀ", "L · X⁻ᵀ", "det(A) · det(B) · adj(X)ᵀ"),
)
formula(
    "det of a square form",
    "Matrix Cookbook (52)",
    "det(X' @ A @ X)",
    "X: n n; A: n n",
    ADJUGATE,
    X=("2 det(Xᵀ A X) · X⁻ᵀ", "2 L · X⁻ᵀ", "2 det(X) · det(A) · adj(X)ᵀ"),
)
formula(
    "det of a form",
    "Matrix Cookbook (54)",
    "det(X' @ A @ X)",
    "X: 5 3; A: 5 5",
    "u is the adjugate of Xᵀ A X, which also exists where that is singular",
    X=(
        "det(Xᵀ A X) · (A X (Xᵀ A X)⁻¹ + Aᵀ X (Xᵀ Aᵀ X)⁻¹)",
        "L · (A X (Xᵀ A X)⁻¹ + Aᵀ X (Xᵀ Aᵀ X)⁻¹)",
        "L · (A X (Xᵀ A X)⁻¹ + Aᵀ X (Xᵀ A X)⁻ᵀ)",
        "A X U + Aᵀ X Uᵀ",
    ),
)
formula("log det of a Gram matrix", "Matrix Cookbook (55)", "log(det(X' @ X))", "X: 5 3", "", X="2 X (Xᵀ X)⁻¹")
formula("log det", "Matrix Cookbook (57)", "logdet(X)", "X: n n", "", X="X⁻ᵀ")
formula("log of det", "Matrix Cookbook (57)", "log(abs(det(X)))", "X: n n", "", X="X⁻ᵀ")
formula(
    "det of a power",
    "Matrix Cookbook (58)",
    "det(X @ X)",
    "X: n n",
    ADJUGATE,
    X=("2 det(X X) · X⁻ᵀ", "2 L · X⁻ᵀ", "2 det(X) · adj(X)ᵀ"),
)

# 2.2 Derivatives of an inverse

formula(
    "form of an inverse",
    "Matrix Cookbook (61)",
    "a' @ inv(X) @ b",
    "a: n; X: n n; b: n",
    "",
    X="−X⁻ᵀ a bᵀ X⁻ᵀ",
    a="X⁻¹ b",
    b="X⁻ᵀ a",
)
formula("det of an inverse", "Matrix Cookbook (62)", "det(inv(X))", "X: n n", VALUE, X=("−det(X⁻¹) · X⁻ᵀ", "−L · X⁻ᵀ"))
formula(
    "trace of an inverse",
    "Matrix Cookbook (63)",
    "tr(A @ inv(X) @ B)",
    "A: m n; X: n n; B: n m",
    "the transpose is distributed",
    X=("−(X⁻¹ B A X⁻¹)ᵀ", "−X⁻ᵀ Aᵀ Bᵀ X⁻ᵀ"),
)
formula(
    "inverse of a sum",
    "Matrix Cookbook (64)",
    "tr(inv(X + A))",
    "X: n n; A: n n",
    NAMED,
    X=("−((X + A)⁻¹ (X + A)⁻¹)ᵀ", "−(X + A)⁻ᵀ (X + A)⁻ᵀ", "−Uᵀ Uᵀ"),
)

# 2.4 Derivatives of matrices, vectors and scalar forms

formula("linear form", "Matrix Cookbook (69)", "a' @ x", "a: n; x: n", "", x="a")
formula("bilinear form", "Matrix Cookbook (70)", "a' @ X @ b", "a: n; X: n m; b: m", "", X="a bᵀ", a="X b", b="Xᵀ a")
formula("transposed bilinear form", "Matrix Cookbook (71)", "a' @ X' @ b", "a: m; X: n m; b: n", "", X="b aᵀ")
formula("form of one vector", "Matrix Cookbook (72)", "a' @ X @ a", "a: n; X: n n", "", X="a aᵀ")
formula(
    "two forms of a product",
    "Matrix Cookbook (77)",
    "b' @ X' @ X @ c",
    "b: d; X: n d; c: d",
    "as short without a product of matrices",
    X=("X (b cᵀ + c bᵀ)", "X b cᵀ + X c bᵀ"),
)
formula(
    "affine forms",
    "Matrix Cookbook (78)",
    "(B @ x + b)' @ C @ (D @ x + d)",
    "B: m n; x: n; b: m; C: m k; D: k n; d: k",
    NAMED,
    x=("Bᵀ C (D x + d) + Dᵀ Cᵀ (B x + b)", "Bᵀ u + Dᵀ Cᵀ (B x + b)"),
)
formula("quadratic form", "Matrix Cookbook (81)", "x' @ B @ x", "x: n; B: n n", "", x="(B + Bᵀ) x", B="x xᵀ")
formula(
    "form in the middle",
    "Matrix Cookbook (82)",
    "b' @ X' @ D @ X @ c",
    "b: d; X: n d; D: n n; c: d",
    "",
    X="Dᵀ X b cᵀ + D X c bᵀ",
)
formula(
    "affine quadratic form",
    "Matrix Cookbook (83)",
    "(X @ b + c)' @ D @ (X @ b + c)",
    "X: n d; b: d; c: n; D: n n",
    NAMED,
    X=("(D + Dᵀ) (X b + c) bᵀ", "(D + Dᵀ) u bᵀ"),
)
formula(
    "weighted residual",
    "Matrix Cookbook (84)-(88), for any W",
    "(x - A @ s)' @ W @ (x - A @ s)",
    "x: n; A: n d; s: d; W: n n",
    NAMED,
    x=("(W + Wᵀ) (x − A s)", "(W + Wᵀ) u"),
    s=("−Aᵀ (W + Wᵀ) (x − A s)", "−Aᵀ (W + Wᵀ) u"),
    A=("−(W + Wᵀ) (x − A s) sᵀ", "−(W + Wᵀ) u sᵀ"),
)
formula("form of a square", "Matrix Cookbook (91)", "a' @ X @ X @ b", "a: n; X: n n; b: n", "", X="a bᵀ Xᵀ + Xᵀ a bᵀ")

# 2.5 Derivatives of traces

formula("trace", "Matrix Cookbook (99)", "tr(X)", "X: n n", "", X="I")
formula("trace of X A", "Matrix Cookbook (100)", "tr(X @ A)", "X: n m; A: m n", "", X="Aᵀ")
formula("trace of A X B", "Matrix Cookbook (101)", "tr(A @ X @ B)", "A: k n; X: n m; B: m k", "", X="Aᵀ Bᵀ")
formula("trace of A X' B", "Matrix Cookbook (102)", "tr(A @ X' @ B)", "A: k m; X: n m; B: n k", "", X="B A")
formula("trace of X' A", "Matrix Cookbook (103)", "tr(X' @ A)", "X: n m; A: n m", "", X="A")
formula("trace of A X'", "Matrix Cookbook (104)", "tr(A @ X')", "X: n m; A: n m", "", X="A")
formula("trace of X X", "Matrix Cookbook (106)", "tr(X @ X)", "X: n n", "", X="2 Xᵀ")
formula(
    "trace of X X B",
    "Matrix Cookbook (107)",
    "tr(X @ X @ B)",
    "X: n n; B: n n",
    "the transpose is distributed",
    X=("(X B + B X)ᵀ", "Bᵀ Xᵀ + Xᵀ Bᵀ"),
)
formula(
    "trace of X' B X",
    "Matrix Cookbook (108)",
    "tr(X' @ B @ X)",
    "X: n d; B: n n",
    "X is taken out",
    X=("B X + Bᵀ X", "(B + Bᵀ) X"),
)
formula(
    "trace of B X X'",
    "Matrix Cookbook (109)",
    "tr(B @ X @ X')",
    "X: n d; B: n n",
    "X is taken out",
    X=("B X + Bᵀ X", "(B + Bᵀ) X"),
)
formula(
    "trace of X X' B",
    "Matrix Cookbook (110)",
    "tr(X @ X' @ B)",
    "X: n d; B: n n",
    "X is taken out",
    X=("B X + Bᵀ X", "(B + Bᵀ) X"),
)
formula(
    "trace of X B X'",
    "Matrix Cookbook (111)",
    "tr(X @ B @ X')",
    "X: n d; B: d d",
    "X is taken out",
    X=("X Bᵀ + X B", "X (Bᵀ + B)"),
)
formula(
    "trace of B X' X",
    "Matrix Cookbook (112)",
    "tr(B @ X' @ X)",
    "X: n d; B: d d",
    "X is taken out",
    X=("X Bᵀ + X B", "X (Bᵀ + B)"),
)
formula(
    "trace of A X B X",
    "Matrix Cookbook (114)",
    "tr(A @ X @ B @ X)",
    "A: n m; X: m n; B: n m",
    "",
    X="Aᵀ Xᵀ Bᵀ + Bᵀ Xᵀ Aᵀ",
)
formula("trace of a Gram matrix", "Matrix Cookbook (115)", "tr(X' @ X)", "X: n d", "", X="2 X")
formula(
    "trace of B' X' C X B",
    "Matrix Cookbook (116)",
    "tr(B' @ X' @ C @ X @ B)",
    "B: d k; X: n d; C: n n",
    "the common factor is taken out",
    X=("Cᵀ X B Bᵀ + C X B Bᵀ", "(Cᵀ + C) X B Bᵀ"),
)
formula(
    "trace of X' B X C",
    "Matrix Cookbook (117)",
    "tr(X' @ B @ X @ C)",
    "X: n d; B: n n; C: d d",
    "",
    X="B X C + Bᵀ X Cᵀ",
)
formula(
    "trace of A X B X' C",
    "Matrix Cookbook (118)",
    "tr(A @ X @ B @ X' @ C)",
    "A: k n; X: n d; B: d d; C: n k",
    "",
    X="Aᵀ Cᵀ X Bᵀ + C A X B",
)
formula(
    "trace of an affine square",
    "Matrix Cookbook (119)",
    "tr((A @ X @ B + C) @ (A @ X @ B + C)')",
    "A: m n; X: n d; B: d k; C: m k",
    NAMED,
    X=("2 Aᵀ (A X B + C) Bᵀ", "2 Aᵀ U Bᵀ"),
)
formula(
    "trace of a third power",
    "Matrix Cookbook (121), k = 3",
    "tr(X @ X @ X)",
    "X: n n",
    "the transpose is distributed",
    X=("3 (X X)ᵀ", "3 Xᵀ Xᵀ"),
)
formula(
    "trace of A X X X",
    "Matrix Cookbook (122), k = 3",
    "tr(A @ X @ X @ X)",
    "A: n n; X: n n",
    "the transpose is distributed, and u = A X is named",
    X=("(X X A + X A X + A X X)ᵀ", "Aᵀ Xᵀ Xᵀ + Xᵀ Aᵀ Xᵀ + Xᵀ Xᵀ Aᵀ", "Aᵀ Xᵀ Xᵀ + Uᵀ Xᵀ + Xᵀ Uᵀ"),
)
formula(
    "trace of a fourth order",
    "Matrix Cookbook (123)",
    "tr(B' @ X' @ C @ X @ X' @ C @ X @ B)",
    "B: d k; X: n d; C: n n",
    "v = Bᵀ Xᵀ C and w = C X B are named, in one or the other order",
    X=(
        "C X Xᵀ C X B Bᵀ + Cᵀ X B Bᵀ Xᵀ Cᵀ X + C X B Bᵀ Xᵀ C X + Cᵀ X Xᵀ Cᵀ X B Bᵀ",
        "C X Xᵀ Vᵀ Bᵀ + Vᵀ W X + Wᵀ V X + Cᵀ X Xᵀ Wᵀ Bᵀ",
    ),
)
formula(
    "trace of an inverse Gram matrix",
    "Matrix Cookbook (125), C = I",
    "tr(inv(X' @ X) @ A)",
    "X: 5 3; A: 3 3",
    "",
    X="−X (Xᵀ X)⁻¹ (A + Aᵀ) (Xᵀ X)⁻¹",
)
formula(
    "trace of X with a diagonal",
    "Matrix Cookbook (142), X = diag(x)",
    "tr(A @ diag(x))",
    "A: n n; x: n",
    "",
    x="diag(A)",
)
formula(
    "logarithm of a form",
    "Matrix Cookbook (81) and the chain rule",
    "log(x' @ A @ x)",
    "x: n; A: n n",
    "the form has the name u",
    x=("(A + Aᵀ) x / (xᵀ A x)",),
)

# 2.6 and 2.7 Derivatives of norms

formula("distance", "Matrix Cookbook (129)", "norm(x - a)", "x: n; a: n", VALUE, x="(x − a) / L")
formula("squared norm", "Matrix Cookbook (131)", "norm(x)^2", "x: n", "", x="2 x")
formula("Frobenius norm squared", "Matrix Cookbook (132)", "norm(X)^2", "X: n m", "", X="2 X")
formula("Frobenius norm", "Matrix Cookbook (132) and the chain rule", "norm(X)", "X: n m", VALUE, X="X / L")
