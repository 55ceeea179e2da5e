"""`explore`: a page in which the backward pass of a function is alive."""

from __future__ import annotations

import os
import sys
import tempfile
import webbrowser
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.derivation import Json, Verification
from chainrule.deriving import Derivation
from chainrule.explorer.keeping import kept
from chainrule.explorer.page import page
from chainrule.explorer.payload import Contents, Payload, Structure
from chainrule.explorer.pictures import has_columns
from chainrule.explorer.structures import CHOICES, TITLE, networks, of_function, title_of
from chainrule.explorer.widget import widget_of
from chainrule.files import replacing
from chainrule.ir import Program, cached_property
from chainrule.words import LANGUAGES, ChainruleError, Language, at_callers_line, used_language

_FRAME_HEIGHT = 760


class ExploreError(ChainruleError, ValueError):
    """A page was requested of something that it cannot show."""


class Explorer:
    """A page in which the backward pass of a function is alive; created by `explore`.

    In a notebook it shows itself. It is one file without any request, which works from a disk and in an `iframe`.

    Attributes
    ----------
    derivation : Derivation
        The derivation whose lines the page computes, or the first of them.
    verification : Verification
        The outcome of checking every line, which the page states.

    Examples
    --------
    >>> import chainrule as cr
    >>> explorer = cr.explore("sum((X @ w - y)^2)", {"w": [1, -2]}, {"X": [[1, 2], [3, 4], [5, 6]], "y": [0, 1, 0]})
    >>> explorer
    <Explorer of L with respect to w>
    >>> explorer.verification.ok
    True
    >>> explorer.html().startswith("<!DOCTYPE html>")
    True

    """

    def __init__(
        self,
        first: Structure,
        title: Mapping[Language, str],
        others: Callable[[], Iterable[Structure]] = tuple,
        choices: Json = None,
        is_kept: bool = False,
    ) -> None:
        self._first, self._others = first, others
        self._title = dict(title)
        self._choices = choices
        self._is_kept = is_kept
        self.derivation: Derivation = first.derivation

    @cached_property
    def verification(self) -> Verification:
        """The outcome of checking every line of the first derivation."""
        return self.derivation.verify()

    @cached_property
    def _contents(self) -> Contents:
        return kept(self._written) if self._is_kept else self._written()

    def _written(self) -> Contents:
        payload = Payload()
        for part in (self._first, *self._others()):
            payload.add(part)
        return payload.contents()

    def html(self, lang: Language | None = None, *, asks: bool = False, tells: bool = False) -> str:
        """Return the page, which opens in `lang`; it can be switched there.

        With `asks` it is a page of a server, as of `chainrule explore --serve`, on which other functions can be typed.
        One that `tells` sends its values to the frame around it when they change, as `widget` needs.
        """
        language = used_language(lang)
        data: dict[str, Json] = {
            "language": language,
            "title": {each: self._title[each] for each in LANGUAGES},
            "verified": {each: self.verification.text(each) for each in LANGUAGES},
            "columns": has_columns(self.derivation.record),
            "choices": self._choices,
            "asks": asks,
            "tells": tells,
            **self._contents.data,
        }
        return page(data, self._contents.modules, self._title[language], language, asks)

    def title(self, lang: Language | None = None) -> str:
        """Return the title of the page."""
        return self._title[used_language(lang)]

    def save(self, path: str | os.PathLike[str], lang: Language | None = None) -> None:
        """Write the page to a file, replacing it; raise FileError if that is impossible."""
        with replacing(os.fspath(path)) as stream:
            stream.write(self.html(lang).encode(errors="backslashreplace"))

    def save_temporarily(self, lang: Language | None = None) -> str:
        """Write the page to a new temporary file, and return its path."""
        path = os.path.join(tempfile.mkdtemp(prefix="chainrule-"), f"{self.derivation.name}.html")
        self.save(path, lang)
        return path

    def show(self, lang: Language | None = None) -> str:
        """Write the page to a temporary file, open it in the browser if there is one, and return its path."""
        path = self.save_temporarily(lang)
        open_in_browser(path)
        return path

    def widget(self, lang: Language | None = None) -> Any:
        """Return the page as a widget for notebooks, whose `values` are the inputs as they are on the page.

        They follow edits, own data and training there: a dictionary of float64 arrays by name. The attribute can be
        observed, as of every widget. Raises MissingDependencyError without anywidget, the extra `chainrule[widget]`.
        """
        record, point = self.derivation.record, self._first.point
        values = {node.name: np.array(point(node), dtype=np.float64) for node in record.program.inputs}
        return widget_of(self.html(lang, tells=True), self._title[used_language(lang)], _FRAME_HEIGHT, values)

    def _repr_html_(self) -> str:
        return (
            f'<iframe class="chainrule" title="{escape(self._title[used_language()])}" srcdoc="{escape(self.html())}" '
            f'style="width: 100%; height: {_FRAME_HEIGHT}px; border: 0" loading="lazy"></iframe>'
        )

    def __repr__(self) -> str:
        return repr(self.derivation).replace("<Derivation", "<Explorer", 1)


def open_in_browser(place: str) -> bool:
    """Open a file or an address in the browser; return whether there is one, unlike on a machine without a screen."""
    if sys.platform.startswith("linux") and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))):
        return False
    return webbrowser.open(place if place.startswith("http://") else Path(place).absolute().as_uri())


@at_callers_line
def explore(
    loss: Callable[..., Any] | Program | Derivation | str | None = None,
    params: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Explorer:
    """Return a page in which the backward pass of `loss` is alive: every line is computed with numbers, in the browser.

    On the page each line of the derivation shows its matrices. Pointing at an entry shows what it is made of and where
    it goes; weights and data can be changed, and the network can be trained.

    Parameters
    ----------
    loss
        NumPy code, as for `derive`; a formula, which is parsed and never evaluated; a derivation; or None for a network
        of two layers on XOR, whose activation, loss and size can be chosen on the page. A function that returns arrays
        is a layer, whose gradients start from given ones.
    params, data
        The values of the arguments by name, as for `fit`: those to differentiate by, and the others. Without them the
        page opens at random values; then shapes are annotations of the function.

    Raises
    ------
    ValuesError
        For values that are missing, of another shape, or not finite.
    EmitError
        For operations that cannot be computed in the browser.

    Examples
    --------
    >>> import chainrule as cr
    >>> page = cr.explore(cr.gallery.GALLERY["softmax_regression"].function).html()
    >>> "Content-Security-Policy" in page
    True

    """
    if loss is None:
        if params is not None or data is not None:
            raise ExploreError("values were given without a function; give the function first, as in explore(loss, …)")
        return _explore_networks()
    given = None if params is None and data is None else {**(data or {}), **(params or {})}
    part = of_function(loss, given, None if params is None else list(params))
    return Explorer(part, title_of(part.derivation))


@cache
def _explore_networks() -> Explorer:
    """Return the page of networks, the same each time, since its derivations and sources take seconds."""
    return Explorer(next(networks()), TITLE, lambda: islice(networks(), 1, None), CHOICES, is_kept=True)
