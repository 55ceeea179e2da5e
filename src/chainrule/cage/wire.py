"""Serialization of plain data from the process that runs an answer.

Only numbers, strings, numeric arrays, lists and dicts: decoding creates no objects of the answer's choice and executes
no code, whoever wrote the message. Anything else is sent as the name of its type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_BYTES = 64 * 2**20
"""Maximum length of a message."""
MOST_ENTRIES = 2**21
"""Maximum number of entries of an array."""
_DEPTH = 12
_HEAD = 8
_KINDS = "biuf"
_JSON = json.JSONEncoder(check_circular=False, separators=(",", ":"))
"""`_plain` makes trees only, and checking for cycles takes half of the time."""
_USUAL = np.dtype("<f8")
_EXACT = 2**62
_TEXT = 1000


class WireError(Exception):
    """The bytes are not a valid message."""


@dataclass(frozen=True)
class Opaque:
    """A value that is not plain data, described by its type."""

    kind: str


def encode(value: Any) -> bytes:
    """Encode `value`: a header with the length of the text, the text, the entries of the arrays."""
    blocks: list[bytes] = []
    text = _JSON.encode(_plain(value, blocks, _DEPTH)).encode()
    message = b"".join([len(text).to_bytes(_HEAD, "little"), text, *blocks])
    if len(message) > MOST_BYTES:
        raise WireError(f"the values take more than {MOST_BYTES // 2**20} MiB")
    return message


def _plain(value: Any, blocks: list[bytes], depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is np.ndarray:
        return _array(value, blocks)
    if kind is str:
        return value.encode(errors="replace").decode()
    if kind is int:
        return value if abs(value) < _EXACT else {"o": "large integer"}
    if kind is float:
        return value if math.isfinite(value) else {"f": repr(value)}
    if kind is Opaque:
        return {"o": value.kind[:_TEXT]}
    if isinstance(value, np.ndarray | np.generic):
        return _array(value, blocks)
    if depth and (kind is list or kind is tuple):
        return [_plain(item, blocks, depth - 1) for item in value]
    if depth and kind is dict and all(type(key) in (str, int) for key in value):
        return {"d": [[key, _plain(item, blocks, depth - 1)] for key, item in value.items()]}
    return {"o": kind.__name__[:_TEXT]}


def _array(value: Any, blocks: list[bytes]) -> Any:
    if np.ma.is_masked(value):
        return {"o": "masked array"}
    array = np.asarray(value)
    if array.dtype.kind not in _KINDS:
        return {"o": f"{type(value).__name__} of {array.dtype}"[:_TEXT]}
    if array.size > MOST_ENTRIES:
        return {"o": f"{type(value).__name__} of {array.size} entries"}
    if array.dtype != _USUAL:
        array = array.astype(
            "<f8" if array.dtype.kind == "f" and array.dtype.itemsize > _HEAD else array.dtype.newbyteorder("<")
        )
    blocks.append(array.tobytes())
    return {"a": [array.dtype.str, array.shape, len(blocks[-1])]}


def decode(message: bytes) -> Any:
    """Decode a message; raise WireError if it is invalid."""
    try:
        length = int.from_bytes(message[:_HEAD], "little")
        text, rest = message[_HEAD : _HEAD + length], memoryview(message)[_HEAD + length :]
        place = 0

        def take(count: int) -> memoryview:
            nonlocal place
            if not 0 <= count <= len(rest) - place:
                raise WireError("an array is cut off")
            place += count
            return rest[place - count : place]

        return _read(json.loads(text), take)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, MemoryError) as error:
        raise WireError(str(error)) from None


def _read(value: Any, take: Callable[[int], memoryview]) -> Any:
    if isinstance(value, list):
        return [_read(item, take) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, held),) = value.items()
    if tag == "d":
        return {key: _read(item, take) for key, item in held}
    if tag == "f":
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[held]
    if tag == "a":
        name, shape, count = held
        dtype = np.dtype(str(name))
        if dtype.kind not in _KINDS:
            raise WireError(f"an array of {name}")
        array = np.frombuffer(take(int(count)), dtype).reshape([int(size) for size in shape])
        return array.astype(dtype.newbyteorder("="))
    return Opaque(str(held)[:_TEXT])
