"""NumPy's functions that rearrange, join, choose and multiply arrays compute, as programs, what NumPy computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ChainruleError
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

_draw = np.random.default_rng(5)
X = _draw.normal(size=(4, 3))
V = _draw.normal(size=3)
T = _draw.normal(size=(2, 4, 3))
MASK = np.array([True, False, True, True])
K = np.array([[0, 2, 1], [1, 1, 0], [2, 0, 0], [0, 1, 2]])

Function = Callable[..., Any]

JOINED: dict[str, tuple[Function, ...]] = {
    "append": (lambda x: np.append(x, X, axis=0), lambda x: np.append(x, [1.0, 2.0])),
    "array_split": (
        lambda x: np.array_split(x, 3),
        lambda x: np.array_split(x[0], 5),
        lambda x: np.array_split(x, [1]),
    ),
    "atleast": (lambda x: [np.atleast_1d(x[0, 0]), np.atleast_2d(x[0], x[0, 0]), np.atleast_3d(x[0, 0], x[0], x)],),
    "block": (
        lambda x: np.block([[x, 2 * x], [X, x]]),
        lambda x: np.block([x[0], 1.0, x[1]]),
        lambda x: np.block([[x[0, 0], x[1, 1]], [2.0, 3.0]]),
    ),
    "broadcast_arrays": (lambda x: list(np.broadcast_arrays(x, x[0], 2.0)),),
    "concatenate": (lambda x: np.concatenate(x), lambda x: np.concatenate((x, x), dtype=float)),
    "delete": (
        lambda x: np.delete(x, 1, axis=0),
        lambda x: np.delete(x, [0, -1], axis=1),
        lambda x: np.delete(x, slice(1, None, 2)),
        lambda x: np.delete(x, MASK, axis=0),
    ),
    "dstack": (lambda x: np.dstack([x, x + 1]), lambda x: np.dstack([x[0], x[1]])),
    "flips": (lambda x: np.fliplr(x) + np.flipud(x),),
    "insert": (
        lambda x: np.insert(x, 1, 5.0, axis=0),
        lambda x: np.insert(x, [1, 3], x[:2], axis=0),
        lambda x: np.insert(x, 2, x[:, 0], axis=1),
        lambda x: np.insert(x, [1], x[:, :2], axis=1),
        lambda x: np.insert(x, 1, x[0]),
        lambda x: np.insert(x, [0, 2, 2], [1.0, 2.0, 3.0]),
        lambda x: np.insert(x[0], -1, x[1, 1]),
    ),
    "ix_": (lambda x: x[np.ix_([2, 0], [1, 1])],),
    "meshgrid": (
        lambda x: np.meshgrid(x[0], x[:, 1]),
        lambda x: list(np.meshgrid(x[0], x[:, 1], [1.0, 2.0], indexing="ij")),
        lambda x: list(np.meshgrid(x[0], x[:, 1], sparse=True)),
    ),
    "repeat": (
        lambda x: np.repeat(x, 2),
        lambda x: np.repeat(x, 3, axis=1) + x.repeat(3, axis=1),
        lambda x: np.repeat(x, [1, 0, 2, 1], axis=0),
        lambda x: np.repeat(x[0, 0], 3),
    ),
    "roll": (
        lambda x: np.roll(x, 2),
        lambda x: np.roll(x, -1, axis=0),
        lambda x: np.roll(x, 5, axis=1),
        lambda x: np.roll(x, (1, -1), axis=(0, 1)),
        lambda x: np.roll(x, (1, 2), axis=0),
    ),
    "rollaxis": (lambda x: np.rollaxis(x[None], 2), lambda x: np.rollaxis(x[None], 1, 3)),
    "rot90": tuple(lambda x, k=k: np.rot90(x, k) for k in range(-1, 4)),
    "rot90 of others": (lambda x: np.rot90(x[None], 1, (2, 0)), lambda x: np.rot90(x[None], 3, (1, 2))),
    "splits": (
        lambda x: np.hsplit(x, 3),
        lambda x: np.vsplit(x, [1]),
        lambda x: np.dsplit(x[None], [2]),
        lambda x: np.hsplit(x[0], 3),
    ),
    "tile": (
        lambda x: np.tile(x, 2),
        lambda x: np.tile(x, (2, 1)),
        lambda x: np.tile(x, (2, 1, 3)),
        lambda x: np.tile(x[0, 0], 3),
        lambda x: np.tile(x[0], (2, 2)),
    ),
    "triangles": (
        lambda x: np.tril(x) + np.triu(x, 1) * 2,
        lambda x: np.tril(x, -1) + np.triu(x, -2),
        lambda x: np.tril(x[0]),
    ),
    "diagflat": (lambda x: np.diagflat(x), lambda x: np.diagflat(x[0], -1)),
    "like": (lambda x: np.zeros_like(x, shape=(2, 2)) + np.ones_like(x, dtype=float, shape=2),),
    "real numbers": (
        lambda x: np.real(x) + np.conj(x) + np.imag(x) + x.real + x.imag + x.conj() + x.conjugate(),
        lambda x: np.angle(x) + np.angle(x, deg=True),
    ),
    "spaces": (
        lambda x: np.linspace(x[0], x[1], 4),
        lambda x: np.linspace(0.0, x[0, 0], 3, endpoint=False),
        lambda x: list(np.linspace(x[0, 0], 1.0, 5, retstep=True)),
        lambda x: np.linspace(x[0], 2.0, 4, axis=-1) + np.linspace(x[1], x[2], 4, axis=1),
        lambda x: np.linspace(x[0, 0], 1, 1),
        lambda x: np.logspace(x[0, 0], x[0, 1], 4) + np.logspace(x[0, 0], 2.0, 4, base=2.0),
        lambda x: np.geomspace(np.exp(x[0, 0]), 3.0, 4),
    ),
}

CHOSEN: dict[str, tuple[Function, ...]] = {
    "choose": (
        lambda x: np.choose([2, 0, 1], [x[0], x[1], 5.0]),
        lambda x: np.choose([-1, 7, 1], [x[0], x[1]], mode="clip"),
    ),
    "compress": (
        lambda x: np.compress(MASK, x, axis=0),
        lambda x: np.compress([False, True], x, axis=1) + x.compress([False, True], axis=1),
        lambda x: np.compress([True, False, True], x),
    ),
    "extract": (lambda x: np.extract(X > 0, x),),
    "masks": (lambda x: x[MASK], lambda x: x[X > 0], lambda x: x[:, [True, False, True]]),
    "select": (
        lambda x: np.select([x > 1, x > 0], [x, x**2]),
        lambda x: np.select([x > 1, MASK[:, None]], [1.0, x], default=-x),
    ),
    "take_along_axis": (
        lambda x: np.take_along_axis(x, K, axis=1),
        lambda x: np.take_along_axis(x, K[:2], axis=0),
        lambda x: np.take_along_axis(x, np.argsort(X, axis=0), 0),
        lambda x: np.take_along_axis(x, np.array([3, 0]), None),
        lambda x: np.take_along_axis(x, K[:1], axis=1),
    ),
    "piecewise": (
        lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: -v, lambda v: v**2, 0.5]),
        lambda x: np.piecewise(x, [x < 0, x < 1], [lambda v, by: -v, lambda v, by: by * v], 2.0),
        lambda x: np.piecewise(x[0], x[:2] < 0, [np.exp, np.tanh]),
        lambda x: np.piecewise(x[0], x[0] < 0, [np.exp, np.tanh]),
    ),
    "apply_along_axis": (
        lambda x: np.apply_along_axis(lambda v: v / np.sum(v**2), 0, x),
        lambda x: np.apply_along_axis(np.sum, 1, x),
        lambda x: np.apply_along_axis(lambda v: np.outer(v, v), 1, x),
        lambda x: np.apply_along_axis(lambda v, k: v[:k], -1, x, 2),
    ),
    "vectorize": (
        lambda x: np.vectorize(lambda v: v**2 + 1)(x),
        lambda x: np.vectorize(lambda v, w: np.maximum(v, w))(x, x[0]),
        lambda x: np.vectorize(lambda v: np.sum(np.array([v, 2.0]) ** 2))(x[:2]),
    ),
}

PADDED: dict[str, tuple[Function, ...]] = {
    mode: (
        lambda x, mode=mode: np.pad(x, 2, mode=mode),
        lambda x, mode=mode: np.pad(x, ((1, 0), (0, 2)), mode=mode),
        lambda x, mode=mode: np.pad(x, ((0, 0), (5, 7)), mode=mode),
    )
    for mode in (
        "constant",
        "edge",
        "linear_ramp",
        "maximum",
        "mean",
        "median",
        "minimum",
        "reflect",
        "symmetric",
        "wrap",
    )
}
PADDED["options"] = (
    lambda x: np.pad(x, 1, constant_values=((1, 2), (3, 4))),
    lambda x: np.pad(x, ((2, 1), (1, 1)), mode="linear_ramp", end_values=(1.0, -2.0)),
    lambda x: np.pad(x, 1, mode="mean", stat_length=2),
    lambda x: np.pad(x, {1: (1, 2)}),
    lambda x: np.pad(x, np.array([1, 2]), mode="maximum", stat_length=((1, 9), (2, 1))),
)

MULTIPLIED: dict[str, tuple[Function, ...]] = {
    "kron": (
        lambda x: np.kron(x, X[:2]),
        lambda x: np.kron(x[0], x[1]),
        lambda x: np.kron(x, V),
        lambda x: np.kron(T, x) + np.kron(2.0, np.kron(T, x)),
        lambda x: np.kron(2.0, x),
    ),
    "cross": (
        lambda x: np.cross(x, V) + np.cross(V, x),
        lambda x: np.cross(x.T, x.T[:, ::-1], axis=0),
        lambda x: np.cross(x[0], x, axisc=0),
        lambda x: np.linalg.cross(x, V),
    ),
    "vecdot": (
        lambda x: np.vecdot(x, V) + np.linalg.vecdot(x, X),
        lambda x: np.vecdot(x[0], V),
        lambda x: np.linalg.vecdot(x, X, axis=0),  # type: ignore[call-overload]  # the stubs lack it
    ),
    "einsum with lists": (
        lambda x: np.einsum(x, [0, 1], X, [2, 1], [2, 0]),
        lambda x: np.einsum(T, [..., 1], x, [0, 1], [..., 0]),
        lambda x: np.einsum(x, [5, 2]),
    ),
    "einsum of single axes": (
        lambda x: np.einsum("ij,ij->ij", x, x[:, :1]),
        lambda x: np.einsum("...i,...i->...", x, V[None]),
        lambda x: np.einsum("b...i,b...i", T, x[None]),
    ),
    "einsum of diagonals": (lambda x: np.einsum("ii->i", x[:3]), lambda x: np.einsum("bii", np.stack([x[:3], x[1:]]))),
    "multi_dot": (lambda x: np.linalg.multi_dot([x, X.T, x]), lambda x: np.linalg.multi_dot([V, x.T, X, V])),
    "twins": (
        lambda x: np.linalg.outer(x[0], x[:, 0]),
        lambda x: np.linalg.matmul(x, X.T) + np.linalg.tensordot(x, X.T, axes=1),
        lambda x: np.linalg.trace(np.stack([x, X]), offset=1),
        lambda x: np.linalg.diagonal(np.stack([x, X]), offset=-1),
        lambda x: np.linalg.matrix_transpose(x) + np.matrix_transpose(x) + x.mT,
    ),
}  # fmt: skip
if hasattr(np, "matvec"):
    MULTIPLIED["matvec"] = (
        lambda x: np.matvec(x, V),
        lambda x: np.matvec(T, x[0]) + np.matvec(T, x[:2]),
        lambda x: np.vecmat(x[:, 0], x),
        lambda x: np.vecmat(x.T[:2], T),
    )

CASES = [
    pytest.param(function, id=f"{name} {k}")
    for table in (JOINED, CHOSEN, PADDED, MULTIPLIED)
    for name, functions in table.items()
    for k, function in enumerate(functions)
]


@pytest.mark.parametrize("function", CASES)
@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors:DeprecationWarning")
def test_the_program_gives_what_numpy_gives(function: Function) -> None:
    program = trace(function, X)
    known = evaluate_nodes(program.outputs, {program.inputs[0]: X})
    expected = function(X)
    expected = list(expected) if isinstance(expected, list | tuple) else [expected]
    flat = [entry for each in expected for entry in (each if isinstance(each, tuple) else [each])]
    assert len(flat) == len(program.outputs)
    for output, wanted in zip(program.outputs, flat, strict=True):
        np.testing.assert_allclose(known[output], wanted, rtol=1e-13, atol=1e-14)
        assert known[output].shape == np.shape(wanted)


GRADIENTS = {name: functions[0] for table in (JOINED, CHOSEN, PADDED, MULTIPLIED) for name, functions in table.items()}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_agree_with_differences(name: str) -> None:
    def scalar(x: Any) -> Any:
        results = GRADIENTS[name](x)
        parts = results if isinstance(results, list | tuple) else [results]
        parts = [entry for each in parts for entry in (each if isinstance(each, tuple) else [each])]
        return sum(np.sum(np.sin((k + 1) * part)) for k, part in enumerate(parts))

    cr.check_grads(scalar, (X,), order=1)


def test_named_sizes_stay_names() -> None:
    def arranged(x: Any) -> Any:
        parts = [np.roll(x, 1, axis=0), np.roll(x, -2, axis=0), np.tile(x, (1, 1)), np.flipud(x), np.tril(x)]
        grown = np.concatenate([np.repeat(x, 2, axis=0), np.tile(x, (2, 1)), np.pad(x, ((0, 2), (0, 0)), mode="edge")])
        return sum(np.sum(part**2) for part in parts) + np.sum(grown**2)

    with pytest.raises(ChainruleError, match="needs numbers for the sizes"):
        trace(arranged, x="n d")
    derivation = cr.derive(lambda x: np.sum(np.roll(x, 1, axis=0) * x + np.tril(np.tile(x, (1, 1)))), x="n d")
    assert derivation.verify().ok


REFUSED: dict[str, tuple[Function, str]] = {
    "mask": (lambda x: np.compress(x[:, 0] > 0, x, axis=0), "depends on the values of the condition"),
    "extract": (lambda x: np.extract(x > 0, x), "depends on the values of the condition"),
    "repeats": (lambda x: np.repeat(x, x[0]), "repeats that depend on values"),
    "piecewise": (lambda x: np.piecewise(x, [x > 0], [lambda v: v - np.mean(v)]), "combines them"),
    "pad": (lambda x: np.pad(x, 1, mode=lambda *_: None), "there are 'constant'"),
    "odd": (lambda x: np.pad(x, 3, mode="reflect", reflect_type="odd"), "pad it twice"),
    "split": (lambda x: np.hsplit(x, 2), "does not split into 2 equal pieces"),
    "calls": (lambda x: np.apply_along_axis(np.sum, 0, np.tile(x, (1, 500))), "1,500 times"),
    "choose": (lambda x: np.choose([0, 3], [x[0, :2], x[1, :2]]), "numbers of choices from 0 to 1"),
    "wrong axis": (lambda x: np.fliplr(x[0]), "two or more dimensions"),
    "insert": (lambda x: np.insert(x, 9, 0.0, axis=0), "leaves an axis of size 4"),
    "signature": (lambda x: np.vectorize(np.dot, signature="(n),(n)->()")(x), "takes 2 arrays, not 1"),
    "excluded": (lambda x: np.vectorize(np.dot, excluded={1})(x, 2.0), "in a loop over the elements"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_names_the_mend(name: str) -> None:
    function, message = REFUSED[name]
    with pytest.raises(ChainruleError, match=message):
        trace(function, X)


@pytest.mark.parametrize(("first", "second"), [(2, 3), (3, 2)])
def test_a_vector_of_two_entries_has_a_third_that_is_zero(first: int, second: int) -> None:
    """In a cross product, as in NumPy before 2.5, which refuses such vectors."""
    u, v = np.array([1.0, 2.0, 5.0])[:first], np.array([3.0, -1.0, 4.0])[:second]
    weights = np.array([1.0, 10.0, 100.0])
    found = cr.grad(lambda u, v: np.sum(np.cross(u, v) * weights), argnums=(0, 1))(u, v)
    whole = [np.append(each, np.zeros(3 - len(each))) for each in (u, v)]
    np.testing.assert_allclose(found[0], np.cross(whole[1], weights)[:first])
    np.testing.assert_allclose(found[1], np.cross(weights, whole[0])[:second])
