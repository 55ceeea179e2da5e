from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from support.recursion import few_nested_calls

Run = Callable[..., Result]

MODEL = """
import numpy as np
import chainrule as cr
from helper import half

print("loading the model")

def loss(X: "n d", y: "n", w: "d"):
    p = cr.sigmoid(X @ w)
    return half(np.sum((p - y) ** 2))

def plain(X, y, w):
    r = X @ w - y
    return np.mean(r**2)

def defaulted(x: "n", scale=2.0):
    return scale * np.sum(x**2)

def vector(X: "n d", w: "d"):
    return X @ w

def misfit(X: "n d", w: "k"):
    return np.sum(X @ w)

def branch(x: "n"):
    s = np.sum(x)
    if s > 0:
        return s
    return -s

def undefined(x: "n"):
    return np.sum(nowhere * x)

table = [1, 2]
"""


@pytest.fixture
def model(run: Run) -> str:
    Path("helper.py").write_text("def half(x):\n    return 0.5 * x\n")
    Path("model.py").write_text(MODEL)
    return "model.py"


def test_a_derivation_is_printed_and_verified(run: Run, model: str) -> None:
    before = dict(sys.modules), list(sys.path)
    result = run("derive", f"{model}:loss")
    assert result.exit_code == 0, result.output
    assert "∂L/∂w" in result.stdout
    assert "loading the model" not in result.stdout
    assert any(line.startswith("Verified:") for line in result.stdout.rstrip().splitlines()[-4:])
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\x1b" not in result.output
    assert (set(sys.modules) - set(before[0])) & {"model", "helper", "_chainrule_model"} == set()
    assert sys.path == before[1]


def test_shapes_on_the_command_line(run: Run, model: str) -> None:
    for shapes in (["X: n d, y: n, w: d"], ["X: n d", "y: n", "w: d"], ["X=(n, d); y=n; w=d"], ["X: 4 2, y: 4, w: 2"]):
        options = [part for text in shapes for part in ("--shape", text)]
        result = run("derive", f"{model}:plain", "--wrt", "w", *options)
        assert result.exit_code == 0, result.output
        assert "Verified" in result.stdout


def test_a_parameter_with_a_default_value_needs_no_shape(run: Run, model: str) -> None:
    assert run("derive", f"{model}:defaulted").exit_code == 0


@pytest.mark.parametrize("form", ["path", "matrix", "index"])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("markup", ["text", "latex", "markdown", "html", "json"])
def test_every_form_language_and_format(run: Run, model: str, form: str, lang: str, markup: str) -> None:
    result = run("derive", f"{model}:loss", "--form", form, "--lang", lang, "--format", markup)
    assert result.exit_code == 0, result.output
    assert ("验证" if lang == "zh" else "Verified") in result.stdout
    if markup == "latex":
        assert result.stdout.rstrip().splitlines()[-1].startswith("% ")
    if markup == "html":
        assert result.stdout.endswith("</p></footer>\n</main>\n</body>\n</html>\n")
    if markup == "json":
        record = json.loads(result.stdout)
        assert (record["form"], record["language"]) == (form, lang)
        assert record["verification"]["verified"] is True


def test_a_whole_latex_document(run: Run, model: str) -> None:
    result = run("derive", f"{model}:loss", "--format", "latex", "--standalone")
    assert "\\documentclass" in result.stdout


@pytest.mark.parametrize("markup", ["text", "latex", "markdown", "html", "json"])
def test_a_file_holds_what_would_be_printed(run: Run, model: str, markup: str) -> None:
    printed = run("derive", f"{model}:loss", "--format", markup).stdout
    result = run("derive", f"{model}:loss", "--format", markup, "--output", "out.txt")
    assert result.exit_code == 0, result.output
    assert Path("out.txt").read_text(encoding="utf-8") == printed
    assert result.stdout.startswith("Verified: ")
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_a_file_that_cannot_be_written_is_told_at_once(run: Run, model: str) -> None:
    result = run("derive", f"{model}:loss", "--output", "nowhere/out.html")
    assert result.exit_code == 2
    assert "there is no folder nowhere" in result.output


def test_the_report_holds_the_derivation_in_its_format(run: Run, model: str) -> None:
    record = json.loads(run("derive", f"{model}:loss", "--json", "--format", "json").stdout)
    assert record["derivation"]["schema"].startswith("chainrule derivation")
    record = json.loads(run("derive", f"{model}:loss", "--json", "--format", "html").stdout)
    assert record["derivation"].startswith("<!DOCTYPE html>")


def test_one_json_object(run: Run, model: str) -> None:
    record = json.loads(run("derive", f"{model}:loss", "--json").stdout)
    assert record["verified"] is True
    assert record["lines"] == record["lines_checked"] > 5
    assert record["worst_relative_error"] < 1e-12
    assert "∂L/∂w" in record["derivation"]


@pytest.mark.parametrize(
    ("formula", "options", "gradient"),
    [
        ("x'*A*x", [], "│ ∂L/∂A = x xᵀ"),
        ("norm(A@x-b)^2", ["--wrt", "x"], "│ ∂L/∂x = Aᵀ (∂L/∂r) = 2 Aᵀ r = 2 Aᵀ (A x − b)"),
        ("log(sum(exp(x)))", [], "│ ∂L/∂x = softmax(x)"),
        ("tr(A@X@B)", ["--wrt", "X", "--shape", "A: n m, X: m k, B: k n"], "│ ∂L/∂X = Aᵀ Bᵀ"),
        ("x' * inv(A) * x", ["--wrt", "A"], "│ ∂L/∂A = −A⁻ᵀ x xᵀ A⁻ᵀ"),
        ("logdet(X)", [], "│ ∂L/∂X = X⁻ᵀ"),
        ("mean((sigmoid(X @ w + b) - y)**2)", ["--wrt", "w,b", "--shape", "X: n d, w: d, b: , y: n"], "│ ∂L/∂w = "),
    ],
)
def test_formulas(run: Run, formula: str, options: list[str], gradient: str) -> None:
    result = run("derive", formula, *options)
    assert result.exit_code == 0, result.output
    assert gradient in result.stdout
    assert "Verified" in result.stdout


def test_a_mistake_in_a_formula_is_shown_in_its_place(run: Run) -> None:
    result = run("derive", "1 + sigmod(x)")
    assert result.exit_code == 2
    assert result.stderr == "error: there is no function sigmod; did you mean sigmoid?\n  1 + sigmod(x)\n      ^^^^^^\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modle.py:loss", "modle.py does not exist"),
        ("folder/model:loss", "folder/model does not exist"),
        ("modle.py", "names no function"),
        ("my model.py:loss", "my model.py does not exist"),
        ("loss", "'loss' is a single name; give FILE.py:FUNC"),
        ("attention", "the gallery has it as gallery:attention"),
        ("", "the formula is empty"),
        ("X[:,0]", "elements are picked one by one"),
        ("sum(x): n", "a colon has no meaning in a formula"),
        ("gallery:atention", "did you mean"),
    ],
)
def test_files_formulas_and_the_gallery_are_told_apart(run: Run, text: str, words: str) -> None:
    result = run("derive", text)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model.py"], "as in model.py:loss"),
        (["model.py:"], "names no function"),
        (["nothing.py:loss"], "nothing.py does not exist"),
        ([".:loss"], "is a folder"),
        (["model.py:los"], "no function 'los'; it has loss, plain, defaulted"),
        (["model.py:table"], "is a list, not a function"),
        (["model.py:plain"], "the shape of 'X', a parameter of plain, is missing"),
        (["model.py:plain", "--shape", "X: n d, y: n"], "the shape of 'w'"),
        (["model.py:plain", "--shape", "X: n d, y: m, w: d"], "model.py:13: r = X @ w - y: shapes (n,) and (m,)"),
        (["model.py:plain", "--shape", "X: n d, yy: n, w: d"], "--shape names 'yy', which is not a parameter of plain"),
        (["model.py:plain", "--shape", "X"], "not a name and sizes"),
        (["model.py:plain", "--shape", "X: n d, X: n"], "X twice"),
        (["model.py:plain", "--shape", "X: n d!"], "--shape of X"),
        (["model.py:loss", "--wrt", "w2"], "--wrt names 'w2', which is not a parameter of loss; it has X, y, w"),
        (["model.py:loss", "--wrt", ","], "--wrt names nothing"),
        (["model.py:misfit"], "model.py:23: return np.sum(X @ w): shapes (n, d) and (k,)"),
        (["model.py:branch"], "np.where"),
        (["model.py:undefined"], "model.py:32: NameError: name 'nowhere' is not defined"),
        (["model.py:loss", "--form", "poem"], "--form"),
        (["model.py:loss", "--standalone"], "--format latex"),
        (["syntax.py:f"], "syntax.py:2: '(' was never closed"),
        (["imports.py:f"], "imports.py:1: ModuleNotFoundError"),
        (["leaves.py:f"], "leaves.py ends the program"),
        (["binary.py:f"], "binary.py"),
    ],
)
def test_mistakes_are_answered_in_one_line(run: Run, model: str, arguments: list[str], words: str) -> None:
    Path("syntax.py").write_text("x = 1\ndef f(x:\n  return 1\n")
    Path("imports.py").write_text("import no_such_module_anywhere\n")
    Path("leaves.py").write_text("import sys\nsys.exit(3)\n")
    Path("binary.py").write_bytes(b"\x00\xff\x00")
    result = run("derive", *arguments)
    assert result.exit_code == 2, result.output
    last = result.stderr.removeprefix("loading the model\n")
    assert last.startswith("error: ")
    assert last.count("\n") == 1
    assert words in last
    assert "Traceback" not in result.output


def test_what_is_too_deep_or_too_large_is_one_line(run: Run) -> None:
    lines = ["import numpy as np", "def deep(x):", "    s = np.sum(x)", "    for k in range(40):"]
    lines += [
        "        s = np.sin(s) * s if k.bit_count() % 2 else np.cos(s)",
        "    return s",
        "def flat(x):",
        "    return np.sum(x)",
        "def ends(x):",
        "    raise SystemExit(3)",
    ]
    Path("deep.py").write_text("\n".join(lines), encoding="utf-8")
    for function, shape, words in [
        ("deep", "x: 3", "nested too deeply"),
        ("flat", "x: 99999999999999999999", "too large for any memory"),
        ("ends", "x: 3", "ends the program"),
    ]:
        with few_nested_calls(100):
            result = run("derive", f"deep.py:{function}", "--shape", shape)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
        assert result.stderr.count("\n") == 1
    with few_nested_calls(100):
        assert run("derive", "deep.py:flat", "--shape", "x: 3").exit_code == 0


NETWORK = """
import numpy as np

class Net:
    def __init__(self, hidden=4):
        self.W1 = np.ones((2, hidden))
        self.b1 = np.zeros((1, hidden))
        self.W2 = np.ones((hidden, 1))

    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def loss(self, X, y):
        self.z1 = np.dot(X, self.W1) + self.b1
        self.a1 = self.sigmoid(self.z1)
        return 0.5 * np.sum((np.dot(self.a1, self.W2) - y) ** 2)

class Wide:
    def __init__(self, hidden):
        self.hidden = hidden

    def loss(self, X):
        return np.sum(X)
"""


def test_a_network_written_as_a_class(run: Run) -> None:
    Path("net.py").write_text(NETWORK)
    result = run("derive", "net.py:Net.loss", "--wrt", "W1,b1,W2", "--shape", "X: n 2, y: n 1")
    assert result.exit_code == 0, result.output
    assert "a1 = σ(z1)" in result.stdout
    assert "∂L/∂W1 = Xᵀ δ1" in result.stdout
    for wrong, message in {
        "Net.los": "has no method 'los'; it has sigmoid, loss",
        "Wide.loss": "cannot be made without arguments",
        "Nett.loss": "has no function 'Nett'",
    }.items():
        result = run("derive", f"net.py:{wrong}", "--shape", "X: n 2")
        assert result.exit_code == 2
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_list_of_weights_on_the_command_line(run: Run) -> None:
    Path("deep.py").write_text(
        "import numpy as np\n\ndef loss(X, Ws):\n    for W in Ws:\n        X = np.tanh(X @ W)\n    return np.sum(X)\n"
    )
    result = run("derive", "deep.py:loss", "--shape", "X: n d, Ws: [d h; h k]")
    assert result.exit_code == 0, result.output
    assert "∂L/∂Ws_1" in result.stdout


def test_a_function_that_returns_an_array_is_derived_as_a_layer(run: Run, model: str) -> None:
    result = run("derive", f"{model}:vector")
    assert result.exit_code == 0, result.output
    assert "∂L/∂Y comes back" in result.stdout
    assert "∂L/∂w = Xᵀ (∂L/∂Y)" in result.stdout


def test_brief_is_short_and_another_detail_is_refused(run: Run) -> None:
    full = run("derive", "gallery:attention")
    brief = run("derive", "gallery:attention", "--detail", "brief")
    assert full.exit_code == brief.exit_code == 0
    assert len(brief.stdout.splitlines()) < len(full.stdout.splitlines()) / 1.5
    assert "because" in full.stdout
    assert "because" not in brief.stdout
    refused = run("derive", "gallery:attention", "--detail", "long")
    assert refused.exit_code == 2
    assert "'long' is not one of 'brief', 'full'" in refused.stderr


NEGATIVE = "-mean(y*log(sigmoid(X@w+b)) + (1-y)*log(1-sigmoid(X@w+b)))"


def test_a_formula_may_begin_with_a_sign(run: Run) -> None:
    result = run("derive", NEGATIVE, "--wrt", "b")
    assert result.exit_code == 0, result.output
    assert "Verified" in result.stdout
    assert run("derive", "--wrt", "b", NEGATIVE).stdout == result.stdout
    assert run("derive", "--wrt", "b", "--", NEGATIVE).stdout == result.stdout
    source = run("emit", "--to", "numpy", NEGATIVE, "--wrt", "b")
    assert source.exit_code == 0, source.output
    graded = run("grade", "dx = -2*x", "--against", "-x'*x", "--shape", "x: n")
    assert graded.exit_code == 0, graded.output
    answer = run("grade", "-dx = 2*x", "--against", "x'*x")
    assert "'-dx' is not a name" in answer.stderr


@pytest.mark.parametrize("option", ["-w", "-wrt", "--wtr", "--shpe=X: n d", "-wrt=a*b", "--frm=a(b)"])
def test_a_misspelt_option_is_no_formula(run: Run, option: str) -> None:
    result = run("derive", "sum(x)", option)
    assert result.exit_code == 2
    name = option[: 2 if option[1] != "-" else None].partition("=")[0]
    assert re.search(
        f"No such option:? '?{re.escape(name)}(?![\\w-])", result.stderr
    )  # in click's words of any version


def test_a_worked_example(run: Run, tmp_path: Path) -> None:
    formula = "sigmoid(w*x + b)"
    printed = run("derive", formula, "--at", "x=2, w=-3", "--at", "b=1", "--form", "path")
    assert printed.exit_code == 0, printed.output
    assert "z = w · x + b = −3 · 2 + 1 = −5 " in printed.stdout
    values = tmp_path / "values.json"
    values.write_text('{"x": 2, "w": -3, "b": 1}')
    np.savez(tmp_path / "values.npz", x=2.0, w=-3.0, b=1.0)
    for name in ("values.json", "values.npz"):
        assert run("derive", formula, "--at", str(tmp_path / name), "--form", "path").stdout == printed.stdout
    matrices = run("derive", "norm(A@x-b)^2", "--at", "A=[[1,2],[3,4]], x=[1,−1], b=[0,0]", "--format", "latex")
    assert r"\begin{bmatrix} -1 \\ -1 \end{bmatrix}" in matrices.stdout
    for markup in ("html", "markdown", "json"):
        assert run("derive", formula, "--at", "x=2, w=-3, b=1", "--format", markup).exit_code == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("x", "--at 'x' is not a name and its value"),
        ("x=two", "--at of x: 'two' is not a number or a list"),
        ("x=1, x=2", "--at gives x twice"),
        ("x=1", "the values lack w, b; give them too"),
        ("none.npz", "cannot read none.npz"),
        ("x=__import__('os').getcwd()", "is not a number or a list"),
    ],
)
def test_wrong_values_are_refused(run: Run, values: str, message: str) -> None:
    result = run("derive", "sigmoid(w*x + b)", "--at", values)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_properties_are_assumed(run: Run, model: str) -> None:
    result = run("derive", "x' S x", "--wrt", "x", "--assume", "S symmetric", "--detail", "brief")
    assert result.exit_code == 0
    assert "Given: S is symmetric." in result.output
    assert "∂L/∂x = 2 S x" in result.output
    result = run("derive", f"{model}:plain", "--shape", "X: n d, y: n, w: d", "--assume", "w > 0")
    assert "Given: w is positive." in result.output
    result = run("derive", "x' S x", "--shape", "S: n n sym")
    assert "Given: S is symmetric." in result.output
    result = run("emit", "x' S x", "--to", "numpy", "--assume", "S symmetric")
    assert "The gradients assume S symmetric." in result.output
    result = run("grade", "dx = 2*S*x", "--against", "x' S x", "--wrt", "x", "--assume", "S symmetric")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("assume", "words"),
    [
        ("S symetric", "did you mean symmetric?"),
        ("Q symmetric", "assume names 'Q', which is not an input"),
        ("S diagonal; S orthogonal", "do not go together"),
    ],
)
def test_what_cannot_be_assumed(run: Run, assume: str, words: str) -> None:
    result = run("derive", "x' S x", "--assume", assume)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_gradients_in_another_notation(run: Run) -> None:
    result = run("derive", "norm(A x - b)^2", "--wrt", "x", "--notation", "julia")
    assert result.exit_code == 0
    assert result.output.startswith("dx = 2*A'*(A*x - b)\n# Verified: ")
    assert all(line.startswith("# ") for line in result.output.splitlines()[1:])
    result = run("derive", "norm(A x - b)^2", "--wrt", "x", "--notation", "matlab")
    assert "\n% Verified: " in result.output
    result = run("derive", "norm(A x - b)^2", "--wrt", "x", "--hessian", "--notation", "latex")
    lines = result.output.splitlines()
    assert "L = \\lVert A \\, x - b \\rVert^{2}" in lines
    assert "H \\, v = 2 \\, A^{\\top} \\, A \\, v" in lines
    assert lines[-1].startswith("% ")
    assert run("derive", "x' A x", "--notation", "julia", "--format", "html").exit_code == 2
    assert "no spelling" in run("derive", "sum(relu(x))", "--notation", "matrixcalculus").output


def test_a_hessian_and_a_jacobian(run: Run) -> None:
    result = run("derive", "norm(A x - b)^2", "--wrt", "x", "--hessian")
    assert result.exit_code == 0, result.output
    assert "H = ∇²L = ∂²L/∂x∂xᵀ = 2 Aᵀ A" in result.output
    assert "Verified: " in result.output
    result = run("derive", "A @ X @ B", "--wrt", "X", "--jacobian", "--shape", "A: m n, X: n k, B: k d")
    assert "J = ∂vec(Y)/∂vec(X) = Bᵀ ⊗ A" in result.output
    turned = run("derive", "A x", "--wrt", "x", "--shape", "A: m n, x: n", "--jacobian", "--layout", "denominator")
    assert "J = ∂Y/∂x = Aᵀ" in turned.output
    elements = run("derive", "logsumexp(x)", "--shape", "x: n", "--hessian", "--form", "index", "--lang", "zh")
    assert "∂²L/∂x[i]∂x[j] = p[i] 1[i = j] − p[i] p[j]" in elements.output
    assert "黑塞矩阵" in elements.output
    found = json.loads(run("derive", "norm(A x - b)^2", "--wrt", "x", "--hessian", "--json").output)
    assert found["verified"]
    assert "Gauss–Newton" in found["derivation"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hessian", "--jacobian"), "exclude each other"),
        (("--hessian", "--form", "path"), "matrix and index"),
        (("--hessian", "--at", "x=[[1,2]]"), "the value of x is 1×2"),
        (("--jacobian", "--layout", "rows"), "layout"),
    ],
)
def test_what_a_hessian_does_not_take(run: Run, options: tuple[str, ...], words: str) -> None:
    result = run("derive", "norm(x)^2", "--shape", "x: n", *options)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_a_hessian_is_of_a_number(run: Run) -> None:
    result = run("derive", "A x", "--wrt", "x", "--shape", "A: m n, x: n", "--hessian")
    assert result.exit_code == 2
    assert "returns one number" in " ".join(result.output.split())


def test_the_source_of_a_hessian(run: Run) -> None:
    result = run("emit", "norm(A x - b)^2", "--to", "numpy", "--wrt", "x", "--hessian")
    assert result.exit_code == 0, result.output
    assert "def hessian(A, x, b):" in result.output
    assert "def jacobian(A, x):" in run("emit", "A x", "--to", "numpy", "--shape", "A: m n, x: n", "--jacobian").output
    result = run("emit", "norm(x)^2", "--to", "c", "--hessian", "--shape", "x: n", "--size", "n=3")
    assert "static inline void f_hessian(" in result.output
    assert run("emit", "norm(x)^2", "--to", "wasm", "--hessian", "--shape", "x: n", "--size", "n=3").exit_code == 2
