"""What the page of networks is made of, on disk: it depends on nothing but this package and those that it uses."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable

import llvmlite
import numpy as np

from chainrule.caches import current_cache, key_of, key_of_sources
from chainrule.derivation import json_text
from chainrule.explorer.payload import Contents


def kept(written: Callable[[], Contents]) -> Contents:
    """Return the contents of the cache on disk, or those that are `written`, which are put there if possible."""
    cache = current_cache()
    if cache is None:
        return written()
    key = key_of("the page of networks", key_of_sources(), sys.version, np.__version__, llvmlite.__version__)
    found = cache.get(key)
    if found is not None:
        parts = json.loads(gzip.decompress(found))
        return Contents(parts["data"], parts["modules"])
    made = written()
    text = json_text({"data": dict(made.data), "modules": list(made.modules)})
    cache.put(key, gzip.compress(text.encode(), mtime=0))
    return made
