"""Display of objects in notebooks, by Jupyter's protocol, which marimo also supports."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import TypeVar

T = TypeVar("T")


def media_bundle(
    subject: T,
    renderers: Mapping[str, Callable[[T], str]],
    include: Container[str] | None = None,
    exclude: Container[str] | None = None,
) -> dict[str, str]:
    """Implement `_repr_mimebundle_`: render `subject` in each requested media type only."""
    return {
        media_type: render(subject)
        for media_type, render in renderers.items()
        if (include is None or media_type in include) and (exclude is None or media_type not in exclude)
    }
