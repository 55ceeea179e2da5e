"""The text of generated code is deterministic, and independent of machine and process."""

from __future__ import annotations

import hashlib
import re

import pytest
from support.schedules import TARGET
from support.sized_programs import FLOATS, LOSSES, Sizes, Training, moving_program, product_program
from support.subprocesses import script

from chainrule.engines.native.compilation import CompiledProgram, write_loop
from chainrule.ir import Program

FOREIGN = re.compile(r"inttoptr|ptrtoint|/[a-z]+/|0x[0-9a-f]{12}\b.*ptr|source_filename")
PROGRAMS = {
    "product": product_program(Sizes(33, 17, 25, 3), "right transposed", ["softmax", "update"], FLOATS[1]),
    "three operands": product_program(Sizes(5, 3, 4, 6), "three operands", ["sums"], FLOATS[0]),
    "moving": moving_program(Sizes(17, 9, 12, 5), FLOATS[0]),
}


def loop_text(training: Training) -> str:
    return write_loop(training.loop, "loops", TARGET).text


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_program_is_compiled_to_the_same_text_each_time(program: Program) -> None:
    first, second = (CompiledProgram(program, "loops", TARGET).code.text for _ in range(2))
    assert first == second
    assert not FOREIGN.search(first)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_is_written_as_the_same_text_each_time(loss: str) -> None:
    training = Training(Sizes(17, 9, 33, 5), 41, loss, "adam", FLOATS[1])
    first = loop_text(training)
    assert first == loop_text(training)
    assert not FOREIGN.search(first)


OTHER = """
    import hashlib
    from support.schedules import TARGET
    from support.sized_programs import FLOATS, Sizes, Training
    from chainrule.engines.native.compilation import write_loop

    training = Training(Sizes(17, 9, 33, 5), 41, "classes", "adam", FLOATS[1])
    print(hashlib.sha256(write_loop(training.loop, "loops", TARGET).text.encode()).hexdigest())
    """


def test_another_process_writes_the_same_text() -> None:
    """It does not depend on the order of sets or on addresses."""
    training = Training(Sizes(17, 9, 33, 5), 41, "classes", "adam", FLOATS[1])
    own = hashlib.sha256(loop_text(training).encode()).hexdigest()
    assert {script(OTHER, PYTHONHASHSEED=seed).strip() for seed in ("1", "2")} == {own}
