"""Paths on the command line."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from chainrule.cli.errors import CommandError
from chainrule.tables import UNLIMITED, VARIABLE, Limits

Command = TypeVar("Command", bound=Callable[..., Any])

STANDARD_INPUT = "/dev/stdin"


def table_path(context: click.Context, parameter: click.Parameter, path: str | None) -> str | None:
    """Return the path of a table; `-` stands for standard input."""
    return STANDARD_INPUT if path == "-" else path


def reading_options(command: Command) -> Command:
    """The options that say how a table is read."""
    for option in (
        click.option("--query", metavar="SQL", help="The rows of a database, as in 'SELECT * FROM flowers'."),
        click.option("--sheet", metavar="NAME", help="Sheet of a spreadsheet; by default the first one with rows."),
        click.option("--encoding", metavar="NAME", help="Encoding of text, as in gb18030; detected by default."),
        click.option("--delimiter", metavar="CHARACTER", help="Separator of cells; detected by default."),
    ):
        command = option(command)
    return command


def unlimited_option(command: Command) -> Command:
    """The option `--unlimited`, which removes the limits on tables."""
    bounds = Limits()
    said = (
        f"Lift the bounds on tables: {_mebibytes(bounds.cell)} a cell, {_mebibytes(bounds.record)} a row, "
        f"{bounds.columns:,} columns, {_mebibytes(bounds.copied)} (or half of the free disk) of standard input, gzip "
        f"to {bounds.ratio} times its size. Also {VARIABLE}=1."
    )
    return click.option("--unlimited", is_flag=True, help=said)(command)


def limits_of(unlimited: bool) -> Limits | None:
    """Return the limits for the option; None for the defaults."""
    return UNLIMITED if unlimited else None


def _mebibytes(size: int | None) -> str:
    return f"{(size or 0) >> 20:,} MiB"


def check_page(path: str | None) -> None:
    """Raise CommandError if `--report` names a file that is not a web page."""
    stem, suffix = os.path.splitext(path or "")
    if suffix.lower() not in ("", ".html", ".htm") and not stem.startswith("/dev/"):
        raise CommandError(f"--report is {path}, and a report is a web page; name it {stem}.html")
