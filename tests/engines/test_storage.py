"""Where elements lie in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.engines.native.storage import LINE, ORDER, WIDE_ROW, Storage, is_ordered_load, padded, row_major
from chainrule.engines.native.symbolic import Affine, Expression, SymbolicEmitter
from chainrule.ir import ArrayType, DType

shapes = st.lists(st.integers(0, 150), max_size=3).map(tuple)
dtypes = st.sampled_from(list(DType))


@given(shapes, dtypes)
def test_without_gaps_elements_lie_as_numpy_has_them(shape: tuple[int, ...], dtype: DType) -> None:
    storage = row_major(ArrayType(shape, dtype))
    array = np.zeros(shape, dtype.numpy)
    assert storage.size == array.size
    assert storage.nbytes == array.nbytes
    if array.size:
        assert tuple(stride * array.itemsize for stride in storage.strides) == array.strides


@given(shapes, dtypes)
def test_long_rows_begin_an_odd_number_of_lines_apart(shape: tuple[int, ...], dtype: DType) -> None:
    storage = padded(ArrayType(shape, dtype))
    itemsize = dtype.numpy.itemsize
    assert (storage.shape, storage.dtype) == (shape, dtype)
    if len(shape) < 2 or shape[-1] * itemsize < WIDE_ROW:
        assert storage == row_major(ArrayType(shape, dtype))
        return
    distance = storage.strides[-2] * itemsize
    assert distance % LINE == 0
    assert distance // LINE % 2 == 1
    assert shape[-1] * itemsize <= distance < shape[-1] * itemsize + 2 * LINE
    assert storage.strides[-1] == 1


@given(shapes.filter(lambda shape: 0 not in shape), dtypes)
def test_no_two_elements_share_a_place(shape: tuple[int, ...], dtype: DType) -> None:
    storage = padded(ArrayType(tuple(min(extent, 70) for extent in shape), dtype))
    grids = np.indices(storage.shape)
    places = sum((stride * grid for stride, grid in zip(storage.strides, grids, strict=True)), np.zeros(storage.shape))
    assert len(np.unique(places)) == places.size
    assert places.max() == storage.size - 1


@given(st.lists(st.integers(1, 70), min_size=1, max_size=3).map(tuple), st.data())
def test_offsets_are_those_of_the_strides(shape: tuple[int, ...], data: st.DataObject) -> None:
    storage = padded(ArrayType(shape))
    index = [data.draw(st.integers(0, extent - 1)) for extent in shape]
    raw = np.arange(storage.size)
    view = np.lib.stride_tricks.as_strided(raw, shape, tuple(8 * stride for stride in storage.strides))
    assert storage.offset(SymbolicEmitter(), index) == view[tuple(index)]


def test_rows_in_another_order_are_looked_up() -> None:
    emit = SymbolicEmitter()
    place = Storage((8, 5), (7, 1), DType.FLOAT64, ordered=True).offset(emit, [3, 2])
    assert isinstance(place, Affine)
    ((row, stride),) = place.terms
    assert isinstance(row, Expression)
    assert (row.payload, stride, place.constant) == ((ORDER, 3), 7, 2)
    assert is_ordered_load(row)
    assert not is_ordered_load(emit.load(object(), 3, DType.INT64))


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 100), (100, 0, 70)])
def test_empty_arrays_take_no_bytes(shape: tuple[int, ...]) -> None:
    assert padded(ArrayType(shape)).nbytes == row_major(ArrayType(shape)).nbytes == 0
