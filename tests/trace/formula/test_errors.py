"""Every error is one sentence with carets under the place."""

from __future__ import annotations

import traceback

import pytest

import chainrule as cr


def refusal(text: str, **shapes: str) -> cr.FormulaError:
    with pytest.raises(cr.FormulaError) as caught:
        cr.trace(text, **shapes)
    assert "\n" not in str(caught.value)
    return caught.value


def marked(error: cr.FormulaError) -> str:
    """The carets alone, under the line of the formula."""
    line, carets = error.excerpt.split("\n")
    return line[len(carets) - len(carets.lstrip()) : len(carets)]


REFUSED: list[tuple[str, dict[str, str], str, str]] = [
    # what is written, its shapes, words of the message, the place
    ("1 + sigmod(x)", {}, "did you mean sigmoid", "sigmod"),
    ("f(x) + f", {}, "f(…) may be a product or a function; write f * (…)", "f"),
    ("y(x)", {}, "y(…) may be a product or a function; write y * (…)", "y"),
    ("x(y)", {}, "write x * (…)", "x"),
    ("x 2", {}, "write x * 2", "2"),
    ("2 3", {}, "write 2 * 3", "3"),
    ("1/2 x", {}, "may be (1 / 2) * x or 1 / (2 * x)", "1/2 x"),
    ("exp(-(x - m)^2/2s^2)", {}, "(x - m)^2 / 2 s^2 may be ((x - m)^2 / 2) * s^2", "x - m)^2/2s^2"),
    ("sinx", {}, "sinx may be sin(x) or a name; write sin(x)", "sinx"),
    ("lg x", {}, "write log10(x) or log2(x)", "lg"),
    ("lg(x)", {}, "write log10(x) or log2(x)", "lg"),
    ("max_i x_i", {}, "write max(x) for the largest element", "max_i"),
    ("x(1)^2 + x(2)^2", {"x": "2"}, "x(1) may be a product or an element", "x(1"),
    ("a × b", {"a": "3", "b": "3"}, "× of two vectors may be their cross product", "a × b"),
    (r"a \times b", {"a": "3", "b": "3"}, "write x .* y for element by element", r"a \times b"),
    ("cross(a, b)", {"a": "3", "b": "3"}, "derive a Python function with np.cross", "cross"),
    ("σ(x) = 1/(1+exp(-x))", {}, "σ has a meaning here; give what you define another name", "σ"),
    ("‖X‖_{*}", {"X": "m n"}, "the nuclear norm is not in the language", "_"),
    (r"\|X\|_*", {"X": "m n"}, "the nuclear norm is not in the language", r"\|X\|"),
    (r"\int x", {}, "an integral is not in the language", r"\int"),
    (r"\lim x", {}, "a limit is not in the language", r"\lim"),
    (r"x \in R", {}, "what a variable is taken from is given beside the formula", r"\in"),
    ("a/b c' d", {}, "may be (a / b) * c' or a / (b * c')", "a/b c'"),
    ("x y", {"x": "n", "y": "n"}, "side by side are no product; write x' y, x y', or x .* y", "x y"),
    ("x A", {"x": "n", "A": "n n"}, "side by side are no product; write x' A", "x A"),
    ("A x'", {"x": "n", "A": "n n"}, "side by side are no product; write A x", "A x'"),
    ("log(|Σ|)", {}, "may be its determinant or go element by element; write det(A) or abs(A)", "|Σ|"),
    ("\\sum x \\log x", {}, "side by side are no product", "x \\log x"),
    ("size(X)", {}, "counted from 1, of an array, as in size(X, 1)", "size(X)"),
    ("length(X)", {"X": "n d"}, "length takes a vector", "length(X)"),
    ("x_{i+1}", {}, "a subscript is one word or number, as in W_{1}", "_{"),
    ("relu x", {}, "write relu(…)", "relu"),
    ("sin xy", {}, "sin x y may be sin(x y) or sin(x) * y; write one of the two", "sin xy"),
    ("ln 2x", {}, "ln 2 x may be ln(2 x) or ln(2) * x; write one of the two", "ln 2x"),
    ("p log p/q", {}, "log p/q may be log(p/q) or log(p) / q; write one of the two", "log p/q"),
    ("log 1+x", {}, "log 1+x may be log(1+x) or log(1) + x; write one of the two", "log 1+x"),
    ("tr A'B", {}, "tr A' B may be tr(A' B) or tr(A') * B; write one of the two", "tr A'B"),
    ("e^2x", {}, "e^2x may be e^(2 x) or e^2 * x; write one of the two", "e^2x"),
    ("4*e*(s/r)^6", {}, "e may be Euler's number or a variable; write exp(1) for the number", "e"),
    ("k*e^2/r", {}, "e may be Euler's number or a variable", "e"),
    ("2^xy", {}, "2^xy may be 2^(x y) or 2^x * y; write one of the two", "2^xy"),
    ("x^ny", {}, "x^ny may be x^(n y) or x^n * y; write one of the two", "x^ny"),
    ("std(x, 0)", {}, "is along axis 0 in NumPy, and divides by n − 1 in MATLAB", "0"),
    ("std(x, 1)", {}, "is along axis 1 in NumPy, and divides by n in MATLAB; write std(x, axis=1)", "1"),
    ("if(x > 0, x, 0)", {}, "write where(condition, a, b) for a choice", "if"),
    ("∏_i x_i", {}, "write exp(sum(log(x))) where they are positive", "∏"),
    ("prod(x)", {}, "write exp(sum(log(x))) where they are positive", "prod"),
    ("tr(sqrtm(X' X))", {"X": "m n"}, "that of X' X has the nuclear norm of X as its trace", "sqrtm"),
    ("sum(svdvals(X))", {"X": "m n"}, "singular values and eigenvalues are not in the language", "svdvals"),
    ("log(sum(pi.*x)/√(2π))", {"pi": "k"}, "2π has the variable π here; write 6.283185307179586", "2π"),
    ("Σ x²", {}, "Σ x may be the sum of x or a product with Σ; write sum(x) or Σ * x", "Σ"),
    ("tr(inv(Sw) Sb)", {}, "Sw may be the product S w or one name; write S w, or state its shape", "Sw"),
    ("KX + b", {}, "KX may be the product K X or one name", "KX"),
    ("ab + a", {}, "ab may be the product a b or one name", "ab"),
    ("A*x + Bx", {}, "Bx may be the product B x or one name", "Bx"),
    ("∂/∂x x^2", {}, "which only derive answers; write the formula alone", "∂/∂x"),
    ("x + \\partial x", {}, "a derivative is asked for in front of the whole formula", "\\partial"),
    ("\\mathbb{E}[x^2]", {}, "an expectation is not in the language; write mean(…)", "\\mathbb{E}"),
    ("E[x^2]", {}, "an expectation is not in the language; write mean(…)", "["),
    ("\\exp^{-1}(x)", {}, "exp^-1 may be an inverse function or a power; for the power write exp(…)^(-1)", "\\exp^{-1"),
    ("std(x, 0)", {}, "along axis 0 in NumPy, and divides by n − 1 in MATLAB; write std(x, axis=0)", "0"),
    ("cov(x, y)", {}, "cov divides by n or by n − 1; write", "cov"),
    ("[x, y].^2", {}, "write [x; y] for one vector below the other", ","),
    ("[x; A]", {"x": "n", "A": "n n"}, "is of vectors, or of matrices, not", "[x; A]"),
    ("einsum(A, B)", {}, "takes its indices in quotes first", "einsum(A, B)"),
    ("einsum('ij->ij', x)", {"x": "n"}, "einsum has 2 indices for a column (n,)", "einsum('ij->ij', x)"),
    ("einsum('ii,i->i', A, x)", {"x": "n", "A": "n m"}, "the index i of einsum has two sizes", "einsum"),
    ("cumsum(A)", {"A": "n m"}, "is along its columns in MATLAB, and of all elements in NumPy", "cumsum(A)"),
    ("diff(A)", {"A": "n m"}, "diff takes a vector", "diff(A)"),
    ("\\sum_{i<j} x_i x_j", {}, "a sum runs over all values of its indices", "\\sum"),
    ("\\sum_i x_i y_j", {}, "y_j has the index j, which is not summed over", "y_j"),
    ("\\log \\sum_j e^{z_j} - z_1", {}, "z_1 may be an element of z, counted from 0 or from 1, or a variable", "z_1"),
    ("\\log \\sum_j e^{z_j} - z_j", {}, "z_j stands outside the sum over j; write the sum around it", "z_j"),
    ("\\sum_j e^{z_j} - z_k", {"z": "n", "k": "n"}, "an element has one index, which is a number", "z_k"),
    ("\\sum_i \\|x_i y_i\\|^2", {}, "of which there is no norm; write the sum with whole arrays", "\\|x_i y_i\\|"),
    ("\\sum_{i,j,k,l} x_i", {}, "over up to 3 different indices", "\\sum_{i,j,k,l}"),
    ("\\sum_i x_i", {"x": "n m"}, "1 indices are those of 1 axes, and this is a matrix (n, m)", "x_i"),
    ("A\\beta", {}, "A\\beta may be A * beta, as in LaTeX, or solve(A, beta)", "\\beta"),
    ("\\alhpa x", {}, "no command \\alhpa; did you mean alpha?", "\\alhpa"),
    ("\\log x y", {}, "log x y may be log(x y) or log(x) * y; write one of the two", "\\log x y"),
    ("\\sum_{i} x", {}, "what is summed over i has no i in it; write n * (…)", "\\sum_{i}"),
    ("\\frac{a}{b", {}, "not closed; write }", "{"),
    ("x} + 1", {}, "this bracket closes nothing", "}"),
    ("⟨x⟩", {}, "is of two arrays", "⟩"),
    ("⟨x, y", {}, "write ⟩ where it should end", ""),
    ("1'*1", {}, "does not settle the size of 1; write eye(n) or ones(n)", "1"),
    ("lam*I", {}, "does not settle the size of I", "I"),
    ("11'*x", {}, "a number has no transpose", "'"),
    ("vector(x)*x", {"x": "n"}, "this repeats a number, not a column (n,)", "vector(x)"),
    ("A ⊗ B", {}, 'state those of its factors, as in --shape "A: n m, B: p q"', "A ⊗ B"),
    ("A ⊗ x", {"A": "n n", "x": "n"}, "a Kronecker product is of two matrices", "A ⊗ x"),
    ("vec(x)", {"x": "n"}, "vec takes a matrix, not a column (n,)", "vec(x)"),
    ("x +", {}, "something is missing after +, where the formula ends", ""),
    ("* x", {}, "something is missing, before *", "*"),
    ("(x", {}, "not closed", "("),
    ("sum(x", {}, "not closed", "("),
    ("x)", {}, "closes nothing", ")"),
    ("()", {}, "nothing in these parentheses", "()"),
    ("|x", {}, "not closed", "|"),
    ("x, y", {}, "comma", ","),
    ("x = ", {}, "something is missing after =", ""),
    ("= x", {}, "a name stands before =", "="),
    ("sum(x) = 3", {}, "compare with ==", "="),
    ("x + 3\ny", {}, "only the last line", "x + 3"),
    ("z = x; z = y; z", {}, "z is given twice", "z"),
    ("z = z + 1", {}, "used before it is given", "z"),
    ("a = b; b = x; a", {}, "used before it is given", "b"),
    ("x[0]", {}, "[0] may be counted from 0 or from 1", "[0]"),
    ("x[1:]", {}, "elements are picked one by one", "["),
    ("X[i, j]", {}, "elements are picked one by one", "["),
    ("X[k]", {"X": "n d"}, "an element has one index, which is a number, and is that of a vector", "X[k]"),
    ("sum_i (2*x)[i]", {}, "only a name has the index i of a sum", "(2*x)[i]"),
    ("Γ(a, b) + Γ", {"a": "", "b": ""}, "Γ(…) may be a product or a function", "Γ"),
    ("sum(kron(A, B)*C)", {}, "write @ for the matrix product, .* for element by element", "kron(A, B)*C"),
    ("x: n", {}, "shapes are given beside it", ":"),
    ("x.sum()", {}, "write sum(…)", "sum"),
    ("x.shape", {}, "no .shape in a formula", "shape"),
    ("x; __import__('os')", {}, "no function __import__", "__import__"),
    ("sum(x, axis=2)", {"x": "n"}, "has no axis 2; its axes are 0", "sum(x, axis=2)"),
    ("sum(x, axis=0.5)", {"x": "n"}, "an axis is a whole number", "axis=0.5"),
    ("sum(x, keepdims=3)", {"x": "n"}, "keepdims is true or false", "keepdims=3"),
    ("sum(x, axes=0)", {"x": "n"}, "no option axes; it has axis, keepdims; did you mean axis?", "axes=0"),
    ("sum(x, y, z, w)", {}, "sum takes one argument, not 4", "w"),
    ("exp(x, 2)", {}, "exp takes one argument, not 2", "2"),
    ("where(x > 0, x)", {}, "where takes three arguments, not 2", "where(x > 0, x)"),
    ("max(x, 0)", {}, "maximum(x, 0) or max(x, axis=0)", "max(x, 0)"),
    ("norm(x, 3)", {}, "no norm of order 3", "3"),
    ("norm(A, 1)", {"A": "n m"}, "Frobenius", "norm(A, 1)"),
    ("norm(A, 2)", {"A": "n m"}, "largest singular value", "norm(A, 2)"),
    ("norm(b)", {"b": ""}, "write abs(x)", "norm(b)"),
    ("tr(A)", {"A": "n m"}, "square matrix, not one of shape (n, m)", "tr(A)"),
    ("inv(x)", {"x": "n"}, "square matrix, not a column (n,)", "inv(x)"),
    ("eye(q) @ x", {"x": "n"}, "q is not the size of anything", "q"),
    ("X @ w + b", {"X": "n d", "w": "k", "b": ""}, "the summed sizes d and k differ", "X @ w"),
    ("X @ Y", {"X": "n d", "Y": "n d"}, "with the right side transposed", "X @ Y"),
    ("b @ x", {"b": "", "x": "n"}, "write * to scale", "b @ x"),
    ("x + y", {"x": "n", "y": "m"}, "in a sum: the sizes n and m differ", "x + y"),
    ("x + y'", {"x": "n", "y": "n"}, "a column (n,) and a row (n,) do not fit in a sum", "x + y'"),
    ("x @ y'", {"x": "n", "y": "n"}, "write outer(x, y)", "x @ y'"),
    ("A * B", {"A": "n n", "B": "n n"}, "write @ for the matrix product, .* for", "A * B"),
    ("A * B", {"A": "n m", "B": "k m"}, "with the right side transposed they fit", "A * B"),
    ("A @ x + A * x", {"A": "n n", "x": "n"}, "write A @ x, or A .* x", "A * x"),
    ("x * A", {"A": "n n", "x": "n"}, "write x' * A", "x * A"),
    ("A^2", {"A": "n n"}, "write A @ A", "A^2"),
    ("A^2'", {"A": "n m"}, "a number has no transpose", "'"),
    ("0 < x < 1", {}, "logical_and(a < x, x < b)", "<"),
    ("1 + 2", {}, "no variables", "1 + 2"),
    ("1e999 * x", {}, "too large", "1e999"),
    ("2^9999 * x", {}, "does not exist or is too large", "2^9999"),
    ("x / (1 - 1)^-1", {}, "does not exist or is too large", "(1 - 1)^-1"),
    ("cross_entropy(Z, y)", {"Z": "n k", "y": "n"}, "labels: n:int", "cross_entropy(Z, y)"),
    ("W1*x + b", {"W1": "h d"}, "x may be", "x"),
    ("x ? y", {}, "where(condition, a, b)", "?"),
    ("x \\ y", {"x": "n", "y": "n"}, "solve takes a square matrix, not a column (n,)", "x \\ y"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes", "words", "place"), REFUSED, ids=[entry[0] for entry in REFUSED])
def test_a_refusal_says_what_and_where(text: str, shapes: dict[str, str], words: str, place: str) -> None:
    error = refusal(text, **shapes)
    assert words in str(error)
    if place:
        assert error.span is not None
        assert text[error.span.start : error.span.end].strip("()") == place.strip("()") or place in text


def test_the_carets_stand_under_the_place() -> None:
    assert refusal("1 + sigmod(x)").excerpt == "1 + sigmod(x)\n    ^^^^^^"
    assert refusal("x +").excerpt == "x +\n   ^"
    assert refusal("a = x\nsum(a) + sin(").excerpt == "sum(a) + sin(\n             ^"


def test_carets_count_columns_not_characters() -> None:
    wide = refusal("数据 * sigmod(数据)")
    assert wide.excerpt == "数据 * sigmod(数据)\n" + " " * 7 + "^^^^^^"
    assert refusal("数据 + 数据(x)").excerpt.split("\n")[1] == " " * 7 + "^^^^"
    assert refusal("x̂ + sigmod(x̂)").excerpt == "x̂ + sigmod(x̂)\n    ^^^^^^"
    assert refusal("x\t+\tsigmod(x)").excerpt == "x + sigmod(x)\n    ^^^^^^"
    assert refusal("（x）＋ sigmod(x)").excerpt.split("\n")[1] == " " * 8 + "^^^^^^"


def test_nothing_that_moves_the_cursor_is_shown() -> None:
    error = refusal("x + \x1b[2J\u202e\u200b\x00 sigmod(x)")
    assert error.excerpt.isprintable() or error.excerpt.replace("\n", "").isprintable()
    assert "\x1b" not in str(error) + error.excerpt
    assert "\u202e" not in error.excerpt


def test_of_a_long_line_the_part_about_the_place_is_shown() -> None:
    error = refusal("velocity + " * 40 + "sigmod(x)" + " + velocity" * 40)
    line, carets = error.excerpt.split("\n")
    assert len(line) <= 80
    assert line.startswith("…")
    assert line.endswith("…")
    assert line[carets.index("^") : len(carets)] == "sigmod"


def test_a_traceback_shows_the_excerpt() -> None:
    error = refusal("1 + sigmod(x)")
    assert "".join(traceback.format_exception_only(error)).rstrip().endswith("1 + sigmod(x)\n    ^^^^^^")


def test_what_is_asked_names_the_possibilities() -> None:
    message = str(refusal("X @ w + b", X="n d"))
    assert "w may be d or d m" in message
    assert "b may be" in message
    assert 'state them, as in --shape "w: d, b: ' in message
    assert 'or w="d", b="' in message
    message = str(refusal("mean((sigmoid(X @ w + b) - y)**2)", X="n d", y="n"))
    assert message == (
        'the formula does not settle the shape of b: b may be a number or n; state it, as in --shape "b: " or b=""'
    )


def test_a_name_that_is_not_in_the_formula() -> None:
    assert "wieghts is not in the formula; did you mean weights?" in str(refusal("weights @ x", wieghts="n n"))
    assert "two shapes" in str(refusal("lambda * x", **{"lambda": "", "λ": ""}))
    assert "is given a value" in str(refusal("z = x; z", z="n"))
    with pytest.raises(cr.ShapeError, match="the shape of x: "):
        cr.trace("sum(x)", x="n:complex")
    with pytest.raises(cr.FormulaError, match="give its shape"):
        cr.trace("sum(x)", x=True)
    with pytest.raises(cr.TraceError, match="by name"):
        cr.trace("sum(x)", "n")
    with pytest.raises(cr.DerivationError, match="'q' in wrt"):
        cr.derive("sum(x)", "q")
    with pytest.raises(cr.FormulaError, match="empty"):
        cr.trace("  \n ")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "x" + ")" * 100_000,
        "(" * 5_000 + "x",
        "-" * 5_000 + "x",
        "sin(" * 3_000 + "x" + ")" * 3_000,
        "x" + "'" * 5_000,
        "x" + "^2" * 3_000,
        "x" + "+x" * 9_000,
        "√" * 5_000 + "x",
        "|" * 5_000 + "x",
        "1" * 10_000,
        "x" * 1_000_000,
    ],
    ids=lambda text: text[:8],
)
def test_what_is_too_long_or_too_deep_is_refused(text: str) -> None:
    refusal(text)
