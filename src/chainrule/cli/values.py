"""The values of `--at`: numbers and lists, or a file of them."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.cli.errors import CommandError

_FILES = (".npz", ".json")
_EXAMPLE = '"x=2, W=[[1,2],[3,4]]"'


def parse_values(texts: Sequence[str]) -> dict[str, Any]:
    """Parse `"x=2, W=[[1,2],[3,4]]"`, or read a file .npz or .json; raise CommandError for anything else.

    >>> parse_values(["x=2, y=[1, -3]"])
    {'x': 2, 'y': [1, -3]}
    """
    values: dict[str, Any] = {}
    for text in texts:
        found = _from_file(text) if text.endswith(_FILES) else _from_text(text)
        for name, value in found:
            if name in values:
                raise CommandError(f"--at gives {name} twice; give it once")
            values[name] = value
    return values


def _from_text(text: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for part in re.split(r"[,;]\s*(?=\w+\s*=)", text):
        name, equal, value = map(str.strip, part.strip(" ,;").partition("="))
        if not equal or not name.isidentifier():
            raise CommandError(f"--at {part.strip()!r} is not a name and its value, as in {_EXAMPLE}")
        try:
            found.append((name, ast.literal_eval(value.replace("−", "-"))))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise CommandError(f"--at of {name}: {value!r} is not a number or a list, as in {_EXAMPLE}") from None
    return found


def _from_file(path: str) -> list[tuple[str, Any]]:
    """Read the arrays of an .npz file, or the object of a .json file."""
    try:
        if path.endswith(".npz"):
            with np.load(path, allow_pickle=False) as arrays:
                return [(name, arrays[name]) for name in arrays.files]
        with open(path, encoding="utf-8") as stream:
            values = json.load(stream)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, zipfile.BadZipFile, RecursionError) as error:
        raise CommandError(f"{path} does not hold values: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise CommandError(f'{path} does not hold values by name, as in {{"x": 2}}')
    return list(values.items())
