"""Python's limit of nested calls, set so low that an expression need not be large to reach it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def few_nested_calls(count: int) -> Iterator[None]:
    """Within the block so many calls may be nested in the caller's."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + count)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
