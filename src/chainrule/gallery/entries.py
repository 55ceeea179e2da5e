"""The definition of a gallery entry: a short NumPy function, with shapes as annotations, and its titles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

Array: TypeAlias = Any
"""A NumPy array, or a traced value."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A network, layer or loss in the gallery.

    Attributes
    ----------
    name
        The name of the function, and of the entry on the command line, `gallery:NAME`.
    title, title_zh
        Its usual name, in English and Chinese.
    function
        NumPy code with shapes in the annotations. It returns one number (a loss), or arrays (a layer).
    wrt
        The arguments to differentiate; None lets `derive` choose.

    """

    name: str
    title: str
    title_zh: str
    function: Callable[..., Any]
    wrt: tuple[str, ...] | None = None


GALLERY: dict[str, Entry] = {}
"""All entries by name, in the order of presentation."""


def entry(title: str, title_zh: str, wrt: tuple[str, ...] | None = None) -> Callable[[F], F]:
    """Add a function to the gallery under its name."""

    def enter(function: F) -> F:
        name = function.__name__
        if name in GALLERY:
            raise ValueError(f"the gallery has {name} already")
        GALLERY[name] = Entry(name, title, title_zh, function, wrt)
        return function

    return enter
