"""Paths on the command line."""

from __future__ import annotations

import os

import click

from chainrule.cli.errors import CommandError

STANDARD_INPUT = "/dev/stdin"


def table_path(context: click.Context, parameter: click.Parameter, path: str | None) -> str | None:
    """The path of a table; `-` stands for standard input."""
    return STANDARD_INPUT if path == "-" else path


def check_page(path: str | None) -> None:
    """Raise CommandError where `--report` names a file that is not to be a web page."""
    stem, suffix = os.path.splitext(path or "")
    if suffix.lower() not in ("", ".html", ".htm") and not stem.startswith("/dev/"):
        raise CommandError(f"--report is {path}, and a report is a web page; name it {stem}.html")
