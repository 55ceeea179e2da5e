"""Every gallery entry: all lines of its derivation hold, and its gradients agree with other systems."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
from click.testing import Result
from numpy.typing import NDArray
from support.gallery_references import REFERENCES
from support.gallery_samples import arguments_of, derived, sizes_of

from chainrule.calculus import simplify
from chainrule.engines import get_engine
from chainrule.gallery import GALLERY
from chainrule.gallery.entries import entry

Array = NDArray[Any]

NAMES = (
    "linear_regression logistic_regression softmax_regression two_layer_columns two_layer_rows relu_mlp gelu_block "
    "silu_block swiglu_block residual_block batch_norm layer_norm rms_norm dropout embedding attention "
    "multi_head_attention transformer_block rnn lstm_cell gru_cell lora vae distillation focal_loss huber "
    "label_smoothing info_nce triplet dpo ppo weight_decay l1_regularization mixture_of_experts"
)


@cache
def gradients_of(name: str, engine: str) -> tuple[dict[str, Array], list[Array]]:
    """The arguments that were drawn, and the gradients there by one of the engines."""
    derivation = derived(name)
    arguments = arguments_of(GALLERY[name], derivation, seed=7)
    program = derivation.record.backward.gradient_program().bind(sizes_of(derivation))
    results = get_engine(engine).compile(program)(arguments)
    return arguments, results[1:]


def test_what_people_ask_about_is_there() -> None:
    assert set(NAMES.split()) <= set(GALLERY)
    assert len(GALLERY) >= 32


def test_a_name_is_given_once() -> None:
    with pytest.raises(ValueError, match="the gallery has attention already"):
        entry("another", "另一个")(GALLERY["attention"].function)


@pytest.mark.parametrize("name", GALLERY)
def test_an_entry_says_what_it_is(name: str) -> None:
    found = GALLERY[name]
    assert found.function.__name__ == name
    assert inspect.getdoc(found.function)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in found.title_zh)
    for parameter in inspect.signature(found.function).parameters.values():
        assert isinstance(get_args(parameter.annotation)[1], str), parameter


@pytest.mark.parametrize("name", GALLERY)
def test_every_line_of_every_form_holds(name: str) -> None:
    verification = derived(name).verify()
    assert verification.ok, verification


@pytest.mark.parametrize("name", GALLERY)
def test_simplification_settles(name: str) -> None:
    """No rule undoes another: each gradient takes a few rewrites, and a second pass changes nothing."""
    for step in derived(name).record.backward.accumulations:
        rewrites = [*step.rewrites, *(rewrite for part in step.contributions for rewrite in part.rewrites)]
        assert len(rewrites) < 100, step.symbol.name
        assert simplify(step.chain) is step.chain


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("name", GALLERY)
def test_gradients_are_those_of_others(name: str, reference: str) -> None:
    derivation = derived(name)
    arguments, found = gradients_of(name, "reference")
    parameters = list(inspect.signature(GALLERY[name].function).parameters)
    given = [value for key, value in arguments.items() if key not in parameters]
    places = [parameters.index(symbol.name) for symbol in derivation.record.backward.wrt]
    values = [arguments[key] for key in parameters]
    expected = REFERENCES[reference](GALLERY[name].function, values, given, places)
    assert len(found) == len(expected) > 0
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * float(np.max(np.abs(theirs))))


@pytest.mark.parametrize("name", GALLERY)
def test_the_native_engine_agrees(name: str) -> None:
    _, expected = gradients_of(name, "reference")
    _, found = gradients_of(name, "native")
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12 * float(np.max(np.abs(theirs))))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_list_is_as_wide_as_a_terminal(run: Callable[..., Result], lang: str) -> None:
    result = run("gallery", "--lang", lang)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert [line.split()[0] for line in lines] == list(GALLERY)
    assert all(sum(2 if ord(letter) > 0x2E7F else 1 for letter in line) <= 80 for line in lines)
