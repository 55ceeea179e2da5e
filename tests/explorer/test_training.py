"""Training on the page: by the passes as loops, and for larger networks by WebAssembly, as by the lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browsing import launched, visiting

import chainrule as cr
from chainrule.explorer.page import unpacked

ROWS, INPUTS, HIDDEN = 50, 40, 60
TRAINED = """(engine) => {
  const { state } = explorer;
  state.rate = 0.01;
  state.restart();
  const module = globalThis.chainruleLines[0];
  const all = module.engines;
  module.engines = all.filter((each) => each.name === engine);
  state.train(3);
  state.train(4);
  module.engines = all;
  return [state.run.engine, state.run.steps, state.point.loss, [...state.point.value("W1").data].slice(0, 50)];
}"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(0)
    params = {"W1": random.normal(size=(INPUTS, HIDDEN)) / 5, "b1": np.zeros(HIDDEN)}
    params |= {"W2": random.normal(size=(HIDDEN, 1)) / 5, "b2": np.full(1, 0.1)}
    data = {"X": random.normal(size=(ROWS, INPUTS)), "y": random.integers(0, 2, (ROWS, 1)).astype(float)}
    path = tmp_path_factory.mktemp("page") / "large.html"
    cr.explore("sum((sigmoid(sigmoid(X @ W1 + b1) @ W2 + b2) - y)^2)", params, data).save(path)
    return path


def test_each_engine_of_a_page_makes_the_same_steps(large: Path) -> None:
    with launched() as browser, visiting(browser, large) as visit:
        found = {engine: visit.page.evaluate(TRAINED, engine) for engine in ("wasm", "passes", "lines")}
        assert {engine: (name, steps) for engine, (name, steps, *_) in found.items()} == {
            engine: (engine, 7) for engine in found
        }
        for _, _, loss, weights in found.values():
            np.testing.assert_allclose([loss, *weights], [found["lines"][2], *found["lines"][3]], 1e-10)
        assert (
            visit.page.evaluate("explorer.state.optimizer = 'adam', explorer.state.restart(), explorer.state.train(2)")
            is None
        )
        assert visit.page.evaluate("explorer.state.run.engine") == "passes"
        assert visit.is_quiet()


def test_a_page_of_a_small_network_has_no_webassembly() -> None:
    text = cr.explore("sum((X @ w - y)^2)", {"w": [1.0, 2.0]}, {"X": [[1.0, 2.0]], "y": [1.0]}).html()
    assert "wasm-unsafe-eval" not in text
    scripts: Any = unpacked(text)["scripts"]
    assert ["const descent = null;" in each for each in scripts] == [True]


def test_a_layer_has_no_passes() -> None:
    text = cr.explore(cr.gallery.GALLERY["layer_norm"].function).html()
    scripts: Any = unpacked(text)["scripts"]
    assert ["const passes = null;" in each for each in scripts] == [True]
