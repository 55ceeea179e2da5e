"""From text to machine code: the same from the cache and newly compiled, for this and other processors."""

from __future__ import annotations

import os
import re
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from support.subprocesses import HANG

from chainrule.caches import DiskCache
from chainrule.engines import EngineError
from chainrule.engines.native import machine
from chainrule.engines.native.machine import MachineCode, assemble, build, object_code
from chainrule.engines.native.target import Target, parse_target

X = np.linspace(-2, 2, 16)


def polynomial(coefficient: float = 3.0, width: int = 4) -> str:
    """`run(out, x)`: x² + c x over sixteen float64, in vectors."""
    vector = f"<{width} x double>"
    constants = f"<{', '.join([f'double {coefficient!r}'] * width)}>"
    lines = [
        f"declare {vector} @llvm.fmuladd.v{width}f64({vector}, {vector}, {vector})",
        "define void @run(ptr noalias %out, ptr noalias %x) nounwind {",
    ]
    for k in range(0, len(X), width):
        lines += [
            f"  %from{k} = getelementptr double, ptr %x, i64 {k}",
            f"  %to{k} = getelementptr double, ptr %out, i64 {k}",
            f"  %x{k} = load {vector}, ptr %from{k}, align 8",
            f"  %s{k} = fadd {vector} %x{k}, {constants}",
            f"  %y{k} = call {vector} @llvm.fmuladd.v{width}f64({vector} %x{k}, {vector} %s{k}, {vector} %x{k})",
            f"  store {vector} %y{k}, ptr %to{k}, align 8",
        ]
    return "\n".join([*lines, "  ret void", "}", ""])


def values(code: MachineCode) -> list[float]:
    out = np.empty_like(X)
    code.function("run", 2)(out.ctypes.data, X.ctypes.data)
    result: list[float] = out.tolist()
    return result


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is built is compiled, whatever other tests have compiled."""
    monkeypatch.setenv("CHAINRULE_CACHE", "off")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_module_runs() -> None:
    code = build(polynomial())
    np.testing.assert_allclose(values(code), X * (X + 3) + X, rtol=1e-15, atol=1e-15)
    assert not code.cached
    assert code.text == polynomial()


def test_code_from_the_cache_gives_the_same_bits_and_is_not_compiled(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = build(polynomial())
    monkeypatch.setattr(machine, "object_code", lambda *_: pytest.fail("compiled again"))
    found = build(polynomial())
    assert (fresh.cached, found.cached) == (False, True)
    assert values(found) == values(fresh)
    assert len(entries(folder)) == 1


def test_every_text_and_target_has_its_own_entry(folder: Path) -> None:
    here = build(polynomial()).target
    assert not build(polynomial(4.0)).cached
    assert not build(polynomial(), Target(here.triple, here.cpu, here.features + ",-fma")).cached
    assert len(entries(folder)) == 3
    assert values(build(polynomial(4.0))) != values(build(polynomial()))


def test_the_way_of_compiling_is_part_of_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(polynomial())
    monkeypatch.setattr(machine, "EFFORT", 3)
    assert not build(polynomial()).cached
    monkeypatch.setattr(machine, "_VERSIONS", ("0.99.0", "99.0.0"))
    assert not build(polynomial()).cached
    assert len(entries(folder)) == 3


def test_an_entry_that_cannot_be_linked_is_compiled_anew(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    expected = values(build(polynomial()))
    key = entries(folder)[0].name.split(".")[0]
    empty = object_code("define void @other() {\n  ret void\n}\n", build(polynomial()).target)
    for payload in (b"", b"not an object", empty):
        DiskCache(str(folder)).put(key, payload)
        code = build(polynomial())
        assert not code.cached
        assert values(code) == expected
        assert build(polynomial()).cached
    assert capfd.readouterr().err == ""


def test_a_damaged_entry_is_compiled_anew(folder: Path) -> None:
    expected = values(build(polynomial()))
    path = entries(folder)[0]
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    code = build(polynomial())
    assert not code.cached
    assert values(code) == expected
    assert build(polynomial()).cached


def test_a_module_with_addresses_is_not_kept(folder: Path) -> None:
    address = X.ctypes.data
    text = f"define void @run(ptr %out, ptr %x) {{\n  %v = load double, ptr inttoptr (i64 {address} to ptr)\n"
    text += "  store double %v, ptr %out\n  ret void\n}\n"
    assert values(build(text))[0] == X[0]
    assert entries(folder) == []


@pytest.mark.parametrize("word", ["off", "0", "OFF"])
def test_the_cache_can_be_switched_off(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("CHAINRULE_CACHE", word)
    assert not build(polynomial()).cached
    assert not build(polynomial()).cached
    assert entries(tmp_path) == []


def test_code_lives_as_long_as_its_object() -> None:
    codes = [build(polynomial(float(k))) for k in range(8)]
    kept = codes[3]
    del codes
    again = [build(polynomial(float(k))) for k in range(10, 14)]
    np.testing.assert_allclose(values(kept), X * (X + 3) + X, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(values(again[0]), X * (X + 10) + X, rtol=1e-15, atol=1e-15)


def test_a_module_may_call_the_c_library() -> None:
    text = "declare void @memcpy(ptr, ptr, i64)\ndefine void @run(ptr %out, ptr %x) nounwind {\n"
    text += f"  call void @memcpy(ptr %out, ptr %x, i64 {X.nbytes})\n  ret void\n}}\n"
    assert values(build(text)) == X.tolist()


def test_threads_may_compile_at_once(folder: Path) -> None:
    results: dict[int, list[float]] = {}

    def work(k: int) -> None:
        results[k] = values(build(polynomial(float(k % 3))))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(9):
        np.testing.assert_allclose(results[k], X * (X + k % 3) + X, rtol=1e-15, atol=1e-15)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # where another test has brought in JAX
def test_a_child_forked_during_a_compilation_can_compile() -> None:
    begun, forking = threading.Event(), threading.Event()
    os.register_at_fork(before=forking.set)  # the last that is registered is called first

    def compile_slowly() -> None:
        with machine.compilation_lock:
            begun.set()
            forking.wait()

    other = threading.Thread(target=compile_slowly)
    other.start()
    begun.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(values(build(polynomial(5.0))), X * (X + 5) + X) else 1)
    other.join()
    deadline = time.monotonic() + HANG
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert (ended, status) == (child, 0)


@pytest.mark.parametrize(
    ("name", "width", "product"),
    [
        ("x86-64", 2, r"mulpd\t%xmm"),
        ("x86-64-v2", 2, r"mulpd\t%xmm"),
        ("sandybridge", 4, r"vmulpd\t.*%ymm"),
        ("x86-64-v3", 4, r"vfmadd\w+pd\t.*%ymm"),
        ("x86-64-v4", 8, r"vfmadd\w+pd\t.*%zmm"),
        ("skylake-avx512", 8, r"vfmadd\w+pd\t.*%zmm"),
        ("aarch64", 2, r"fmla\tv\d+\.2d"),
        ("apple-m1", 2, r"fmla(\.2d)?\tv\d+"),
    ],
)
def test_code_for_any_processor_uses_its_vectors(name: str, width: int, product: str) -> None:
    target = parse_target(name)
    assert target.vector_bytes == 8 * width
    assembly = assemble(polynomial(width=width), target)
    assert len(re.findall(product, assembly)) == len(X) // width
    assert object_code(polynomial(width=width), target).startswith(b"\x7fELF")


def test_what_cannot_run_here_is_not_built() -> None:
    foreign = "aarch64" if build(polynomial()).target.is_x86 else "x86-64"
    with pytest.raises(EngineError, match=f"'{foreign}' is a processor of another kind"):
        build(polynomial(), parse_target(foreign))


def test_an_architecture_that_llvm_lacks_is_named() -> None:
    with pytest.raises(EngineError, match="writes no code for z80-unknown-none"):
        assemble(polynomial(), Target("z80-unknown-none", "generic"))
