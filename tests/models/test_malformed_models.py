"""Files that are not models are rejected with one sentence, little memory, and no other error."""

from __future__ import annotations

import os
import random
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.malformed_models import BYTES, CHECKPOINTS, DESCRIPTIONS, Whole

from chainrule.models import ModelError, inspect_model, load_checkpoint, load_model

MEMORY = 120e6
"""Bytes: a header of the largest size that is parsed takes about that."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole.made(tmp_path_factory.mktemp("whole"))


def refusal(load: Callable[[str], Any], path: Path, most: float = MEMORY) -> str:
    """What is said of a file that is refused, in one line that begins with its path and is not long."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelError) as caught:
            load(str(path))
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert str(path) in said
    assert "\n" not in said
    assert len(said) < 400 + len(str(path))
    assert memory < most
    return said.replace(str(path), "PATH")


def check(said: str, expected: str) -> None:
    assert re.search(expected, said), said


@pytest.mark.parametrize("name", BYTES)
def test_files_that_are_no_models(whole: Whole, tmp_path: Path, name: str) -> None:
    make, expected = BYTES[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(make(whole))
    check(refusal(load_model, path), expected)
    for load in (load_checkpoint, inspect_model):
        with pytest.raises(ModelError):
            load(str(path))


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_sealed_files_whose_description_is_wrong(whole: Whole, tmp_path: Path, name: str) -> None:
    """Anyone who can write a file can seal it."""
    change, expected = DESCRIPTIONS[name]
    path = tmp_path / "model.safetensors"
    whole.changed(change, path)
    check(refusal(load_model, path), expected)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_models_whose_checkpoint_is_wrong(whole: Whole, tmp_path: Path, name: str) -> None:
    change, expected = CHECKPOINTS[name]
    path = tmp_path / "model.safetensors"
    whole.changed(change, path)
    check(refusal(load_checkpoint, path), expected)
    load_model(str(path))


def test_the_corpus_is_large() -> None:
    assert len(BYTES) + len(DESCRIPTIONS) + len(CHECKPOINTS) >= 180


def test_the_good_file_is_good(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    assert whole.changed(lambda description, tensors: None, path) == whole.content
    assert load_checkpoint(str(path)).state.epoch == 4


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path, said in {
        tmp_path: "is a folder; give a file",
        tmp_path / "none": "does not exist; check the path",
        tmp_path / "pipe": "is not a file but a device or a pipe",
        tmp_path / "circle": "its links lead in a circle",
        tmp_path / "none" / "model": "does not exist; check the path",
        tmp_path / ("x" * 300): "its name is too long",
        Path("/dev/zero"): "is not a file but a device or a pipe",
    }.items():
        assert said in refusal(load_model, path)


def test_a_file_without_an_end_is_not_read(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole.content)
    os.truncate(path, 2**40)
    assert "more than the 1,073,741,824 that are read" in refusal(load_model, path)
    path.write_bytes(whole.content)
    with pytest.raises(ModelError, match=r"allow more with load_model\(path, limit=\.\.\.\)"):
        load_model(str(path), limit=1000)


def test_what_costs_most_to_parse_stays_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    header = ("{" + ",".join(f'"{k:06x}":{k}.5' for k in range(200_000)) + "}").encode()  # a fifth of what is parsed
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert "is not described by dtype, shape and data_offsets" in refusal(load_model, path, 60e6)


def test_every_flipped_bit_is_noticed(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    chosen = random.Random(0)
    for _ in range(200):
        content = bytearray(whole.content)
        place = chosen.randrange(len(content))
        content[place] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)
        with pytest.raises(ModelError):
            load_model(str(path))


def test_every_length_but_the_whole_is_refused(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    for length in range(0, len(whole.content), 97):
        path.write_bytes(whole.content[:length])
        with pytest.raises(ModelError):
            load_model(str(path))


@given(st.binary(max_size=300), st.booleans())
def test_arbitrary_bytes(whole: Whole, tmp_path_factory: pytest.TempPathFactory, content: bytes, brace: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary"
    path.write_bytes(len(content).to_bytes(8, "little") + b"{" + content if brace else content)
    with pytest.raises(ModelError):
        load_model(str(path))


@given(st.data())
def test_mutated_descriptions_are_models_or_are_refused(
    whole: Whole, tmp_path_factory: pytest.TempPathFactory, draws: st.DataObject
) -> None:
    """A model that is not refused predicts, without a crash, or says why it does not."""
    path = tmp_path_factory.getbasetemp() / "mutated"
    scalars: st.SearchStrategy[Any] = st.sampled_from(
        [None, True, 0, 1, -1, 3, 9, 2**31, 2**62, 10**30, 0.5, "", "n", "nan", "W1", [], {}]
    )

    def change(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        for _ in range(draws.draw(st.integers(1, 3))):
            place: Any = description
            while True:
                keys = list(place) if isinstance(place, dict) else list(range(len(place)))
                key = draws.draw(st.sampled_from(keys))
                if not isinstance(place[key], dict | list) or not place[key] or draws.draw(st.integers(0, 5)) == 0:
                    break
                place = place[key]
            if draws.draw(st.integers(0, 4)):
                place[key] = draws.draw(scalars)
            else:
                del place[key]
            if not description:
                description["format"] = None

    whole.changed(change, path)
    for load in (load_model, load_checkpoint, inspect_model):
        try:
            load(str(path))
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_models_that_pass_every_check_can_predict(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole.content)
    model = load_model(str(path))
    assert np.isfinite(model.predict_encoded(np.zeros((3, 10)))).all()
