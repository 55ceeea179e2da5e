"""Target processors: the one to generate code for, and its properties."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Literal, TypeAlias

import llvmlite.binding as llvm

from chainrule.engines.loop import EngineError

VARIABLE = "CHAINRULE_TARGET"
"""The environment variable that names a processor; read whenever a target is requested, not at import."""

Architecture: TypeAlias = Literal["x86", "arm", "wasm", "other"]

_SSE4 = frozenset({"sse4.2"})
_AVX = _SSE4 | {"avx"}
_AVX2 = _AVX | {"avx2", "fma"}
_AVX512 = _AVX2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
_NEON = frozenset({"neon"})

_X86: dict[str, frozenset[str]] = {
    "x86-64": frozenset(),
    "x86-64-v2": _SSE4,
    "x86-64-v3": _AVX2,
    "x86-64-v4": _AVX512,
    "core2": frozenset(),
    "nehalem": _SSE4,
    "westmere": _SSE4,
    "goldmont": _SSE4,
    "sandybridge": _AVX,
    "ivybridge": _AVX,
    "haswell": _AVX2,
    "broadwell": _AVX2,
    "skylake": _AVX2,
    "alderlake": _AVX2,
    "raptorlake": _AVX2,
    "skylake-avx512": _AVX512,
    "cascadelake": _AVX512,
    "cooperlake": _AVX512,
    "icelake-client": _AVX512,
    "icelake-server": _AVX512,
    "tigerlake": _AVX512,
    "rocketlake": _AVX512,
    "sapphirerapids": _AVX512,
    "emeraldrapids": _AVX512,
    "graniterapids": _AVX512,
    "btver2": _AVX,
    "znver1": _AVX2,
    "znver2": _AVX2,
    "znver3": _AVX2,
    "znver4": _AVX512,
    "znver5": _AVX512,
}
_ARM: dict[str, frozenset[str]] = {
    "aarch64": _NEON,
    "cortex-a72": _NEON,
    "cortex-a76": _NEON,
    "neoverse-n1": _NEON,
    "neoverse-v1": _NEON,
    "neoverse-n2": _NEON,
    "neoverse-v2": _NEON,
    "apple-m1": _NEON,
    "apple-m2": _NEON,
    "apple-m3": _NEON,
}
"""The available processors by LLVM name, with their vector extensions, which LLVM does not list.

`aarch64` is LLVM's `generic`. Other extensions of these processors that this machine lacks are switched off.
"""

_TABLES = {"x86": _X86, "arm": _ARM}
_LEVELS = ("native", "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64")
_GENERIC_TRIPLE = {"x86": "x86_64-unknown-linux-gnu", "arm": "aarch64-unknown-linux-gnu"}


def _architecture(triple: str) -> Architecture:
    first = triple.split("-", 1)[0]
    if first in ("x86_64", "amd64"):
        return "x86"
    if first in ("aarch64", "arm64"):
        return "arm"
    return "wasm" if first == "wasm32" else "other"


@dataclass(frozen=True)
class Target:
    """A processor in LLVM's terms: its name, and the extensions switched on (`+avx2`) or off (`-fma`)."""

    triple: str
    cpu: str
    features: str = ""

    @functools.cached_property
    def architecture(self) -> Architecture:
        return _architecture(self.triple)

    @functools.cached_property
    def extensions(self) -> frozenset[str]:
        """The vector extensions that the code generator queries."""
        named = {**_X86, **_ARM, "generic": _NEON if self.architecture == "arm" else frozenset[str]()}
        switches = [switch.strip() for switch in self.features.split(",")]
        present = {switch[1:] for switch in switches if switch.startswith("+")}
        absent = {switch[1:] for switch in switches if switch.startswith("-")}
        return (named.get(self.cpu, frozenset()) | present) - absent

    @property
    def name(self) -> str:
        """The name used in this package; LLVM calls more than one architecture `generic`."""
        return "aarch64" if self.architecture == "arm" and self.cpu == "generic" else self.cpu

    @property
    def is_x86(self) -> bool:
        return self.architecture == "x86"

    @property
    def calls(self) -> bool:
        """Whether the code may call functions of Python, as it can in this process; not in a page."""
        return not self.triple.startswith("wasm")

    @property
    def vector_bytes(self) -> int:
        """The width of a vector register: 16 (SSE, NEON), 32 (AVX) or 64 (AVX-512).

        LLVM's models of several Intel processors prefer 256-bit vectors, to avoid lower clock rates in mostly scalar
        code. Here nearly all time is spent in long runs of vector arithmetic, where twice the width outweighs the clock
        rate, so the full register is used.
        """
        return 64 if self.extensions >= _AVX512 else 32 if self.is_x86 and "avx" in self.extensions else 16

    @property
    def vector_registers(self) -> int:
        """The number of vector registers."""
        return 32 if self.vector_bytes == 64 or self.architecture == "arm" else 16

    @property
    def fuses(self) -> bool:
        """Whether a · b + c is one instruction with one rounding."""
        return self.architecture == "arm" or "fma" in self.extensions

    def obstacle(self) -> str | None:
        """The reason why code for it cannot run on this machine, as the end of a sentence; None if it can."""
        here = host()
        if self.architecture != here.architecture:
            return "is a processor of another kind than this machine's"
        missing = self.extensions & _AVX512 - here.extensions
        return f"has {', '.join(sorted(missing))}, which this machine does not have" if missing else None

    def check_runnable(self, source: str = "the target") -> None:
        """Raise EngineError, on behalf of `source`, if this machine cannot run code for this processor."""
        obstacle = self.obstacle()
        if obstacle is not None:
            raise EngineError(f"{source} {self.name!r} {obstacle}; use {_choices()}")


@functools.cache
def host() -> Target:
    """Return the processor of this machine."""
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())


def parse_target(name: str) -> Target:
    """Return the processor called `name`, or this machine's for "native".

    Assembly can be written for any target; `Target.check_runnable` checks whether it runs here. Raises EngineError for
    an unknown name.
    """
    here = host()
    if name == "native":
        return here
    for architecture, table in _TABLES.items():
        if name in table:
            cpu = "generic" if name == "aarch64" else name
            if here.architecture != architecture:
                return Target(_GENERIC_TRIPLE[architecture], cpu)
            target = Target(here.triple, cpu)
            if target.obstacle() is not None:
                return target
            absent = [switch for switch in here.features.split(",") if switch.startswith("-")]
            return Target(here.triple, cpu, ",".join(absent))
    raise EngineError(f"there is no target {name!r}; use {_choices()}")


def current_target() -> Target:
    """Return the processor named by CHAINRULE_TARGET, or this machine's.

    Raises EngineError for an unknown name, or for a processor whose code cannot run here.
    """
    name = os.environ.get(VARIABLE, "").strip()
    if not name:
        return host()
    try:
        target = parse_target(name)
    except EngineError as error:
        raise EngineError(f"{VARIABLE}: {error}") from None
    target.check_runnable(VARIABLE)
    return target


def _choices() -> str:
    """The targets that can run here, as the end of a sentence."""
    names = [name for name in _LEVELS if parse_target(name).obstacle() is None]
    return ", ".join(map(repr, names)) + " or an older processor's name"
