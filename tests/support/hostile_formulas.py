"""Invalid, malicious and ordinary formulas for tests of the parser, and `python -m support.fuzz`.

`formulas(seed)` is infinite. It yields texts and shapes of five kinds: expressions drawn from the grammar, good
formulas with a few characters changed, tokens in any order, characters in any order, and attacks.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from chainrule.trace.formula import FUNCTION_NAMES

Case = tuple[str, dict[str, str]]

GOOD = (
    "mean((sigmoid(X @ w + b) - y)**2)",
    "x'*A*x",
    "norm(A@x-b)^2",
    "log(sum(exp(x)))",
    "sum((A@X) .* B')",
    "z1 = W1@x + b1; a1 = σ(z1); L = 0.5*sum((W2@a1 + b2 - y)^2)",
    "‖X*w − y‖² + λ*‖w‖₁",
    "cross_entropy(X@W, labels)",
    "max(0, 1 - y .* (X@w)) + where(x > 0, x, 0)",
    "softmax(Q@K'/√d)@V",
    "-log(sigmoid(beta*(a - b)))",
    "sum(softmax(X, axis=1) .* log_softmax(Y, axis=1), axis=1, keepdims=true)",
    "½ x' A x + b' x + ‖A x‖²",
    r"\frac{1}{2} \|X w - y\|_2^2 + \lambda \lVert w \rVert_1 + \log\det\left(A\right)",
    "exp.(x) .+ A\\b .- (I - 1*1'/n)*x + vector(2)",
    "⟨x, y⟩ + tr((A ⊗ B) C) + size(X, 1)*length(x)",
)

SHAPES: tuple[dict[str, str], ...] = (
    {},
    {"X": "n d", "w": "d", "b": "", "y": "n"},
    {"A": "n n", "x": "n"},
    {"A": "3 3", "x": "3", "b": "3"},
    {"x": "n:float32", "y": "n:int", "m": "n:bool"},
    {"X": "4 n d", "W": "d k"},
    {"x": "1", "A": "1 1", "y": "0", "b": "1 n"},
)

TOKENS = (
    *"+-*/@^'()|,=;<>.√∑·⊙‖²³⁻₁½ᵀ−×≤\n\t #\"[]{}:!&%$?~\\`",
    "**", ".*", "./", ".^", ".'", ".T", "==", "!=", "<=", ">=", "||", "^T", "⁻¹", "axis=0", "keepdims=true", "ord=1",
    "axis=(0,1)", "axis=-9", "eps=1e-5", "inf", "fro", "pi", "e", "π", "1e308", "1e-308", "0", "1", "2", "0.5", ".5",
    "x", "y", "w", "b", "A", "B", "X", "W", "W1", "n", "d", "λ", "lambda", "alpha", "数据", "é", "x̂",
    "__class__", "eval", "np.", "cr.", "T", "I", "1'", "⊗", "⟨", "⟩", "^-1", "^{-T}", "_{", "_1", ".(", ".+", "dims=1",
    r"\frac", r"\left", r"\right.", r"\|", r"\lambda", r"\mathrm{", r"\hat", r"\log", r"\sum", r"\top", r"\sqrt{",
    "\\b",
    *(f"{name}(" for name in FUNCTION_NAMES),
)  # fmt: skip

BREAK_INS = (
    "__import__('os').system('touch {canary}')",
    "__import__(\"os\").system(\"touch {canary}\")",
    "open('{canary}', 'w')",
    "open(\"{canary}\", \"w\").write(\"x\")",
    "exec(\"open('{canary}','w')\")",
    "eval('1+1')",
    "eval(compile(\"open('{canary}','w')\", 'a', 'exec'))",
    "x.__class__.__mro__[1].__subclasses__()",
    "().__class__.__bases__[0]",
    "(lambda: open('{canary}', 'w'))()",
    "[open('{canary}','w') for _ in (1,)]",
    "f\"{{open('{canary}','w')}}\"",
    "'{{0.__class__}}'.format(x)",
    "sum(x, axis=__import__('os').getpid())",
    "norm(x, ord=open('{canary}','w'))",
    "np.load('{canary}')",
    "np.fromfile('{canary}')",
    "cr.trace.__globals__",
    "numpy.save('{canary}', x)",
    "globals()['__builtins__']",
    "getattr(x, '__reduce__')()",
    "import os; os.remove('{canary}')",
    "x; __import__('os')",
    "`touch {canary}`",
    "$(touch {canary})",
    "; touch {canary} ;",
    "os.system(\"touch {canary}\")",
    "breakpoint()", "input()", "exit()", "quit()", "help(x)", "print(x)", "while True: pass", "def f(x): return x",
    "lambda x: x", "x if x else y", "yield x", "async x", "raise x", "del x", "x := 3", "{{x: 1}}", "@x", "...", "None",
    "True", "x.T.T.T.T", "x.T()", "x.shape", "x[0]", "x[:, 0]", "*x", "**x", "f(*x)", "sum(**x)", "sum(x=1)",
)  # fmt: skip


def _deep(rng: random.Random) -> str:
    many = rng.choice((90, 101, 1_000, 100_000))
    return rng.choice(
        (
            "(" * many + "x" + ")" * many,
            "(" * many,
            ")" * many,
            "-" * many + "x",
            "x" + "'" * many,
            "x" + "^2" * many,
            "^".join(["9"] * many),
            "sin(" * many + "x" + ")" * many,
            "|" * many + "x" + "|" * many,
            "√" * many + "x",
            "x" + "+x" * many,
            "x" + "@x" * many,
            ";".join(f"a{k} = x + {k}" for k in range(min(many, 3_000))),
            "a0 = x;" + ";".join(f"a{k + 1} = a{k} * a{k}" for k in range(min(many, 300))),
            "+".join(f"v{k}" for k in range(min(many, 3_000))),
            "*".join(f"V{k}" for k in range(min(many, 60))),
            "1" * many,
            "x" * many,
            "0." + "0" * many + "1",
            "1e" + "9" * many,
            " " * many + "x",
            "#" * many,
            "\n" * many + "x +",
            "x =" * many,
            "x," * many,
            "sum(" + "x," * many + ")",
            "x^10^9", "x**1000000000", "2**10**9", "9**9**9**9", "x^-1e300", "1/0", "0/0", "0**-1", "(-8)**(1/3)",
            "log(0)", "sqrt(-1)", "exp(1e9)", "1e308*10", "sum(x, axis=10**9)", "sum(x, axis=99999999999999999999)",
            "x" + "²" * many,
            "‖" * many,
            "数" * many,
            "x" + "\u0301" * many,
            "(" * 50 + "x" + "+1)" * 50,
        )
    )  # fmt: skip


def _expression(rng: random.Random, depth: int) -> str:
    if depth <= 0 or rng.random() < 0.15:
        return rng.choice(("x", "y", "w", "b", "A", "B", "X", "W", "λ", "n", "2", "0.5", "pi", "labels", "m"))

    def part() -> str:
        return _expression(rng, depth - 1)

    kind = rng.random()
    if kind < 0.4:
        operator = rng.choice(("+", "-", "*", "/", "@", ".*", "./", "^", "**", ".^", "<", ">=", "·", "×"))
        return f"{part()} {operator} {part()}" if rng.random() < 0.5 else f"({part()}) {operator} ({part()})"
    if kind < 0.75:
        arguments = ", ".join(part() for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3))))
        option = rng.choice(
            ("", "", "", ", axis=0", ", axis=-1", ", axis=1, keepdims=true", ", 1", ", fro", ", eps=0.1")
        )
        return f"{rng.choice(FUNCTION_NAMES)}({arguments}{option})"
    if kind < 0.85:
        return f"({part()})" + rng.choice(("'", ".T", "ᵀ", "²", "^T", "⁻¹", "'' "))
    return rng.choice(("-{}", "|{}|", "‖{}‖", "‖{}‖²", "√({})", "({})", "+{}", "||{}||_1")).format(part())


_TYPED: dict[str, tuple[str, ...]] = {
    "": ("b", "λ", "2", "0.5", "pi", "n"),
    "n": ("x", "y"),
    "d": ("w", "v"),
    "n d": ("X", "Z"),
    "n n": ("A", "B"),
    "d k": ("W",),
    "n k": ("Y",),
}
TYPED_SHAPES = {
    "b": "", "λ": "", "x": "n", "y": "n", "w": "d", "v": "d", "X": "n d", "Z": "n d", "A": "n n", "B": "n n",
    "W": "d k", "Y": "n k",
}  # fmt: skip
_UNARY = ("exp", "sin", "cos", "tanh", "sigmoid", "relu", "gelu", "silu", "softplus", "abs", "square", "erf", "sign")
_REDUCTIONS = ("sum", "mean", "max", "min", "norm", "logsumexp", "std")


def _sensible(rng: random.Random, shape: str, depth: int) -> str:
    """Return an expression of the given shape, with consistent shapes."""
    if depth <= 0 or rng.random() < 0.1:
        return rng.choice(_TYPED[shape])

    def part(wanted: str = shape) -> str:
        return _sensible(rng, wanted, depth - 1)

    forms: list[Callable[[], str]] = [
        lambda: f"({part()} {rng.choice(('+', '-'))} {part()})",
        lambda: f"{part('')} * ({part()})",
        lambda: f"({part()}) {rng.choice(('.*', './', '⊙'))} ({part()})",
        lambda: f"({part()}) / (1 + ({part('')})^2)",
        lambda: f"{rng.choice(_UNARY)}({part()})",
        lambda: f"({part()}) {rng.choice(('**', '.^'))} {rng.choice(('2', '3', '0.5', '-1', '(1/3)'))}",
        lambda: f"maximum({part()}, {part()})",
        lambda: f"where({part()} > {rng.choice(('0', '(' + part() + ')'))}, {part()}, {part()})",
    ]
    own: dict[str, list[Callable[[], str]]] = {
        "": [
            lambda: f"{rng.choice(_REDUCTIONS)}({part(rng.choice(('n', 'n d')))})",
            lambda: f"({part('n')})' * ({part('n')})",
            lambda: f"‖{part('n n')}‖²",
            lambda: f"({part('n')})'*({part('n n')})*({part('n')})",
        ],
        "n": [
            lambda: f"({part('n d')}) @ ({part('d')})",
            lambda: f"{rng.choice(('sum', 'mean', 'max', 'logsumexp', 'norm'))}({part('n d')}, axis=1)",
            lambda: f"softmax({part('n')})",
            lambda: f"({part('n n')}) · ({part('n')})",
        ],
        "d": [lambda: f"({part('n d')})' @ ({part('n')})", lambda: f"sum({part('n d')}, axis=0)"],
        "n d": [
            lambda: f"({part('n')}) * ({part('d')})'",
            lambda: f"{rng.choice(('softmax', 'log_softmax', 'layer_norm'))}({part('n d')})",
            lambda: f"({part('n n')}) @ ({part('n d')})",
            lambda: f"({part('n d')}) + ({part('d')})",
        ],
        "n n": [
            lambda: f"({part('n n')})'",
            lambda: f"({part('n d')}) * ({part('n d')})'",
            lambda: f"outer({part('n')}, {part('n')})",
        ],
        "d k": [lambda: f"({part('n d')})' @ ({part('n k')})"],
        "n k": [lambda: f"({part('n d')}) * ({part('d k')})"],
    }
    return rng.choice(forms + own[shape])()


def sensible(rng: random.Random) -> str:
    """Return a formula consistent with `TYPED_SHAPES`, in one or several equations."""
    shape = rng.choice(("", "", "", "n", "n d"))
    return _sensible(rng, shape, rng.randint(1, 4))


def _grammar(rng: random.Random) -> str:
    lines = [
        f"{rng.choice('zauvq')}{k} = {_expression(rng, rng.randint(0, 3))}" for k in range(rng.choice((0, 0, 0, 1, 2)))
    ]
    return rng.choice((";", "\n", " ; ")).join([*lines, _expression(rng, rng.randint(0, 5))])


def _mutated(rng: random.Random) -> str:
    text = list(rng.choice(GOOD))
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(text) + 1)
        action = rng.random()
        if action < 0.35 and text:
            del text[min(place, len(text) - 1)]
        elif action < 0.7:
            text.insert(place, rng.choice(TOKENS))
        elif action < 0.85:
            text[place:place] = rng.choice(GOOD)[rng.randrange(10) :]
        elif text:
            other = rng.randrange(len(text))
            place = min(place, len(text) - 1)
            text[place], text[other] = text[other], text[place]
    return "".join(text)


def _characters(rng: random.Random) -> str:
    ranges = (
        (0, 0x7F),
        (0, 0x2FF),
        (0x370, 0x3FF),
        (0x2000, 0x22FF),
        (0x4E00, 0x4FFF),
        (0xFF00, 0xFFEF),
        (0, 0x10FFFF),
    )
    low, high = rng.choice(ranges)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.choice((1, 2, 5, 20, 80, 400))))


def formulas(seed: int, canary: str) -> Iterator[Case]:
    """Yield texts with shapes, without end; `canary` is a path that attacks would create."""
    rng = random.Random(seed)
    while True:
        kind = rng.random()
        if kind < 0.2:
            text = sensible(rng)
            used = set(re.findall(r"\w+", text))
            yield text, {name: shape for name, shape in TYPED_SHAPES.items() if name in used}
            continue
        if kind < 0.4:
            text = _grammar(rng)
        elif kind < 0.65:
            text = _mutated(rng)
        elif kind < 0.8:
            text = rng.choice(("", " ")).join(rng.choice(TOKENS) for _ in range(rng.choice((1, 3, 8, 20, 60))))
        elif kind < 0.9:
            text = _characters(rng)
        elif kind < 0.97:
            text = rng.choice(("{}", "x + {}", "sum({})", "z = {}; z")).format(
                rng.choice(BREAK_INS).format(canary=canary)
            )
        else:
            text = _deep(rng)
        yield text, rng.choice(SHAPES)
