"""Protection of existing files: models are never overwritten, nor arrays that were not exported."""

from __future__ import annotations

import os
import zipfile

from chainrule.exports.errors import ExportError
from chainrule.files import file_errors

_LENGTH = 8  # of the number at the start of a model file, before its description in JSON


def weights_mark(name: str) -> bytes:
    """Return the archive comment of weights called `name`, by which an export recognizes its own files."""
    return f"weights of {name}, written by chainrule".encode()[:60_000]


def check_replaceable(path: str) -> None:
    """Raise ExportError if `path` holds a model, or arrays that were not written by an export to `path`."""
    if not os.path.isfile(path):
        return
    with file_errors(path), open(path, "rb") as stream:
        beginning = stream.read(_LENGTH + 2)
    size = int.from_bytes(beginning[:_LENGTH], "little")
    if beginning[_LENGTH:] == b'{"' and size < os.path.getsize(path):
        raise ExportError(f"{path} would be written, but holds a model; give the export another name")
    if path.endswith(".npz") and os.path.getsize(path) and not _is_own(path):
        raise ExportError(
            f"the weights would be written to {path}, which holds something else; give the export another name"
        )


def _is_own(path: str) -> bool:
    try:
        with file_errors(path), zipfile.ZipFile(path) as archive:
            return archive.comment == weights_mark(os.path.basename(path))
    except zipfile.BadZipFile:
        return False
