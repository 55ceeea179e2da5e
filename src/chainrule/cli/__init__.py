"""The commands; `main` is what the shell runs."""

from chainrule.cli.app import app, main

__all__ = ["app", "main"]
