"""Runs as WebAssembly: the code of this engine for wasm32, linked by us, and a JavaScript module that runs it.

LLVM writes a relocatable object. An object that is linked with nothing needs no relocation, since its addresses and
indices already count from 0; what it lacks is the export of its function. Its memory is imported, and laid out here:
the literals of the code, then control words, losses, addresses, arrays and workspace, then the stack.

`wasm_module` returns an ES module without imports. It exports `open(seed)`, the promise of a run, which is rejected
where WebAssembly or its vector instructions are missing. A run has

- `set({W1: […], X: […], …})`: the values of states, rows and constants, flat in row-major order, or numbers;
- `advance(epochs)`: trains from where it is, and returns `{losses, status}`, a loss for each finished epoch, and
  "finished" or "diverged", after which the state is the last one that was saved, at the beginning of an epoch or step;
- `get(name)`: a copy of a state, flat.

The random orders of rows, and so the results, are those of the native engine for the same seed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib import resources

import numpy as np

from chainrule.engines.loop import Array, EngineError, Loop
from chainrule.engines.native.compilation import WrittenLoop, default_strides, write_loop
from chainrule.engines.native.driver import Control, Ending, control_words
from chainrule.engines.native.machine import object_code
from chainrule.engines.native.schedule import aligned
from chainrule.engines.native.target import Target
from chainrule.ir import ArrayType

WASM = Target("wasm32-unknown-unknown", "generic", "+simd128,+bulk-memory,+nontrapping-fptoint,+sign-ext")
_STACK = 1 << 20
_LOSSES = 1024
"""The number of epochs of one call of the code; `advance` makes several."""

_PREAMBLE = b"\0asm\1\0\0\0"
_CUSTOM, _IMPORT, _EXPORT, _CODE, _DATA = 0, 2, 7, 10, 11
_AFTER_EXPORT = (8, 9, 12, _CODE, _DATA)
"""The sections that follow the exports: start, elements, data count, code and data."""
_PROVIDED = ("__linear_memory", "__memory_base", "__stack_pointer", "__indirect_function_table", "__multi3")
"""What the loader gives to the code."""


def wasm_module(loop: Loop) -> str:
    """Return the text of a JavaScript module that runs `loop` in WebAssembly.

    Raises EngineError if the code needs a function that the loader does not have.
    """
    written = write_loop(loop, target=WASM)
    if written.definitions.names:
        what = ", ".join(dict.fromkeys(written.definitions.names))
        raise EngineError(f"{what} is computed by NumPy here, which WebAssembly does not have; take a smaller matrix")
    code = linked(object_code(written.text, WASM), "run")
    layout = _layout(written, _end_of_literals(code))
    return "\n".join(
        [
            f"const code = {json.dumps(base64.b64encode(code).decode())};",
            f"const layout = {json.dumps(layout, ensure_ascii=False, separators=(',', ':'))};",
            resources.files("chainrule.engines.native").joinpath("wasm.js").read_text(encoding="utf-8"),
        ]
    )


def _layout(written: WrittenLoop, start: int) -> dict[str, object]:
    """Return where everything lies in memory, in bytes, for the loader."""
    loop, states = written.loop, written.layout
    types = {node.name: node.type for node in loop.step.inputs}
    place = aligned(start)

    def placed(size: int) -> int:
        nonlocal place
        at, place = place, place + aligned(size)
        return at

    control = placed(8 * control_words(1))
    losses = placed(8 * _LOSSES)
    names = [*loop.rows, *loop.constants]
    addresses = placed(4 * (len(names) + len(written.literals)))
    arrays: dict[str, dict[str, object]] = {}
    pointers: list[int] = []
    strides = default_strides(loop)
    for name in names:
        type_ = types[name]
        shape = (loop.row_count, *type_.concrete_shape[1:]) if name in loop.rows else type_.concrete_shape
        pointers.append(placed(int(np.prod(shape, dtype=np.int64)) * type_.dtype.numpy.itemsize))
        arrays[name] = _array(type_, pointers[-1], shape, strides[name])
    literals: list[dict[str, object]] = []
    for literal in written.literals:
        pointers.append(placed(literal.nbytes))
        literals.append({"at": pointers[-1], "bytes": _bytes(literal)})
    workspace = placed(states.size(1))
    for name, storage, offset in zip(loop.state, states.states, states.offsets, strict=True):
        arrays[name] = _array(types[name], workspace + offset, storage.shape, storage.strides)
    stack = placed(_STACK) + _STACK
    return {
        "arrays": arrays,
        "states": list(loop.state),
        "literals": literals,
        "control": {"at": control, "words": control_words(1)},
        "words": {word.name: int(word) for word in Control},
        "endings": {ending.name: int(ending) for ending in Ending},
        "losses": {"at": losses, "count": _LOSSES},
        "addresses": {"at": addresses, "values": pointers},
        "workspace": {"at": workspace, "copy": states.copy_size},
        "stack": stack,
        "pages": -(-stack // 65536),
    }


def _array(type_: ArrayType, at: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> dict[str, object]:
    return {"at": at, "dtype": type_.dtype.value, "shape": list(shape), "strides": list(strides)}


def _bytes(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def linked(code: bytes, function: str) -> bytes:
    """Return a module that exports `function`, from the object that defines it.

    Raises EngineError if the object needs a function that the loader does not have.
    """
    for name in _imports(code):
        if name not in _PROVIDED:
            raise EngineError(f"the code needs {name}, which a page does not have")
    label = function.encode()
    export = _number(1) + _number(len(label)) + label + b"\0" + _number(_symbol(code, function))
    sections: list[tuple[int, bytes]] = []
    for kind, body in _sections(code):
        if kind in _AFTER_EXPORT and all(other != _EXPORT for other, _ in sections):
            sections.append((_EXPORT, export))
        if kind != _CUSTOM:  # names, relocations, features
            sections.append((kind, body))
    return _PREAMBLE + b"".join(bytes([kind]) + _number(len(body)) + body for kind, body in sections)


class _Reader:
    """Reads the binary format of WebAssembly."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data, self.place = data, place

    @property
    def more(self) -> bool:
        return self.place < len(self.data)

    def byte(self) -> int:
        self.place += 1
        return self.data[self.place - 1]

    def number(self) -> int:
        """Read an unsigned integer in LEB128; a signed one that is not negative and is followed by its sign bit too."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def bytes(self, count: int) -> bytes:
        self.place += count
        return self.data[self.place - count : self.place]

    def name(self) -> str:
        return self.bytes(self.number()).decode()


def _number(value: int) -> bytes:
    """Write an unsigned integer in LEB128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _sections(code: bytes) -> Iterator[tuple[int, bytes]]:
    reader = _Reader(code, len(_PREAMBLE))
    while reader.more:
        kind = reader.byte()
        yield kind, reader.bytes(reader.number())


def _imports(code: bytes) -> Iterator[str]:
    """Yield the names that a module imports."""
    for kind, body in _sections(code):
        if kind != _IMPORT:
            continue
        reader = _Reader(body)
        for _ in range(reader.number()):
            reader.name()
            yield reader.name()
            match reader.byte():
                case 0:  # a function: its type
                    reader.number()
                case 1:  # a table: the type of its elements, and limits
                    reader.byte()
                    _skip_limits(reader)
                case 2:  # a memory
                    _skip_limits(reader)
                case _:  # a global: its type, and whether it changes
                    reader.bytes(2)


def _skip_limits(reader: _Reader) -> None:
    has_maximum = reader.number() & 1
    for _ in range(1 + has_maximum):
        reader.number()


def _symbol(code: bytes, function: str) -> int:
    """Return the index of a function that an object defines, from the symbol table of its section "linking"."""
    undefined, explicit_name = 0x10, 0x40
    for kind, body in _sections(code):
        reader = _Reader(body)
        if kind != _CUSTOM or reader.name() != "linking":
            continue
        reader.number()  # the version
        while reader.more:
            is_symbols, table = reader.byte() == 8, _Reader(reader.bytes(reader.number()))
            for _ in range(table.number() if is_symbols else 0):
                what, flags = table.byte(), table.number()
                if what == 1:  # data: the name, and where it lies
                    table.name()
                    for _ in range(0 if flags & undefined else 3):
                        table.number()
                    continue
                index = table.number()
                has_name = what != 3 and (not flags & undefined or bool(flags & explicit_name))
                name = table.name() if has_name else ""
                if what == 0 and not flags & undefined and name == function:
                    return index
    raise EngineError(f"the code does not define {function}")


def _end_of_literals(code: bytes) -> int:
    """Return the address behind the literals of a module."""
    end = 0
    for kind, body in _sections(code):
        if kind != _DATA:
            continue
        reader = _Reader(body)
        for _ in range(reader.number()):
            reader.number()  # an active segment of memory 0
            reader.byte()  # i32.const
            start = reader.number()
            reader.byte()  # end
            size = reader.number()
            reader.bytes(size)
            end = max(end, start + size)
    return end
