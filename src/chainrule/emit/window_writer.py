"""How the targets write sliding windows, and windows added up where they overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.emit.arrays import ArrayWriter, Writing, primitive_of
from chainrule.emit.code import Code, Level, atom, call, method
from chainrule.emit.expressions import Expr
from chainrule.ir import Dim
from chainrule.primitives import OverlapAdd, Windows


def _parts(x: Expr) -> list[tuple[int, Dim, Dim, int, int, bool]]:
    """Axis, count, size, stride and dilation of the windows along each axis, and whether more would fit."""
    primitive, whole = primitive_of(x), x.operands[0].shape
    assert isinstance(primitive, Windows)
    columns = primitive.axes, primitive.counts, primitive.sizes, primitive.strides, primitive.dilations
    found = []
    for axis, count, size, stride, dilation in zip(*columns, strict=True):
        left = whole[axis] - (size - 1) * dilation - 1 - (count - 1) * stride
        found.append((axis, count, size, stride, dilation, not isinstance(left, int) or left >= stride))
    return found


def _tuple(entries: Sequence[object]) -> str:
    return f"({', '.join(map(str, entries))}{',' if len(entries) == 1 else ''})"


def _numpy_windows(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """NumPy's view of all windows; a slice keeps those that a step leaves, and the places that a dilation leaves."""
    parts = _parts(x)
    lengths = [writer.dim((size - 1) * dilation + 1) for _, _, size, _, dilation, _ in parts]
    axes = [part[0] for part in parts]
    options = {"axis": str(axes[0]) if len(axes) == 1 else _tuple(axes)}
    shape = str(lengths[0]) if len(lengths) == 1 else _tuple(lengths)
    writer.helpers["sliding_window_view"] = None
    view = call("sliding_window_view", operands[0], shape, **options)
    entries = [":"] * x.ndim
    for j, (axis, count, _, stride, dilation, more) in enumerate(parts):
        if more:
            entries[axis] = f":{writer.dim((count - 1) * stride + 1)}" + (f":{stride}" if stride > 1 else "")
        elif stride > 1:
            entries[axis] = f"::{stride}"
        if dilation > 1:
            entries[x.ndim - len(parts) + j] = f"::{dilation}"
    while entries and entries[-1] == ":":
        entries.pop()
    return atom(f"{view.at(Level.ATOM)}[{', '.join(entries)}]") if entries else view


def _torch_windows(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`unfold` along one axis after the other."""
    code = operands[0]
    for axis, count, size, stride, dilation, more in _parts(x):
        code = method(code, "unfold", str(axis), writer.dim((size - 1) * dilation + 1), str(stride))
        if more:
            code = method(code, "narrow", str(axis), "0", writer.dim(count))
        if dilation > 1:
            code = atom(f"{code}[..., ::{dilation}]")
    return code


def _jax_windows(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    writer.helpers["windows"] = None
    columns = list(zip(*[part[:5] for part in _parts(x)], strict=True))
    axes, counts, sizes, strides, dilations = columns
    arguments = [axes, [writer.dim(d) for d in counts], [writer.dim(d) for d in sizes], strides, dilations]
    return call("windows", operands[0], *map(_tuple, arguments))


def _overlap_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    writer.helpers["overlap_add"] = None
    primitive = primitive_of(x)
    assert isinstance(primitive, OverlapAdd)
    steps = (_tuple(column) for column in (primitive.axes, primitive.strides, primitive.dilations))
    return call("overlap_add", operands[0], writer.shape(x.shape), *steps)


def _torch_overlap_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    writer.imports["itertools"] = None
    return _overlap_add(writer, x, operands)


NUMPY_WINDOWS: Mapping[type, Writing] = {Windows: _numpy_windows, OverlapAdd: _overlap_add}
TORCH_WINDOWS: Mapping[type, Writing] = {Windows: _torch_windows, OverlapAdd: _torch_overlap_add}
JAX_WINDOWS: Mapping[type, Writing] = {Windows: _jax_windows, OverlapAdd: _overlap_add}

_DOCSTRING = '"""Windows put back to where they were taken from an array of `shape`, and added up."""'
_LOOP = """    for place in {indices}:
        where = [slice(None)] * len(shape)
        for axis, k, stride, dilation in zip(axes, place, strides, dilations, strict=True):
            first, count = k * dilation, windows.shape[axis]
            where[axis] = slice(first, first + count * stride, stride)
        {add}
    return result"""


def _overlap_add_source(zeros: str, indices: str, add: str) -> str:
    loop = _LOOP.format(indices=indices, add=add)
    return f"def overlap_add(windows, shape, axes, strides, dilations):\n    {_DOCSTRING}\n    result = {zeros}\n{loop}"


NUMPY_OVERLAP_ADD = _overlap_add_source(
    "np.zeros(shape, windows.dtype)",
    "np.ndindex(*windows.shape[len(shape) :])",
    "result[tuple(where)] += windows[(..., *place)]",
)
TORCH_OVERLAP_ADD = _overlap_add_source(
    "windows.new_zeros(shape)",
    "itertools.product(*map(range, windows.shape[len(shape) :]))",
    "result[tuple(where)] += windows[(..., *place)]",
)
JAX_HELPERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "windows": (
        '''def windows(x, axes, counts, sizes, strides, dilations):
    """Sliding windows along axes; the places within each are new last axes."""
    geometry = zip(axes, counts, sizes, strides, dilations, strict=True)
    for axis, count, size, stride, dilation in geometry:
        places = stride * jnp.arange(count)[:, None] + dilation * jnp.arange(size)
        x = jnp.moveaxis(jnp.take(x, places, axis=axis), axis + 1, -1)
    return x''',
        (),
    ),
    "overlap_add": (
        _overlap_add_source(
            "jnp.zeros(shape, windows.dtype)",
            "itertools.product(*map(range, windows.shape[len(shape) :]))",
            "result = result.at[tuple(where)].add(windows[(..., *place)])",
        ),
        ("itertools",),
    ),
}
"""The functions that source in JAX brings along, and what each imports."""
