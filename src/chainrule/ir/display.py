"""How an object shows itself in a notebook: by Jupyter's protocol, which marimo speaks as well."""

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
    """What `_repr_mimebundle_` returns: `subject` in each media type that is asked for, and no work for the others."""
    return {
        media_type: render(subject)
        for media_type, render in renderers.items()
        if (include is None or media_type in include) and (exclude is None or media_type not in exclude)
    }
