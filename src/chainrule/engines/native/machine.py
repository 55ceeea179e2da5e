"""LLVM: from assembly text to machine code that can be called, or to object code and assembly for any processor."""

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

from chainrule.engines.loop import EngineError
from chainrule.engines.native.cache import current_cache, key_of
from chainrule.engines.native.target import Target, current_target, host
from chainrule.ir import fork_safe_lock

EFFORT = 1
"""LLVM's level of optimisation, of 0 to 3, in choosing instructions and registers. Training steps run as fast at 2,
which takes a tenth longer to compile, and two to four times as slow at 0. No passes over the text come before: it is
written in vectors and in rotated loops already, and common-subexpression and peephole passes were measured to change
no run by a hundredth, for a quarter more time."""

_VERSIONS = (llvmlite.__version__, ".".join(map(str, llvm.llvm_version_info)))
_ADDRESS = "inttoptr"

compilation_lock = fork_safe_lock()
"""LLVM's context is shared by the process; compilation is one at a time, runs are not. What is kept of compilations
goes under this same lock, so that a forked child finds LLVM and it in order."""


@dataclass(frozen=True, eq=False)
class MachineCode:
    """A compiled module; its functions can be called as long as this object is alive."""

    text: str
    target: Target
    cached: bool
    """Whether the object code was found on disk."""
    _library: Any

    def function(self, name: str, count: int) -> Any:
        """A function of `count` addresses without a result; the interpreter's lock is released during a call."""
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)
        return signature(self._library[name])


def build(text: str, target: Target | None = None) -> MachineCode:
    """Machine code of a module, compiled now or found in the cache on disk; without a `target`, for the current one.

    Raises EngineError for a target whose code cannot run here.
    """
    target = current_target() if target is None else target
    target.check_runnable()
    # An address means something else in every process.
    cache = None if _ADDRESS in text else current_cache()
    if cache is None:
        return MachineCode(text, target, False, _linked(text, object_code(text, target)))
    key = key_of(*_VERSIONS, str(EFFORT), target.triple, target.cpu, target.features, text)
    found = cache.get(key)
    if found is not None:
        # It links, unless what the entry refers to has gone from the process.
        with contextlib.suppress(RuntimeError):
            return MachineCode(text, target, True, _linked(text, found))
    made = object_code(text, target)
    cache.put(key, made)
    return MachineCode(text, target, False, _linked(text, made))


def object_code(text: str, target: Target) -> bytes:
    """Check and compile a module, for any processor that LLVM writes code for; raises EngineError else."""
    with compilation_lock:
        machine, module = _prepared(text, target)
        code: bytes = machine.emit_object(module)
        return code


def assemble(text: str, target: Target) -> str:
    """The same as assembly text."""
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
    """(the machine, the module for it), checked."""
    _ready(target.architecture != host().architecture)
    # On Windows, too, code that is linked in memory has the format of Linux.
    triple = target.triple + ("-elf" if sys.platform == "win32" else "")
    try:
        kind = llvm.Target.from_triple(triple)
    except RuntimeError as error:
        raise EngineError(f"llvmlite {_VERSIONS[0]} writes no code for {target.triple}: {error}") from None
    # Code and literals are linked next to each other, so that both are reached by short relative addresses.
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
    """Object code in memory, ready to run: the addresses of the module's functions by name."""
    with compilation_lock:
        builder = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        for name in _exported(text):
            builder.export_symbol(name)
        return builder.link(_linker(), f"module{next(_serials)}")


def _exported(text: str) -> list[str]:
    """The names of the functions of a module that are not its own business."""
    heads = [part.partition("(")[0] for part in f"\n{text}".split("\ndefine ")[1:]]
    return [head.rpartition("@")[2] for head in heads if not head.startswith(("internal ", "private "))]
