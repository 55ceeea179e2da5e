"""The page as a widget: what is changed on it arrives in Python."""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.browsing import launched, visiting

import chainrule as cr


def test_values_follow_what_the_page_tells() -> None:
    widget = cr.explore("sum((x - m)^2)", {"m": [1.0, 2.0]}, {"x": [0.0, 4.0]}).widget()
    np.testing.assert_array_equal(widget.values["m"], [1.0, 2.0])
    seen: list[Any] = []
    widget.observe(lambda change: seen.append(change["new"]), "values")
    widget.told = {"m": {"shape": [2], "data": [5, 2]}, "k": {"shape": [], "data": [3]}}
    assert sorted(widget.values) == ["k", "m"]
    np.testing.assert_array_equal(widget.values["m"], [5.0, 2.0])
    assert widget.values["k"].shape == ()
    assert widget.values["m"].dtype == np.float64
    assert len(seen) == 1


def test_without_anywidget_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.explorer.widget import _widget_class

    _widget_class.cache_clear()
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(cr.MissingDependencyError, match=r"chainrule\[widget\]"):
        cr.explore("sum(x^2)", {"x": [1.0]}).widget()


def test_an_edit_on_the_page_reaches_the_frame_around_it(tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    widget = cr.explore("sum((x - m)^2)", {"m": [1.0, 2.0]}, {"x": [0.0, 4.0]}).widget()
    # The module of the widget itself, with a model that stands for the one of a notebook.
    path.write_text(
        f"""<!DOCTYPE html><title>n</title><body><script type="text/plain" id="page">{escape(widget.page)}</script>
        <script type="module">
        {widget._esm.replace("export default { render };", "")}
        globalThis.told = [];
        globalThis.explorer = null;
        const page = new DOMParser().parseFromString(document.getElementById("page").textContent, "text/html")
          .documentElement.textContent;
        const values = {{ page, title: "t", height: 500 }};
        const model = {{ get: (key) => values[key], set: (key, value) => told.push(value), save_changes() {{}} }};
        render({{ model, el: document.body }});
        </script>""",
        encoding="utf-8",
    )
    with launched() as browser, visiting(browser, path) as visit:
        page = visit.page
        page.wait_for_function("told.length === 1")
        assert page.evaluate("told[0].m.data") == [1, 2]
        page.evaluate("postMessage({ chainrule: { m: { shape: [], data: [9] } } }, '*')")  # from another window
        frame = next(each for each in page.frames if each is not page.main_frame)
        frame.evaluate("explorer.change('m', [0], 7.5)")
        page.wait_for_function("told.length === 2")
        assert page.evaluate("told[1].m.data") == [7.5, 2]
