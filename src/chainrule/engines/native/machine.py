"""LLVM: from assembly text to machine code that can be called."""

from __future__ import annotations

import ctypes
import functools
import threading
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm

from chainrule.engines.native.math import library_addresses

_lock = threading.Lock()
"""LLVM's context is shared by the process; compilation is one at a time, runs are not."""


@dataclass(frozen=True)
class Target:
    """Which processor to write code for."""

    triple: str
    cpu: str
    features: str


@functools.cache
def host() -> Target:
    """The processor that this is running on."""
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


@functools.cache
def _ready() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, address in library_addresses().items():
        llvm.add_symbol(name, address)


@dataclass(frozen=True, eq=False)
class MachineCode:
    """A compiled module; `address` gives where a function begins, as long as this object is alive."""

    text: str
    _compiler: Any

    def function(self, name: str, count: int) -> Any:
        """A function of `count` addresses without a result; the interpreter's lock is released during a call."""
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count)
        return signature(self._compiler.get_function_address(name))


def build(text: str) -> MachineCode:
    """Check, optimise and compile a module."""
    with _lock:
        _ready()
        target = host()
        machine = llvm.Target.from_triple(target.triple).create_target_machine(
            cpu=target.cpu, features=target.features, opt=2
        )
        module = llvm.parse_assembly(text)
        module.triple = target.triple
        module.data_layout = str(machine.target_data)
        _optimise(module, machine)
        compiler = llvm.create_mcjit_compiler(module, machine)
        compiler.finalize_object()
        return MachineCode(text, compiler)


def _optimise(module: Any, machine: Any) -> None:
    # The text is written in vectors and in rotated loops already; the whole pipeline would take several times as long
    # as these passes, for a tenth of the run at most.
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    manager = llvm.create_new_module_pass_manager()
    manager.add_instruction_combine_pass()
    manager.add_new_gvn_pass()
    manager.add_simplify_cfg_pass()
    manager.add_instruction_combine_pass()
    manager.run(module, builder)


def vector_bytes() -> int:
    """The width of the target's vector registers."""
    features = dict.fromkeys(name[1:] for name in host().features.split(",") if name.startswith("+"))
    return 64 if "avx512f" in features else 32 if "avx" in features else 16
