"""The node-level functions follow NumPy's rules for broadcasting, axes, products, slices and dtypes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from chainrule import primitives as p
from chainrule.ir import ArrayType, Const, DType, DTypeError, Input, Node, Program, ShapeError, named_dim, parse_shape
from chainrule.primitives import evaluate_nodes

Array = NDArray[Any]
RTOL = 64 * float(np.finfo(np.float64).eps)
quick = settings(max_examples=60, deadline=None)


def symbols_for(arrays: Sequence[Array]) -> list[Node]:
    return [Input(f"x{k}", ArrayType(x.shape, DType.of(x.dtype))) for k, x in enumerate(arrays)]


def run(function: Callable[..., Node], *arrays: Array) -> Array:
    symbols = symbols_for(arrays)
    node = function(*symbols)
    value = evaluate_nodes([node], dict(zip(symbols, arrays, strict=True)))[node]
    assert value.shape == node.type.concrete_shape
    assert value.dtype == node.type.dtype.numpy
    return value


def numbers(shape: Sequence[int], seed: int = 0) -> Array:
    return np.asarray(np.random.default_rng(seed).uniform(0.5, 2.0, tuple(shape)))


SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4),
    function=st.sampled_from(["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "less", "equal"]),
)
def test_elementwise_operations_broadcast(shapes: hnp.BroadcastableShapes, function: str) -> None:
    x, y = numbers(shapes.input_shapes[0]), numbers(shapes.input_shapes[1], 1)
    np.testing.assert_allclose(run(getattr(p, function), x, y), getattr(np, function)(x, y), rtol=RTOL)


@quick
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=4), seed=st.integers(0, 1000))
def test_where_broadcasts(shapes: hnp.BroadcastableShapes, seed: int) -> None:
    condition = np.asarray(np.random.default_rng(seed).random(shapes.input_shapes[0]) < 0.5)
    x, y = numbers(shapes.input_shapes[1]), numbers(shapes.input_shapes[2], 1)
    np.testing.assert_array_equal(run(p.where, condition, x, y), np.where(condition, x, y))


@quick
@given(left=SHAPES, right=SHAPES)
def test_shapes_that_do_not_broadcast_are_refused(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    try:
        np.broadcast_shapes(left, right)
    except ValueError:
        with pytest.raises(ShapeError, match="do not broadcast"):
            p.add(*symbols_for([numbers(left), numbers(right)]))
    else:
        assert run(p.add, numbers(left), numbers(right)).shape == np.broadcast_shapes(left, right)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum_": np.sum,
    "mean": np.mean,
    "max_": np.max,
    "min_": np.min,
    "var": np.var,
    "std": np.std,
}


@quick
@given(shape=SHAPES, name=st.sampled_from(sorted(REDUCTIONS)), keepdims=st.booleans(), data=st.data())
def test_reductions_take_axes(shape: tuple[int, ...], name: str, keepdims: bool, data: st.DataObject) -> None:
    axes = (
        st.lists(st.integers(-len(shape), len(shape) - 1), unique_by=lambda k: k % len(shape)) if shape else st.none()
    )
    axis = data.draw(st.one_of(st.none(), axes.map(lambda found: None if found is None else tuple(found))))
    x = numbers(shape)
    expected = REDUCTIONS[name](x, axis=axis, keepdims=keepdims)
    actual = run(lambda n: getattr(p, name)(n, axis, keepdims), x)
    np.testing.assert_allclose(actual, expected, rtol=RTOL, atol=RTOL)
    assert actual.shape == np.shape(expected)


@pytest.mark.parametrize("ddof", [0, 1, 2])
def test_variance_with_degrees_of_freedom(ddof: int) -> None:
    x = numbers((4, 5))
    np.testing.assert_allclose(run(lambda n: p.var(n, 1, ddof=ddof), x), np.var(x, axis=1, ddof=ddof), rtol=RTOL)
    np.testing.assert_allclose(run(lambda n: p.std(n, ddof=ddof), x), np.std(x, ddof=ddof), rtol=RTOL)


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=3, max_side=3),
)
def test_matmul(shapes: hnp.BroadcastableShapes) -> None:
    x, y = numbers(shapes.input_shapes[0]), numbers(shapes.input_shapes[1], 1)
    np.testing.assert_allclose(run(p.matmul, x, y), np.matmul(x, y), rtol=RTOL)


@quick
@given(data=st.data(), operands=st.integers(1, 3), explicit=st.booleans())
def test_einsum(data: st.DataObject, operands: int, explicit: bool) -> None:
    letters = "ijkl"
    sizes = dict(zip(letters, data.draw(st.lists(st.integers(1, 3), min_size=4, max_size=4)), strict=True))
    some = st.lists(st.sampled_from(letters), unique=data.draw(st.booleans()), max_size=3)
    terms = ["".join(data.draw(some)) for _ in range(operands)]
    subscripts = ",".join(terms)
    if explicit:
        used = sorted(set("".join(terms)))
        subscripts += "->" + "".join(data.draw(st.lists(st.sampled_from(used), unique=True)) if used else [])
    arrays = [numbers([sizes[letter] for letter in term], k) for k, term in enumerate(terms)]
    np.testing.assert_allclose(
        run(lambda *nodes: p.einsum(subscripts, *nodes), *arrays), np.einsum(subscripts, *arrays), rtol=RTOL
    )


@pytest.mark.parametrize("subscripts", ["...ij,...jk->...ik", "...ij,jk", "i...,i...->...", "...->..."])
def test_einsum_with_dots(subscripts: str) -> None:
    terms = subscripts.split("->")[0].split(",")
    arrays = [numbers((3, 2, 3, 3) if "..." in term else (3, 3), k) for k, term in enumerate(terms)]
    expected = np.einsum(subscripts, *arrays)
    np.testing.assert_allclose(run(lambda *nodes: p.einsum(subscripts, *nodes), *arrays), expected, rtol=RTOL)


@pytest.mark.parametrize("subscripts", ["ii->ii", "ij,jk->ikz", "ij", "ij,jk,kl", "ij,jk->iik"])
def test_einsum_refuses(subscripts: str) -> None:
    with pytest.raises(ShapeError, match="einsum"):
        p.einsum(subscripts, *symbols_for([numbers((2, 2)), numbers((2, 2))]))


@quick
@given(x=SHAPES, y=SHAPES)
def test_dot_inner_and_outer(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    a, b = numbers(x), numbers(y, 1)
    np.testing.assert_allclose(run(p.outer, a, b), np.outer(a, b), rtol=RTOL)
    for ours, theirs in ((p.dot, np.dot), (p.inner, np.inner)):
        try:
            expected = theirs(a, b)
        except ValueError:
            with pytest.raises(ShapeError):
                ours(*symbols_for([a, b]))
        else:
            np.testing.assert_allclose(run(ours, a, b), expected, rtol=RTOL)


@pytest.mark.parametrize("axes", [0, 1, 2, (1, 0), ((0, 1), (0, 1)), ((1, 0), (0, 1)), ((-1,), (0,))])
def test_tensordot(axes: Any) -> None:
    x, y = numbers((3, 3, 3)), numbers((3, 3, 2), 1)
    np.testing.assert_allclose(run(lambda a, b: p.tensordot(a, b, axes), x, y), np.tensordot(x, y, axes), rtol=RTOL)


@quick
@given(shape=SHAPES, data=st.data())
def test_permute_swap_and_reshape(shape: tuple[int, ...], data: st.DataObject) -> None:
    x = numbers(shape)
    order = data.draw(st.permutations(range(len(shape))))
    np.testing.assert_array_equal(run(lambda n: p.permute(n, order), x), np.transpose(x, order))
    if shape:
        first, second = (data.draw(st.integers(-len(shape), len(shape) - 1)) for _ in range(2))
        np.testing.assert_array_equal(run(lambda n: p.swapaxes(n, first, second), x), np.swapaxes(x, first, second))
    factors = [d for d in range(1, x.size + 1) if x.size % d == 0]
    first = data.draw(st.sampled_from(factors))
    for target in ((first, x.size // first), (first, -1), (-1,), (x.size // first, 1, first)):
        np.testing.assert_array_equal(run(lambda n, t=target: p.reshape(n, t), x), x.reshape(target))


@quick
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), data=st.data())
def test_basic_indexing(shape: tuple[int, ...], data: st.DataObject) -> None:
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=5))
    x = numbers(shape)
    np.testing.assert_array_equal(run(lambda n: p.take_slices(n, key), x), np.asarray(x[key]))


@pytest.mark.parametrize("stride", [1, 2, -1, -2])
@pytest.mark.parametrize("start", [None, 0, 1, -2])
@pytest.mark.parametrize("stop", [None, -1, -3])
def test_a_slice_of_a_named_size_is_refused_or_agrees_with_numpy_at_every_size(
    start: int | None, stop: int | None, stride: int
) -> None:
    key = slice(start, stop, stride)
    x = Input("x", ArrayType(parse_shape("n")))
    refusal = ""
    try:
        program = Program((x,), (p.take_slices(x, key),))
    except ShapeError as error:
        refusal = str(error)
    if refusal:
        assert "give that axis a number" in refusal
        assert abs(stride) == 2 or (stride < 0 and start in (0, 1))
        return
    for n in range(4, 9):
        bound = program.bind({"n": n})
        value = np.arange(float(n))
        (output,) = bound.outputs
        np.testing.assert_array_equal(evaluate_nodes([output], {bound.inputs[0]: value})[output], value[key])


def test_indexing_of_named_sizes() -> None:
    n, d = named_dim("n"), named_dim("d")
    x = Input("x", ArrayType((n, d)))
    assert p.take_slices(x, (slice(None), 0)).type.shape == (n,)
    assert p.take_slices(x, slice(1, None)).type.shape == (n - 1, d)
    assert p.take_slices(x, slice(None, -1)).type.shape == (n - 1, d)
    assert p.take_slices(x, (..., None, -1)).type.shape == (n, 1)
    assert p.take_slices(x, slice(None, None, -1)).type.shape == (n, d)
    assert p.take_slices(x, (slice(None), slice(-2, None))).type.shape == (n, 2)
    with pytest.raises(ShapeError, match="give that axis a number"):
        p.take_slices(x, slice(None, 3))
    with pytest.raises(ShapeError, match="give that axis a number"):
        p.take_slices(x, slice(None, None, 2))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((0, 0, 0), "does not fit"),
        ((..., ...), "does not fit"),
        (5, "leaves an axis of size 3"),
        (-4, "leaves an axis of size 3"),
        (slice(0, 2, 0), "step"),
        ("a", "is not an index"),
        (1.0, "is not an index"),
        (np.asarray([True, False, True]), "mask"),
        (True, "mask"),
        (([0, 1], [0, 1, 2]), "do not broadcast"),
    ],
)
def test_indices_that_are_refused(key: Any, message: str) -> None:
    x = Input("x", ArrayType((3, 4)))
    with pytest.raises(ShapeError, match=message):
        p.take_slices(x, key)


ENTRIES: tuple[Any, ...] = (
    slice(None), slice(1, None), None, ..., 0, -1, np.array(1), np.array([0, 1]), np.array([[0], [-1]]),
    np.array([[1, 0]]),
)  # fmt: skip


def _indexed(x: Any, key: Any) -> Any:
    try:
        return x[key]
    except IndexError:
        return None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_combination_of_indices_means_what_it_means_in_numpy(count: int) -> None:
    x, node = numbers((2, 3, 4)), Input("x", ArrayType((2, 3, 4)))
    for key in itertools.product(ENTRIES, repeat=count):
        wanted = _indexed(x, key)
        if wanted is None:
            with pytest.raises(ShapeError):
                p.take_slices(node, key)
        else:
            np.testing.assert_array_equal(run(lambda n, key=key: p.take_slices(n, key), x), wanted, err_msg=str(key))


def test_open_meshes_are_indexed_one_axis_after_the_other() -> None:
    x = Input("x", ArrayType((4, 3)))
    rows = Const(np.array([2, 0]), ArrayType((2,), DType.INT64))
    columns = Const(np.array([1, 1, 0]), ArrayType((3,), DType.INT64))
    meshed = p.take_slices(x, np.ix_([2, 0], [1, 1, 0]))
    nested = p.take(p.take(x, rows, 0), columns, 1)
    array = numbers((4, 3))
    known = evaluate_nodes([meshed, nested], {x: array})
    np.testing.assert_array_equal(known[meshed], known[nested])
    np.testing.assert_array_equal(known[meshed], array[np.ix_([2, 0], [1, 1, 0])])


@pytest.mark.parametrize("key", [([2, 0],), (slice(1, 3), [[0, -1]]), (0, [1, 2]), ([1, 2], 0), (None, [0, 2], ...)])
def test_indexing_with_one_integer_array(key: Any) -> None:
    x = numbers((3, 4, 2))
    np.testing.assert_array_equal(run(lambda n: p.take_slices(n, key), x), x[key])


@quick
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
def test_pad(shape: tuple[int, ...], data: st.DataObject) -> None:
    width = st.integers(0, 3)
    each = st.lists(st.tuples(width, width), min_size=len(shape), max_size=len(shape))
    widths = data.draw(st.one_of(width, st.tuples(width, width), each))
    constant = data.draw(st.sampled_from([0.0, 1.5, -np.inf]))
    x = numbers(shape)
    np.testing.assert_array_equal(
        run(lambda n: p.pad(n, widths, constant), x), np.pad(x, widths, constant_values=constant)
    )


@quick
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), count=st.integers(1, 3), data=st.data())
def test_concatenate_and_stack(shape: tuple[int, ...], count: int, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    parts = []
    for k, length in enumerate(lengths):
        part = list(shape)
        part[axis] = length
        parts.append(numbers(part, k))
    np.testing.assert_array_equal(run(lambda *nodes: p.concatenate(nodes, axis), *parts), np.concatenate(parts, axis))
    equal = [numbers(shape, k) for k in range(count)]
    place = data.draw(st.integers(-len(shape) - 1, len(shape)))
    np.testing.assert_array_equal(run(lambda *nodes: p.stack(nodes, place), *equal), np.stack(equal, place))


@quick
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
def test_take(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    size = int(np.prod(shape)) if axis is None else shape[axis]
    where = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    indices = data.draw(hnp.arrays(np.int64, where, elements=st.integers(-size, size - 1)))
    x = numbers(shape)
    np.testing.assert_array_equal(run(lambda n, i: p.take(n, i, axis), x, indices), np.take(x, indices, axis))


@quick
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), data=st.data())
def test_take_along_axis(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    one = list(shape)
    one[axis] = 1
    indices = data.draw(hnp.arrays(np.int64, tuple(one), elements=st.integers(0, shape[axis] - 1)))
    x = numbers(shape)
    np.testing.assert_array_equal(
        run(lambda n, i: p.take_along_axis(n, i, axis), x, indices), np.take_along_axis(x, indices, axis)
    )


@pytest.mark.parametrize("bad", [3, -4])
def test_an_index_out_of_range_raises_index_error(bad: int) -> None:
    x, indices = numbers((3, 2)), np.asarray([0, bad])
    with pytest.raises(IndexError):
        p.Gather(0).value(x, indices)
    with pytest.raises(IndexError):
        p.ScatterAdd(0, 3).value(x[:2], indices)
    with pytest.raises(IndexError):
        p.OneHot(3).value(indices)


def test_slices_and_padding_of_empty_arrays() -> None:
    x = numbers((3,))[:0]
    np.testing.assert_array_equal(run(lambda n: p.pad(n, (1, 2)), x), np.zeros(3))
    np.testing.assert_array_equal(run(lambda n: p.take_slices(n, slice(None, None, 2)), x), x)
    assert run(p.erf, x).dtype == np.float64
    assert run(p.sum_, x) == 0


@pytest.mark.parametrize("left", [np.float64, np.float32, np.int64, np.bool_])
@pytest.mark.parametrize("right", [np.float64, np.float32])
def test_dtypes_promote_as_in_numpy(left: type[Any], right: type[Any]) -> None:
    x, y = np.ones(2, left), np.ones(2, right)
    assert run(p.multiply, x, y).dtype == np.result_type(left, right)
    assert run(p.where, x > 0, y, x).dtype == np.result_type(left, right)


@quick
@given(low=st.one_of(st.none(), st.floats(-2, 2)), high=st.one_of(st.none(), st.floats(-2, 2)), seed=st.integers(0, 99))
def test_clip(low: float | None, high: float | None, seed: int) -> None:
    assume(low is not None or high is not None)
    x = np.random.default_rng(seed).normal(size=5)
    np.testing.assert_array_equal(run(lambda n: p.clip(n, low, high), x), np.clip(x, low, high))


@pytest.mark.parametrize("name", ["logical_and", "logical_or"])
def test_logic_takes_numbers_by_whether_they_are_zero(name: str) -> None:
    x, y = np.asarray([0.0, 0.0, 2.0, -1.0]), np.asarray([0, 3, 0, 4])
    np.testing.assert_array_equal(run(getattr(p, name), x, y), getattr(np, name)(x, y))
    np.testing.assert_array_equal(run(p.logical_not, x), np.logical_not(x))


def test_dtypes_that_do_not_fit_are_refused() -> None:
    x, labels, mask = (Input("x", ArrayType((2,), dtype)) for dtype in (DType.FLOAT64, DType.INT64, DType.BOOL))
    cases: list[Callable[[], Node]] = [
        lambda: p.Exp()(labels),
        lambda: p.Sum((0,))(labels),
        lambda: p.Compare("<")(x, labels),
        lambda: p.LogicalAnd()(x, mask),
        lambda: p.Where()(x, x, x),
        lambda: p.Gather(0)(x, x),
        lambda: p.OneHot(3)(x),
        lambda: p.Mean((0,))(mask),
    ]
    for case in cases:
        with pytest.raises(DTypeError):
            case()


@quick
@given(shape=SHAPES.filter(len), data=st.data())
def test_cumulative_sums(shape: tuple[int, ...], data: st.DataObject) -> None:
    axis = data.draw(st.one_of(st.none(), st.integers(-len(shape), len(shape) - 1)))
    x = numbers(shape)
    np.testing.assert_allclose(run(lambda n: p.cumsum(n, axis), x), np.cumsum(x, axis=axis), rtol=RTOL)


@quick
@given(shape=hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4), data=st.data())
def test_diagonals_and_traces(shape: tuple[int, ...], data: st.DataObject) -> None:
    axes = st.integers(-len(shape), len(shape) - 1)
    first, second = data.draw(axes), data.draw(axes)
    offset = data.draw(st.integers(-5, 5))
    x = numbers(shape)
    if (first - second) % len(shape) == 0:
        with pytest.raises(ShapeError, match="two different axes"):
            p.diagonal(symbols_for([x])[0], offset, first, second)
        return
    expected = np.diagonal(x, offset, first, second)
    np.testing.assert_array_equal(run(lambda n: p.diagonal(n, offset, first, second), x), expected)
    total = np.trace(x, offset, first, second)
    np.testing.assert_allclose(run(lambda n: p.trace(n, offset, first, second), x), total, rtol=RTOL)


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 3])
def test_a_diagonal_in_a_matrix(offset: int) -> None:
    vector, matrix = numbers((4,)), numbers((3, 5))
    np.testing.assert_array_equal(run(lambda n: p.diag(n, offset), vector), np.diag(vector, offset))
    np.testing.assert_array_equal(run(lambda n: p.diag(n, offset), matrix), np.diag(matrix, offset))
    with pytest.raises(ShapeError, match="a vector or a matrix"):
        p.diag(symbols_for([numbers((2, 2, 2))])[0])


@quick
@given(batch=hnp.array_shapes(min_dims=0, max_dims=2, max_side=3), size=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_inverses_determinants_and_systems(batch: tuple[int, ...], size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.uniform(-1, 1, (*batch, size, size)) + (size + 1) * np.eye(size)
    b, columns = rng.normal(size=(size,)), rng.normal(size=(size, 2))
    np.testing.assert_allclose(run(p.inverse, a), np.linalg.inv(a), rtol=RTOL, atol=RTOL)
    np.testing.assert_allclose(run(p.det, a), np.linalg.det(a), rtol=RTOL)
    np.testing.assert_allclose(run(p.logdet, a), np.linalg.slogdet(a)[1], rtol=RTOL)
    np.testing.assert_allclose(run(p.solve, a, columns), np.linalg.solve(a, columns), rtol=1e-12, atol=1e-12)
    if not batch:
        np.testing.assert_allclose(run(p.solve, a, b), np.linalg.solve(a, b), rtol=1e-12, atol=1e-12)


def test_a_matrix_without_an_inverse() -> None:
    """One of several that is singular, or holds a NaN, spoils no other."""
    a = np.stack([np.eye(2), np.ones((2, 2)), np.asarray([[1.0, np.nan], [0.0, 1.0]]), 2 * np.eye(2)])
    inverses = run(p.inverse, a)
    np.testing.assert_array_equal(inverses[[0, 3]], np.linalg.inv(a[[0, 3]]))
    assert np.all(np.isnan(inverses[1:3]))
    np.testing.assert_array_equal(run(p.det, a), [1, 0, np.nan, 4])
    np.testing.assert_array_equal(run(p.logdet, a[:3]), [0, -np.inf, np.nan])


@pytest.mark.parametrize("function", [p.inverse, p.det, p.logdet, p.trace])
def test_matrices_that_are_not_square_are_refused(function: Callable[[Node], Node]) -> None:
    if function is not p.trace:
        with pytest.raises(ShapeError, match=r"square matrix on the last two axes, not shape \(2, 3\)"):
            function(*symbols_for([numbers((2, 3))]))
    with pytest.raises(ShapeError):
        function(*symbols_for([numbers((3,))]))


def test_a_system_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 3\) does not take a right-hand side of shape \(2,\)"):
        p.solve(*symbols_for([numbers((3, 3)), numbers((2,))]))
