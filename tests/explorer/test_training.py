"""Training on the page: by the passes as loops, and by WebAssembly, as by the lines, with each optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.browsing import launched, visiting

import chainrule as cr
from chainrule.explorer import Explorer
from chainrule.explorer.page import unpacked
from chainrule.explorer.structures import TITLE, networks

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROWS, INPUTS, HIDDEN = 50, 40, 60
TRAINED = """([engine, optimizer]) => {
  const { state } = explorer;
  state.rate = 0.01;
  state.optimizer = optimizer;
  state.restart();
  const module = globalThis.chainruleLines[0];
  const all = module.engines;
  module.engines = all.filter((each) => each.name === engine);
  state.train(3);
  state.train(4);
  module.engines = all;
  return [state.run.holder.name, state.run.steps, state.point.loss, [...state.point.value("W1").data].slice(0, 50)];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    params = {"W1": random.normal(size=(INPUTS, HIDDEN)) / 5, "b1": np.zeros(HIDDEN)}
    params |= {"W2": random.normal(size=(HIDDEN, 1)) / 5, "b2": np.full(1, 0.1)}
    data = {"X": random.normal(size=(ROWS, INPUTS)), "y": random.integers(0, 2, (ROWS, 1)).astype(float)}
    path = tmp_path_factory.mktemp("page") / "large.html"
    cr.explore("sum((sigmoid(sigmoid(X @ W1 + b1) @ W2 + b2) - y)^2)", params, data).save(path)
    return path


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_each_engine_of_a_page_makes_the_same_steps(browser: Browser, large: Path, optimizer: str) -> None:
    with visiting(browser, large) as visit:
        found = {engine: visit.page.evaluate(TRAINED, [engine, optimizer]) for engine in ("wasm", "passes", "lines")}
        assert {engine: (name, steps) for engine, (name, steps, *_) in found.items()} == {
            engine: (engine, 7) for engine in found
        }
        for _, _, loss, weights in found.values():
            np.testing.assert_allclose([loss, *weights], [found["lines"][2], *found["lines"][3]], 1e-9)
        assert visit.is_quiet()


CHANGING = """() => {
  const { state } = explorer;
  const module = globalThis.chainruleLines[0];
  const all = module.engines;
  const trained = (engines) => {
    state.optimizer = "adam";
    state.rate = 0.01;
    state.restart();
    for (const engine of engines) {
      module.engines = all.filter((each) => each.name === engine);
      state.train(5);
    }
    module.engines = all;
    return [...state.point.value("W1").data];
  };
  return [trained(["wasm", "passes", "wasm"]), trained(["passes", "passes", "passes"])];
}"""
"""Trains by engines in turn, and by one."""


def test_an_engine_goes_on_with_what_the_optimizer_remembers(browser: Browser, large: Path) -> None:
    with visiting(browser, large) as visit:
        in_turn, by_one = visit.page.evaluate(CHANGING)
        np.testing.assert_allclose(in_turn, by_one, 1e-9)


def test_the_first_network_trains_in_webassembly(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    Explorer(next(networks()), TITLE).save(path)
    with visiting(browser, path, "#train=2000%400.5") as visit:
        assert visit.page.evaluate("[explorer.state.run.holder.name, explorer.state.run.steps]") == ["wasm", 2000]
        visit.page.evaluate("explorer.state.choose(explorer.state.structure, { h: 3 }), explorer.state.train(10)")
        assert visit.page.evaluate("[explorer.state.run.holder.name, explorer.state.run.steps]") == ["passes", 10]


def test_a_page_of_a_small_network_has_no_webassembly() -> None:
    text = cr.explore("sum((X @ w - y)^2)", {"w": [1.0, 2.0]}, {"X": [[1.0, 2.0]], "y": [1.0]}).html()
    assert "wasm-unsafe-eval" not in text
    scripts: Any = unpacked(text)["scripts"]
    assert ["const descent = null;" in each for each in scripts] == [True]


def test_a_layer_has_no_passes() -> None:
    text = cr.explore(cr.gallery.GALLERY["layer_norm"].function).html()
    scripts: Any = unpacked(text)["scripts"]
    assert ["const passes = null;" in each for each in scripts] == [True]
