"""Data from an answer's process are plain data, whatever its bytes are."""

from __future__ import annotations

import contextlib
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.cage.wire import MOST_ENTRIES, Opaque, WireError, decode, encode

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(-9, 9), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_data_comes_back(value: Any) -> None:
    try:
        json.dumps(value).encode()
        expected = value
    except UnicodeEncodeError:
        return
    assert decode(encode(expected)) == expected


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "u1", "?", ">f8", ">i4"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 3)])
def test_arrays_come_back(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    found = decode(encode({"x": [array, array.T]}))["x"]
    assert [a.dtype for a in found] == [array.dtype.newbyteorder("=")] * 2
    assert np.array_equal(found[0], array)
    assert np.array_equal(found[1], array.T)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "object"),
        (1j, "complex"),
        (np.ma.masked_array([1.0, 2.0], [False, True]), "masked array"),
        (np.ones(2, complex), "ndarray of complex128"),
        (np.array([object()]), "ndarray of object"),
        (np.array(["text"]), "ndarray of <U4"),
        (10**30, "large integer"),
        ({(1, 2): 3}, "dict"),
        (np.broadcast_to(0.0, (MOST_ENTRIES + 1,)), f"ndarray of {MOST_ENTRIES + 1} entries"),
    ],
)
def test_what_is_no_plain_data_is_named(value: Any, kind: str) -> None:
    assert decode(encode([value])) == [Opaque(kind)]


def test_not_finite_numbers_come_back() -> None:
    found = decode(encode([math.nan, math.inf, -math.inf]))
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf]


def _message(text: bytes, rest: bytes = b"") -> bytes:
    return len(text).to_bytes(8, "little") + text + rest


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff" * 20,
        pickle.dumps(print),
        _message(b"[" * 100_000),
        _message(b'{"a": ["|O", [1], 8]}', bytes(8)),
        _message(b'{"a": ["<f8", [1000000000000], 8]}', bytes(8)),
        _message(b'{"a": ["<f8", [-1], 8000000]}', bytes(8)),
        _message(b'{"a": ["<f8", [1], -8]}', bytes(8)),
        _message(b'{"a": ["not a type", [1], 8]}', bytes(8)),
        _message(b'{"d": [[[], 1]]}'),
        _message(b'{"f": "1.5"}'),
        _message(b"{}"),
        _message(b"1" * 5000),
    ],
)
def test_bytes_that_are_no_message_are_refused(message: bytes) -> None:
    with pytest.raises(WireError):
        decode(message)


@given(st.binary(max_size=60), st.binary(max_size=20))
def test_any_bytes_are_a_message_or_none(text: bytes, rest: bytes) -> None:
    for message in (text, _message(text, rest)):
        with contextlib.suppress(WireError):
            decode(message)
