"""The command line; `main` is the entry point.

Imports of the commands happen inside `main`, so that Ctrl-C during loading prints one word instead of a traceback.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from chainrule.interrupts import INTERRUPTED, loaded

__all__ = ["app", "main"]  # `app` is loaded on first use


def main() -> None:
    """Run the command line."""
    try:
        commands = importlib.import_module("chainrule.cli.commands")
        loaded()
        commands.main()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


def __getattr__(name: str) -> Any:
    if name == "app":
        return importlib.import_module("chainrule.cli.commands").app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
