"""The index form: its output for the two-layer network, and its values for every primitive."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.derivation.elements import element_value
from chainrule.derivation.index_notation import IndexNames, NotationEmitter, index_notation, size_notation
from chainrule.derivation.text import text_of
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    Input,
    Node,
    ProgramError,
    SymbolicDim,
    concrete,
    named_dim,
)
from chainrule.ir import parse_shape as shape
from chainrule.primitives import (
    REGISTRY,
    Abstract,
    AbstractMap,
    Application,
    BigOperator,
    Call,
    Cases,
    Composite,
    Example,
    Fraction,
    Indexed,
    Infix,
    Notation,
    Number,
    Pad,
    Permute,
    PowerNotation,
    Prefix,
    RandomUniform,
    ScatterAdd,
    Symbol,
    evaluate_nodes,
    indexed,
    matmul,
    mean,
    sigmoid,
    softmax,
    sum_,
    take,
)

Array = NDArray[Any]
RTOL = 256 * float(np.finfo(np.float64).eps)
SIZES: dict[str, Dim] = {"n": 2, "m": 3, "k": 2}


def variable(name: str, dims: str, dtype: DType = DType.FLOAT64) -> Input:
    return Input(name, ArrayType(shape(dims), dtype))


def leaf(node: Node, index: Sequence[Notation]) -> Notation:
    if isinstance(node, Input):
        return indexed(Symbol(node.name), index)
    assert isinstance(node, Const)
    assert not isinstance(node.value, np.ndarray)
    return Symbol(str(node.value)) if isinstance(node.value, SymbolicDim) else Number(node.value)


X, W1, b1 = variable("X", "n d"), variable("W1", "d h"), variable("b1", "h")
a1, W2, d2 = variable("a1", "n h"), variable("W2", "h o"), variable("δ2", "n o")
y = variable("y", "n", DType.INT64)
row = Permute((1, 0))

PIECES: list[tuple[Node, str, str]] = [
    (matmul(row(a1), d2), "jk", "Σᵢ a1[i,j] δ2[i,k]"),
    (matmul(X, W1) + b1, "ij", "Σₘ X[i,m] W1[m,j] + b1[j]"),
    (matmul(d2, row(W2)), "ij", "Σₖ δ2[i,k] W2[j,k]"),
    (sum_(d2, 0), "k", "Σᵢ δ2[i,k]"),
    (0.5 * sum_((d2 - 1) ** 2), "", "½ Σᵢₖ (δ2[i,k] − 1)²"),
    (matmul(d2, row(W2)) * sigmoid(a1), "ij", "(Σₖ δ2[i,k] W2[j,k]) σ(a1[i,j])"),
    (mean(d2, 1), "i", "(1/o) Σₖ δ2[i,k]"),
    (sum_(sum_(d2, 1), 0), "", "Σᵢₖ δ2[i,k]"),
    (softmax(matmul(a1, W2)), "ij", "softmax(a1 W2)[i,j]"),
    (matmul(matmul(X, W1), W2), "ik", "Σⱼ (Σₘ X[i,m] W1[m,j]) W2[j,k]"),
    (2 * (d2 * -d2), "ik", "2 δ2[i,k] (−δ2[i,k])"),
    (take(W1, y, 0), "ij", "W1[y[i],j]"),
    (ScatterAdd(0, named_dim("d"))(a1, y), "lj", "Σᵢ (a1[i,j] if y[i] = l, else 0)"),
]


@pytest.mark.parametrize(("node", "letters", "expected"), PIECES, ids=[text for _, _, text in PIECES])
def test_pieces_of_the_two_layer_network(node: Node, letters: str, expected: str) -> None:
    names = IndexNames(["n", "h", "o", "d"])
    assert text_of(index_notation(node, [Symbol(letter) for letter in letters], leaf, names)) == expected


def test_named_values_are_not_opened() -> None:
    z1 = matmul(X, W1)
    names = IndexNames(["n", "h"])

    def named(node: Node, index: Sequence[Notation]) -> Notation:
        return indexed(Symbol("z1"), index) if node is z1 else leaf(node, index)

    assert text_of(index_notation(sigmoid(z1), names.indices(z1.type.shape), named, names, {z1})) == "σ(z1[i,j])"


def test_letters_follow_sizes() -> None:
    names = IndexNames(["d", "n", "h"])
    assert [s.name for s in names.indices(shape("n d")) if isinstance(s, Symbol)] == ["i", "j"]
    assert [s.name for s in names.indices(shape("h n")) if isinstance(s, Symbol)] == ["k", "i"]
    assert [s.name for s in names.indices(shape("n n")) if isinstance(s, Symbol)] == ["i", "m"]
    assert names.indices((1, 7, named_dim("h")))[0] == Number(0)
    assert names.letter(7) == names.letter(7)
    assert "i" not in [names.letter(named_dim(letter)).name for letter in "abcdefgh"]


def test_letters_never_run_out() -> None:
    symbols = IndexNames(["n"], avoid=["j", "k"]).indices((named_dim("n"),) * 40)
    assert len(set(symbols)) == 40
    assert not {Symbol("j"), Symbol("k"), Symbol("n")} & set(symbols)


def test_index_arithmetic_is_written_short() -> None:
    emit, p = NotationEmitter(IndexNames([])), Symbol("p")
    n, m = named_dim("n"), named_dim("m")

    def shifted(*sizes: Dim) -> str:
        index: Notation = p
        for size in sizes:
            index = emit.index_add(index, emit.index(size))
        return text_of(indexed(Symbol("x"), [index]))

    assert shifted(0) == "x[p]"
    assert shifted(1, 1) == "x[p+2]"
    assert shifted(2, -2) == "x[p]"
    assert shifted(1, -3) == "x[p−2]"
    assert shifted(-1 * m) == "x[p−m]"
    assert shifted(-1 * m - 1) == "x[p−m−1]"
    assert shifted(n - m) == "x[p+n−m]"
    assert text_of(emit.index_add(emit.index(n - 1), emit.index_multiply(emit.index(-1), p))) == "n − 1 − p"
    assert text_of(emit.index_divide(emit.index(7), emit.index(2))) == "3"


def test_sizes() -> None:
    n, m = named_dim("n"), named_dim("m")
    assert text_of(size_notation(2 * n * m - 3)) == "2 · m · n − 3"


def test_an_input_without_a_value_is_named() -> None:
    with pytest.raises(ProgramError, match="W1"):
        element_value(W1, (0, 0), {})


# Every primitive


def bound(example: Example, from_the_end: bool = True) -> tuple[Node, dict[Node, Array]]:
    """The example applied to symbols, with numbers as sizes, and values drawn for them.

    Labels may count from the end, if asked; the index form leaves that unsaid.
    """
    rng = np.random.default_rng(zlib.crc32(repr(example).encode()))
    values: dict[Node, Array] = {}
    symbols: list[Node] = []
    for place, type_ in enumerate(example.operands):
        symbol = Input(f"x{place}", type_.bind(SIZES))
        low, high = example.domain[place] if place < len(example.domain) else (-3.0, 3.0)
        drawn: Array
        if type_.dtype is DType.BOOL:
            drawn = rng.integers(0, 2, symbol.type.concrete_shape).astype(bool)
        elif type_.dtype is DType.INT64:
            drawn = rng.integers(int(low) if from_the_end else 0, int(high), symbol.type.concrete_shape)
        else:
            drawn = rng.uniform(low, high, symbol.type.concrete_shape)
        values[symbol] = np.asarray(drawn)
        symbols.append(symbol)
    return example.primitive.bind(SIZES, None)(*symbols), values


class RecordingNames(IndexNames):
    """Records the ranges of each letter."""

    def __init__(self) -> None:
        super().__init__([])
        self.extents: dict[str, int] = {}

    def letter(self, dim: Dim, used: Container[str] = ()) -> Symbol:
        symbol = super().letter(dim, used)
        assert self.extents.setdefault(symbol.name, concrete(dim)) == dim
        return symbol


DIFFERENTIABLE: dict[str, Callable[..., Any]] = {"sinc": lambda x: mpmath.sincpi(x)}
"""Functions of which derivatives are written by primes."""
FUNCTIONS: dict[str, Callable[..., float]] = {
    **{
        name: getattr(math, name)
        for name in ("exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "erf", "erfc", "floor", "fmod", "cbrt")
    },
    **{f"arc{name}": getattr(math, f"a{name}") for name in ("cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh")},
    "ceil": math.ceil,
    "trunc": math.trunc,
    "round": round,
    "bitand": lambda x, y: int(x) & int(y),
    "bitor": lambda x, y: int(x) | int(y),
    "bitxor": lambda x, y: int(x) ^ int(y),
    "ln": math.log,
    "abs": abs,
    "max": max,
    "min": min,
    "mod": lambda i, j: i % j if j else 0,
    "sign": lambda x: float(np.sign(x)),
    "σ": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "logaddexp": lambda x, y: math.log(math.exp(x) + math.exp(y)),
    "relu": lambda x: max(x, 0),
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "elu": lambda x, alpha=1.0: x if x > 0 else alpha * math.expm1(x),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda x, y: x + y,
    "−": lambda x, y: x - y,
    "·": lambda x, y: x * y,
    "": lambda x, y: x * y,
    "<": lambda x, y: x < y,
    "≤": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    "≥": lambda x, y: x >= y,
    "=": lambda x, y: x == y,
    "≠": lambda x, y: x != y,
    "∧": lambda x, y: x and y,
    "∨": lambda x, y: x or y,
}


class Meaning:
    """Evaluates a formula in index form, given the arrays in it and the ranges of its indices."""

    def __init__(self, arrays: Mapping[Notation, Array], extents: Mapping[str, int]) -> None:
        self._arrays = arrays
        self._extents = extents

    def of(self, formula: Notation, at: Mapping[str, int]) -> Any:
        if formula in self._arrays:
            return self._arrays[formula].item()
        if isinstance(formula, Symbol):
            return at[formula.name]
        if isinstance(formula, Number):
            return formula.value
        if isinstance(formula, Indexed) and formula.base == Number(1):  # 1 where the condition holds
            (condition,) = formula.indices
            return float(bool(self.of(condition, at)))
        if isinstance(formula, Indexed):
            return self._arrays[formula.base][tuple(int(self.of(entry, at)) for entry in formula.indices)].item()
        if isinstance(formula, Infix):
            values = [self.of(operand, at) for operand in formula.operands]
            return values[0] if len(values) == 1 else OPERATORS[formula.operator](*values)
        if isinstance(formula, Prefix):
            value = self.of(formula.operand, at)
            return not value if formula.operator == "¬" else -value
        if isinstance(formula, PowerNotation):
            return self.of(formula.base, at) ** self.of(formula.exponent, at)
        if isinstance(formula, Fraction):
            return self.of(formula.numerator, at) / self.of(formula.denominator, at)
        if isinstance(formula, Cases):
            return self.of(formula.value if self.of(formula.condition, at) else formula.otherwise, at)
        if isinstance(formula, BigOperator):
            names = [index.name for index in formula.indices if isinstance(index, Symbol)]
            ranges = [range(self._extents[name]) for name in names]
            terms = [
                self.of(formula.body, {**at, **dict(zip(names, place, strict=True))})
                for place in itertools.product(*ranges)
            ]
            return sum(terms) if formula.operator == "Σ" else max(terms) if formula.operator == "max" else min(terms)
        if isinstance(formula, Application):
            places = range(1, len(formula.arguments) + 1)
            orders = (formula.primes,) if formula.primes else tuple(formula.by.count(place) for place in places)
            arguments = (np.asarray(self.of(argument, at)) for argument in formula.arguments)
            return Abstract(formula.function.name, orders).value(*arguments).item()
        assert isinstance(formula, Call)
        if formula.primes:
            (argument,) = formula.arguments
            return float(mpmath.diff(DIFFERENTIABLE[formula.function], self.of(argument, at), formula.primes))
        parameters = [self.of(entry, at) for entry in formula.subscript]
        if formula.function in DIFFERENTIABLE:
            return float(DIFFERENTIABLE[formula.function](*(self.of(argument, at) for argument in formula.arguments)))
        return FUNCTIONS[formula.function](*(self.of(argument, at) for argument in formula.arguments), *parameters)


EXAMPLES = [pytest.param(e, id=f"{e.primitive}-{n}") for cls in REGISTRY for n, e in enumerate(cls.examples())]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_element_is_that_of_the_value(example: Example) -> None:
    node, values = bound(example)
    expected = evaluate_nodes([node], values)[node]
    for place in np.ndindex(expected.shape):
        np.testing.assert_allclose(element_value(node, place, values), expected[place], rtol=RTOL, atol=RTOL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_index_form_is_true(example: Example) -> None:
    node, values = bound(example, from_the_end=False)
    assert isinstance(node, Apply)
    expected = evaluate_nodes([node], values)[node]
    names = RecordingNames()
    index = names.indices(node.type.shape)
    formula = index_notation(node, index, leaf, names)
    whole = node.primitive.notation([Symbol(f"x{n}") for n in range(len(values))], [x.type for x in node.operands])
    arrays: dict[Notation, Array] = {Symbol(f"x{n}"): value for n, value in enumerate(values.values())}
    if isinstance(node.primitive, Composite | Pad | AbstractMap):
        arrays[whole] = expected
    elif isinstance(node.primitive, RandomUniform):  # its elements are written by their place in row-major order
        arrays[whole] = expected.ravel()
    meaning = Meaning(arrays, names.extents)
    letters = [entry.name if isinstance(entry, Symbol) else "" for entry in index]
    for place in np.ndindex(expected.shape):
        value = meaning.of(formula, dict(zip(letters, place, strict=True)))
        np.testing.assert_allclose(value, expected[place], rtol=RTOL, atol=RTOL, err_msg=text_of(formula))
