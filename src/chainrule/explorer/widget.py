"""The page as a widget of notebooks, which sends what a reader changes back to Python."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.words import MissingDependencyError

_SHOWING = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = model.get("title");
  frame.srcdoc = model.get("page");
  frame.style = `width: 100%; height: ${model.get("height")}px; border: 0`;
  const heard = (event) => {
    if (event.source !== frame.contentWindow || !event.data?.chainrule) return;
    model.set("told", event.data.chainrule);
    model.save_changes();
  };
  addEventListener("message", heard);
  el.append(frame);
  return () => removeEventListener("message", heard);
}
export default { render };
"""
"""Shows the page in a frame, and takes what its values are from messages of that frame alone."""


@cache
def _widget_class() -> Any:
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingDependencyError(
            "a widget needs anywidget; install it with pip install 'chainrule[widget]'"
        ) from None

    class ExplorerWidget(anywidget.AnyWidget):
        """A page of the explorer; `values` holds its inputs, arrays by name, as they are on the page."""

        _esm = _SHOWING
        page = traitlets.Unicode().tag(sync=True)
        title = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int().tag(sync=True)
        told = traitlets.Dict().tag(sync=True)
        values = traitlets.Dict()

        @traitlets.observe("told")
        def _follow(self, change: Any) -> None:
            self.values = arrays(change["new"])

    return ExplorerWidget


def arrays(told: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of a message of the page: for each name its `shape` and its `data`, in row-major order.

    >>> arrays({"W": {"shape": [1, 2], "data": [3, 4]}})
    {'W': array([[3., 4.]])}
    """
    return {
        name: np.array(each["data"], dtype=np.float64).reshape([int(size) for size in each["shape"]])
        for name, each in told.items()
    }


def widget_of(page: str, title: str, height: int, values: Mapping[str, NDArray[np.float64]]) -> Any:
    """Return a widget that shows a page, which opens at `values`; raise MissingDependencyError without anywidget."""
    return _widget_class()(page=page, title=title, height=height, values=dict(values))
