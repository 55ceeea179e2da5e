"""A low limit on nested calls, which a small expression can reach."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def few_nested_calls(count: int) -> Iterator[None]:
    """Within the block, allow only `count` calls nested in the caller's."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + count)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
