"""The LLVM interface: from assembly text to callable machine code, or to object code and assembly for any target."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import sys
from dataclasses import dataclass
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from chainrule.caches import current_cache, key_of
from chainrule.engines.loop import EngineError
from chainrule.engines.native.target import Target, current_target, host
from chainrule.ir import fork_safe_lock

EFFORT = 1
"""LLVM's code generation level, 0 to 3.

Training steps run as fast at 2, which takes a tenth longer to compile than 0, and two to four times as slow at 0. No IR
passes run before: the text already uses vectors and rotated loops, and common-subexpression elimination and peephole
passes were measured to change no run by more than 1 % and to add a quarter to the compile time.
"""

_VERSIONS = (llvmlite.__version__, ".".join(map(str, llvm.llvm_version_info)))
_ADDRESS = "inttoptr"

compilation_lock = fork_safe_lock()
"""Serializes compilations, since LLVM's context is shared by the process; runs are not serialized.

The caches of compiled code use the same lock, so that a forked child finds LLVM and the caches in a consistent state.
"""


@dataclass(frozen=True, eq=False)
class MachineCode:
    """A compiled module. Its functions may be called while this object is alive."""

    text: str
    target: Target
    cached: bool
    """Whether the object code came from the disk cache."""
    _library: Any

    def function(self, name: str, count: int) -> Any:
        """Return a function of `count` addresses that returns nothing; the GIL is released during a call."""
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)
        return signature(self._library[name])


def build(text: str, target: Target | None = None) -> MachineCode:
    """Compile a module, or load it from the disk cache; the default `target` is the current one.

    Raises EngineError for a target whose code cannot run on this machine.
    """
    target = current_target() if target is None else target
    target.check_runnable()
    # An embedded address is valid only in this process.
    cache = None if _ADDRESS in text else current_cache()
    if cache is None:
        return MachineCode(text, target, False, _linked(text, object_code(text, target)))
    key = key_of(*_VERSIONS, str(EFFORT), target.triple, target.cpu, target.features, text)
    found = cache.get(key)
    if found is not None:
        # Linking fails if the entry refers to a symbol that this process lacks.
        with contextlib.suppress(RuntimeError):
            return MachineCode(text, target, True, _linked(text, found))
    made = object_code(text, target)
    cache.put(key, made)
    return MachineCode(text, target, False, _linked(text, made))


def object_code(text: str, target: Target) -> bytes:
    """Check and compile a module for any target that LLVM supports; raise EngineError otherwise."""
    with compilation_lock:
        machine, module = _prepared(text, target)
        code: bytes = machine.emit_object(module)
        return code


def assemble(text: str, target: Target) -> str:
    """Compile a module to assembly text."""
    with compilation_lock:
        machine, module = _prepared(text, target)
        assembly: str = machine.emit_assembly(module)
        return assembly


@functools.cache
def _ready(foreign: bool) -> None:
    if foreign:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    else:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()


def _prepared(text: str, target: Target) -> tuple[Any, Any]:
    """Return the target machine and the verified module."""
    _ready(target.architecture != host().architecture)
    # On Windows, too, code linked in memory uses the ELF format.
    triple = target.triple + ("-elf" if sys.platform == "win32" else "")
    try:
        kind = llvm.Target.from_triple(triple)
    except RuntimeError as error:
        raise EngineError(f"llvmlite {_VERSIONS[0]} writes no code for {target.triple}: {error}") from None
    # Code and literals are linked next to each other, so short relative addresses reach both.
    machine = kind.create_target_machine(
        cpu=target.cpu, features=target.features, opt=EFFORT, reloc="pic", codemodel="small", jit=True
    )
    module = llvm.parse_assembly(text)
    module.triple = triple
    module.data_layout = str(machine.target_data)
    return machine, module


_serials = itertools.count()


@functools.cache
def _linker() -> Any:
    _ready(False)
    return llvm.create_lljit_compiler(use_jit_link=sys.platform != "win32", suppress_errors=True)


def _linked(text: str, code: bytes) -> Any:
    """Link object code in memory; return the addresses of the module's functions by name."""
    with compilation_lock:
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in _exported(text):
            builder.export_symbol(name)
        return builder.link(_linker(), f"module{next(_serials)}")


def _exported(text: str) -> list[str]:
    """Return the names of the externally visible functions of a module."""
    heads = [part.partition("(")[0] for part in f"\n{text}".split("\ndefine ")[1:]]
    return [head.rpartition("@")[2] for head in heads if not head.startswith(("internal ", "private "))]
