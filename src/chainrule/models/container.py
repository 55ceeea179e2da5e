"""The file format: tensors in safetensors, with a description in JSON as its metadata, sealed by a digest.

A file is eight bytes with the length of its header, the header in JSON, and the tensors one after another; see
https://github.com/huggingface/safetensors. The metadata has the one entry `chainrule`, the description, which ends
with the SHA-256 of everything else: of the description without it, and of each tensor with its name, kind and shape.
Lengths are checked before contents, so memory is allocated only for data that the file is known to contain.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.files import FileError, file_errors, replacing
from chainrule.models.errors import ModelError
from chainrule.schema import JSON, Tensors, shown_data
from chainrule.words import MissingDependencyError

FORMAT = "chainrule model"
VERSION = 2
"""Version 1 was the .npz file of this package's first release."""

ENTRY = "chainrule"
HEADER_BYTES = 2**24
HEADER_ITEMS = 1_000_000
"""The maximum number of brackets, braces and commas in a header, which bounds the objects made by parsing it."""

FILE_BYTES = 2**30
"""The default maximum size of a file."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "BOOL": np.dtype("bool"),
}

_SEAL = re.compile(r',"sha256":"([0-9a-f]{64})"\}\Z')
_HINT = "give a file that `chainrule train --save` wrote"


@dataclass(frozen=True)
class Contents:
    """The contents of a file, complete and unchanged; the caller validates their meaning."""

    description: dict[str, JSON]
    tensors: Tensors
    size: int
    limit: int = FILE_BYTES
    """The maximum number of bytes that was allowed."""


def write_file(path: str, description: Mapping[str, JSON], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a file atomically; raise ModelError if it cannot be written."""
    arrays = {name: np.require(tensors[name], requirements="C") for name in sorted(tensors)}
    for name, array in arrays.items():
        if array.dtype not in DTYPES.values():
            raise ModelError(f"{path} cannot be written: {name} holds {array.dtype}; give floats or whole numbers")
    try:
        body = json.dumps(dict(description), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text = f'{body[:-1]},"sha256":"{_digest(body, arrays)}"}}'
        _check_size(path, text)
        content = _library().numpy.save(arrays, {ENTRY: text})
    except ModelError:
        raise
    except UnicodeEncodeError:
        raise ModelError(f"{path} cannot be written: a name in the model is not text in Unicode") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be written: the model holds what JSON does not have: {error}") from None
    try:
        with file_errors(path, "write"):
            if os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode):
                raise ModelError(f"{path} is a pipe, which may have no reader; give the name of a file")
        with replacing(path) as stream:
            stream.write(content)
    except FileError as error:
        raise ModelError(str(error)) from None


def _check_size(path: str, text: str) -> None:
    """Raise ModelError for a description that is too large to be read again."""
    quoted = len(json.dumps(text, ensure_ascii=False).encode())
    if quoted > HEADER_BYTES // 2 or _items(text.encode()) > HEADER_ITEMS:
        raise ModelError(
            f"{path} cannot be written: the description of the model takes {quoted:,} bytes, more than "
            f"{HEADER_BYTES // 2:,}; keep fewer metrics and settings in it"
        )


def _items(text: bytes) -> int:
    """Return a bound on the number of objects made by parsing a text."""
    return sum(text.count(mark) for mark in (b"[", b"{", b","))


def read_file(path: str, limit: int = FILE_BYTES) -> Contents:
    """Read a file of `write_file`; raise ModelError for other files, and for one of more than `limit` bytes."""
    library = _library()
    content = _content(path, limit)
    header, size = _header(path, content)
    text = _metadata(header)
    description = {} if text is None else _description(path, text)  # a newer version is not validated further
    _check_tensors(path, header, size)
    if text is None:
        raise ModelError(f"{path} is a safetensors file of another program; {_HINT}")
    try:
        found = library.deserialize(content)
    except library.SafetensorError as error:
        said = " ".join(str(error).split())
        raise ModelError(f"{path} cannot be read: safetensors {library.__version__} says {said}") from None
    tensors = {name: _array(tensor) for name, tensor in found}
    _check_seal(path, text, tensors)
    del description["sha256"]
    return Contents(description, tensors, len(content), limit)


def _library() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise MissingDependencyError(
            "models are kept in safetensors files; install what reads them with pip install 'chainrule[tables]'"
        ) from None
    return safetensors


def _content(path: str, limit: int) -> bytes:
    try:
        with file_errors(path):
            # Opening a pipe would wait for a writer.
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
            with open(descriptor, "rb") as stream:
                status = os.fstat(descriptor)
                if stat.S_ISDIR(status.st_mode):
                    raise IsADirectoryError
                if not stat.S_ISREG(status.st_mode):
                    raise ModelError(f"{path} is not a file but a device or a pipe; {_HINT}")
                if not status.st_size:
                    raise ModelError(f"{path} is empty; {_HINT}")
                _check_beginning(path, stream.read(8), stream, status.st_size)
                if status.st_size > limit:
                    raise ModelError(
                        f"{path} has {status.st_size:,} bytes, more than the {limit:,} that are read; if it is to be "
                        "trusted, allow more with load_model(path, limit=...)"
                    )
                stream.seek(0)
                return stream.read(status.st_size)
    except FileError as error:
        raise ModelError(str(error)) from None


def _check_beginning(path: str, beginning: bytes, stream: io.BufferedReader, size: int) -> None:
    """Raise ModelError if the first bytes are those of another format, or leave no room for the header."""
    if beginning[:2] == b"PK":
        raise ModelError(_archive(path, stream))
    if len(beginning) < 8:
        raise ModelError(f"{path} has {size} bytes, too few for a model; {_HINT}")
    (length,) = struct.unpack("<Q", beginning)
    brace = stream.read(1)
    if brace != b"{":
        raise ModelError(f"{path} is not a model; {_HINT}")
    if length > HEADER_BYTES:
        raise ModelError(
            f"{path} says that its header has {length:,} bytes; that of a model has at most {HEADER_BYTES:,}"
        )
    if 8 + length > size:
        raise ModelError(f"{path} is cut short: its header should end after {8 + length:,} bytes, but it has {size:,}")


def _archive(path: str, stream: io.BufferedReader) -> str:
    """Describe a zip archive, such as a model in the earlier format."""
    try:
        with zipfile.ZipFile(stream) as archive:
            if "header.npy" in archive.namelist():
                return (
                    f"{path} is a model in the .npz format of an earlier version, which is read no more; train it "
                    "again with `chainrule train --save MODEL.safetensors`"
                )
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, RuntimeError):
        return f"{path} is a damaged archive, not a model; {_HINT}"
    return f"{path} is a zip archive, not a model; {_HINT}"


def _header(path: str, content: bytes) -> tuple[dict[str, JSON], int]:
    """Return the header, and the number of bytes that follow it."""
    (length,) = struct.unpack("<Q", content[:8])
    text = content[8 : 8 + length]
    header = _parsed(text, f"the header of {path}")
    if not isinstance(header, dict):
        raise ModelError(f"{path} is not a model; {_HINT}")
    return header, len(content) - 8 - length


def _parsed(text: bytes | str, what: str) -> JSON:
    """Parse JSON without repeated names and without NaN or infinities; raise ModelError for anything else."""

    def unique(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ModelError(f"{what} has an entry twice")
        return found

    def refuse(name: str) -> JSON:
        raise ModelError(f"{what} holds {name}, which is not JSON")

    marks = text if isinstance(text, bytes) else text.encode(errors="replace")
    if _items(marks) > HEADER_ITEMS:
        raise ModelError(f"{what} has more than {HEADER_ITEMS:,} entries")
    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except ModelError:
        raise
    except RecursionError:
        raise ModelError(f"{what} is nested too deeply") from None
    except UnicodeDecodeError:
        raise ModelError(f"{what} is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise ModelError(f"{what} is not JSON: {error.msg} at character {error.pos}") from None
    except ValueError:  # Python limits the number of digits
        raise ModelError(f"{what} holds a number of too many digits") from None


def _metadata(header: Mapping[str, JSON]) -> str | None:
    """Return the text of the description; None if the file was written by another program."""
    metadata = header.get("__metadata__")
    text = metadata.get(ENTRY) if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def _check_tensors(path: str, header: Mapping[str, JSON], size: int) -> None:
    """Raise ModelError unless the tensors listed in a header fill the rest of the file, without gap or overlap."""
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        here = f"{path} is damaged: its tensor {shown_data(name)}"
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ModelError(f"{here} is not described by dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise ModelError(
                f"{path} cannot be read: its tensor {shown_data(name)} is of the kind {shown_data(dtype)}; this "
                f"version of chainrule reads {', '.join(DTYPES)}"
            )
        if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2 or len(shape) > 32:
            raise ModelError(f"{here} has a shape or offsets that are not lists of whole numbers")
        count = DTYPES[dtype].itemsize
        for dim in shape:
            count = min(count * dim, 2**63)
        if offsets[1] - offsets[0] != count:
            raise ModelError(f"{here} has {offsets[1] - offsets[0]:,} bytes, where its shape takes {count:,}")
        spans.append((offsets[0], offsets[1], name))
    place = 0
    for begin, end, name in sorted(spans):
        if begin != place:
            what = "overlaps with another" if begin < place else "does not begin where the one before it ends"
            raise ModelError(f"{path} is damaged: its tensor {shown_data(name)} {what}")
        place = end
    if place > size:
        raise ModelError(f"{path} is cut short: its tensors take {place:,} bytes, of which {size:,} are there")
    if place < size:
        raise ModelError(f"{path} is damaged: {size - place:,} bytes follow the last tensor")


def _are_sizes(value: JSON) -> bool:
    """Whether a value is a list of whole numbers from 0 to 2⁶²."""
    return isinstance(value, list) and all(type(each) is int and 0 <= each <= 2**62 for each in value)


def _array(tensor: Mapping[str, Any]) -> NDArray[Any]:
    """Return a tensor as an array that is aligned, in native byte order and read-only."""
    dtype = DTYPES[tensor["dtype"]]
    array: NDArray[Any] = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])
    if dtype.kind == "b":  # NumPy expects bools to be bytes 0 or 1
        array = array.view(np.uint8) != 0
    array = array.astype(dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _description(path: str, text: str) -> dict[str, JSON]:
    """Parse the description; raise ModelError for an unsupported version of the format."""
    description = _parsed(text, f"the description in {path}")
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ModelError(f"{path} is not a model: its description is of another format; {_HINT}")
    version = description.get("version")
    if type(version) is not int or version < 1:
        raise ModelError(
            f"{path} cannot be read: its version is {shown_data(version)}; this version of chainrule reads {VERSION}"
        )
    if version > VERSION:
        raise ModelError(
            f"{path} has version {version} of the format, and this version of chainrule reads up to {VERSION}; "
            "update chainrule with pip install --upgrade chainrule"
        )
    if version < VERSION:
        raise ModelError(f"{path} has version {version} of the format, which was never a safetensors file")
    return description


def _check_seal(path: str, text: str, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raise ModelError unless the digest at the end of a description is that of the contents."""
    seal = _SEAL.search(text)
    body = f"{text[: seal.start()]}}}" if seal else ""
    if seal is None or seal[1] != _digest(body, tensors):
        raise ModelError(f"{path} is damaged: it is not as it was written (its SHA-256 differs); use a copy of it")


def _digest(text: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of a description and of tensors, in hexadecimal."""
    total = hashlib.sha256(text.encode(errors="surrogatepass"))
    for name in sorted(tensors):
        array = tensors[name]
        total.update(f"\n{name}\n{array.dtype.name}\n{array.shape}\n".encode(errors="surrogatepass"))
        total.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return total.hexdigest()
