"""What an entry of the gallery is: a short function in NumPy, with shapes as annotations, and what it is called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

Array: TypeAlias = Any
"""What an entry computes with: an array of NumPy, or a value that records what is done with it."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """A network, layer or loss that people ask about.

    Attributes
    ----------
    name
        What it is called on the command line, `gallery:NAME`; the name of the function.
    title, title_zh
        What textbooks call it, in English and Chinese.
    function
        NumPy code, its shapes in the annotations. It returns one number (a loss), or arrays (a layer).
    wrt
        The arguments to differentiate by; None leaves the choice to `derive`.

    """

    name: str
    title: str
    title_zh: str
    function: Callable[..., Any]
    wrt: tuple[str, ...] | None = None


GALLERY: dict[str, Entry] = {}
"""Every entry by its name, in the order in which a reader meets them."""


def entry(title: str, title_zh: str, wrt: tuple[str, ...] | None = None) -> Callable[[F], F]:
    """Enter a function in the gallery under its own name."""

    def enter(function: F) -> F:
        name = function.__name__
        if name in GALLERY:
            raise ValueError(f"the gallery has {name} already")
        GALLERY[name] = Entry(name, title, title_zh, function, wrt)
        return function

    return enter
