"""Processors: what is known of them, and which may be asked for."""

from __future__ import annotations

import pytest

from chainrule.engines import EngineError
from chainrule.engines.native import target as targets
from chainrule.engines.native.machine import assemble
from chainrule.engines.native.target import Target, current_target, host, parse_target

LINUX = "x86_64-unknown-linux-gnu"
MODULE = "define void @f() {\n  ret void\n}\n"


@pytest.fixture
def old_machine(monkeypatch: pytest.MonkeyPatch) -> Target:
    """This machine, as if it had AVX and nothing beyond."""
    machine = Target(LINUX, "sandybridge", "+avx,+sse4.2,-avx2,-fma,-avx512f,-bmi")
    monkeypatch.setattr(targets, "host", lambda: machine)
    return machine


@pytest.mark.parametrize(
    ("name", "vector_bytes", "vector_registers", "fuses"),
    [
        ("x86-64", 16, 16, False),
        ("x86-64-v2", 16, 16, False),
        ("sandybridge", 32, 16, False),
        ("x86-64-v3", 32, 16, True),
        ("znver3", 32, 16, True),
        ("x86-64-v4", 64, 32, True),
        ("skylake-avx512", 64, 32, True),
        ("aarch64", 16, 32, True),
        ("apple-m1", 16, 32, True),
    ],
)
def test_what_the_generator_needs_to_know(name: str, vector_bytes: int, vector_registers: int, fuses: bool) -> None:
    target = parse_target(name)
    assert target.name == name
    assert (target.vector_bytes, target.vector_registers, target.fuses) == (vector_bytes, vector_registers, fuses)
    assert target.is_x86 == (name not in ("aarch64", "apple-m1"))


def test_switches_count_over_the_processors_name() -> None:
    assert not Target(LINUX, "haswell", "-fma,+bmi").fuses
    assert Target(LINUX, "haswell", "-avx").vector_bytes == 16
    assert Target(LINUX, "some-day", "+avx,+avx2,+fma,-avx512f").vector_bytes == 32
    halves = Target(LINUX, "some-day", "+sse4.2,+avx,+avx2,+fma,+avx512f")
    assert halves.vector_bytes == 32
    assert Target(LINUX, "some-day", halves.features + ",+avx512bw,+avx512dq,+avx512vl").vector_bytes == 64


def test_the_mac_is_an_arm_too() -> None:
    assert Target("arm64-apple-darwin24", "generic").vector_registers == 32


def test_other_architectures_get_the_least() -> None:
    other = Target("riscv64-unknown-linux-gnu", "generic-rv64")
    assert (other.vector_bytes, other.vector_registers, other.fuses, other.is_x86) == (16, 16, False, False)


def test_every_name_is_known_to_llvm(capfd: pytest.CaptureFixture[str]) -> None:
    """It warns on the standard error of what it does not know, and on x86 it ends the process."""
    for table in (targets._X86, targets._ARM):
        for name in table:
            assemble(MODULE, parse_target(name))
    assert capfd.readouterr().err == ""
    assemble(MODULE, Target("aarch64-unknown-linux-gnu", "abacus"))
    assert "abacus" in capfd.readouterr().err


def test_without_a_wish_the_target_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHAINRULE_TARGET", raising=False)
    assert current_target() == host()
    for blank in ("", " ", "native"):
        monkeypatch.setenv("CHAINRULE_TARGET", blank)
        assert current_target() == host()


def test_a_wish_is_read_at_every_use(monkeypatch: pytest.MonkeyPatch, old_machine: Target) -> None:
    monkeypatch.setenv("CHAINRULE_TARGET", "x86-64")
    assert current_target().vector_bytes == 16
    monkeypatch.setenv("CHAINRULE_TARGET", "sandybridge")
    assert current_target().vector_bytes == 32
    assert current_target().triple == old_machine.triple


def test_what_this_machine_lacks_is_switched_off(old_machine: Target) -> None:
    assert parse_target("x86-64-v2").features == "-avx2,-fma,-avx512f,-bmi"
    assert old_machine.obstacle() is None


def test_an_unknown_name_is_refused_with_what_would_do(monkeypatch: pytest.MonkeyPatch, old_machine: Target) -> None:
    monkeypatch.setenv("CHAINRULE_TARGET", "pentium-9")
    with pytest.raises(EngineError) as caught:
        current_target()
    expected = "CHAINRULE_TARGET: there is no target 'pentium-9'; use 'native', 'x86-64', 'x86-64-v2' or an older"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("x86-64-v3", "has avx2, fma, which this machine does not have"), ("aarch64", "is a processor of another kind")],
)
def test_a_processor_that_this_machine_is_not_is_refused(
    name: str, reason: str, monkeypatch: pytest.MonkeyPatch, old_machine: Target
) -> None:
    monkeypatch.setenv("CHAINRULE_TARGET", name)
    with pytest.raises(
        EngineError, match=f"^CHAINRULE_TARGET '{name}' {reason}.*; use 'native', 'x86-64', 'x86-64-v2'"
    ):
        current_target()
    with pytest.raises(EngineError, match=f"^the target '{name}' {reason}"):
        parse_target(name).check_runnable()
    assert parse_target(name).vector_bytes in (16, 32)


def test_an_arm_machine_offers_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Target("arm64-apple-darwin24", "apple-m2", "+neon,-sve")
    monkeypatch.setattr(targets, "host", lambda: machine)
    assert parse_target("aarch64") == Target(machine.triple, "generic", "-sve")
    with pytest.raises(EngineError, match="use 'native', 'aarch64' or an older processor's name"):
        parse_target("x86-64").check_runnable()
