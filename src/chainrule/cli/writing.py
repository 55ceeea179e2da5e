"""Streaming output of predictions: CSV, TSV, JSON lines and Parquet, to a file (atomically) or a stream."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.cli.output import print_json
from chainrule.files import replacing, scratch
from chainrule.models import Model, Prediction

Columns: TypeAlias = Mapping[str, Sequence[Any] | NDArray[Any]]
"""The cells of some rows, by column."""

FORMATS: Final = ("csv", "tsv", "jsonl", "parquet")
_SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def format_of(path: str | None) -> str:
    """Return the format for the suffix of a file; CSV if there is no file or suffix.

    >>> format_of("out.Parquet"), format_of(None)
    ('parquet', 'csv')
    """
    suffix = "" if path is None else os.path.splitext(path)[1].lower()
    if suffix in _SUFFIXES or not suffix or (path is not None and path.startswith("/dev/")):
        return _SUFFIXES.get(suffix, "csv")
    raise CommandError(
        f"--output {path} ends in {suffix!r}, which names no format; it can be {', '.join(_SUFFIXES)}, or add --format"
    )


def columns_of(model: Model, prediction: Prediction, probabilities: bool) -> Columns:
    """Return the output columns of a prediction: classes with one or all probabilities, or numbers."""
    assert model.target is not None
    name = model.target.name
    found = prediction.predictions
    if prediction.probabilities is not None:
        shares = np.round(np.asarray(prediction.probabilities, float), 7)
        if not probabilities:
            return {name: list(found), probability_name(name): shares.max(axis=1).tolist()}
        each = {f"{name}={label}": shares[:, k].tolist() for k, label in enumerate(model.classes)}
        return {name: list(found), **each}
    values = np.asarray(found, float)
    if values.ndim == 1:
        return {name: values.tolist()}
    levels = model.architecture.get("loss", {}).get("levels", ())
    parts = [f"q{level:g}" for level in levels] if len(levels) == values.shape[1] else range(1, values.shape[1] + 1)
    return {f"{name} {part}": values[:, k].tolist() for k, part in enumerate(parts)}


def probability_name(target: str) -> str:
    """Return the name of the probability column, distinct from the target's.

    >>> probability_name("species"), probability_name("probability")
    ('probability', 'probability of probability')
    """
    return "probability" if target != "probability" else f"probability of {target}"


def write_all(parts: Iterable[Columns], output: str | None, kind: str, record: Mapping[str, Any]) -> None:
    """Write all parts, to a file or to standard output; `record` is the rest of a JSON object."""
    if kind == "json":
        print_json({**record, **_gathered(parts)})
    elif output is None:
        _WRITERS[kind](parts, _Standard())
    else:
        with replacing(output) as stream:
            _WRITERS[kind](parts, stream)


class _Standard(io.RawIOBase):
    """Standard output as a byte stream, independent of its encoding."""

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        sys.stdout.write(bytes(content).decode())
        return len(content)


def _gathered(parts: Iterable[Columns]) -> dict[str, Any]:
    gathered: dict[str, list[Any]] = {}
    for part in parts:
        for name, cells in part.items():
            gathered.setdefault(name, []).extend(cells)
    return {"predictions": gathered}


def _write_delimited(parts: Iterable[Columns], stream: BinaryIO | io.RawIOBase, delimiter: str) -> None:
    for place, part in enumerate(parts):
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        if place == 0:
            writer.writerow(part)
        writer.writerows(zip(*part.values(), strict=True))
        stream.write(text.getvalue().encode())


def _write_csv(parts: Iterable[Columns], stream: BinaryIO | io.RawIOBase) -> None:
    _write_delimited(parts, stream, ",")


def _write_tsv(parts: Iterable[Columns], stream: BinaryIO | io.RawIOBase) -> None:
    _write_delimited(parts, stream, "\t")


def _write_lines(parts: Iterable[Columns], stream: BinaryIO | io.RawIOBase) -> None:
    for part in parts:
        rows = zip(*part.values(), strict=True)
        lines = [json.dumps(dict(zip(part, row, strict=True)), ensure_ascii=False) for row in rows]
        stream.write("".join(f"{line}\n" for line in lines).encode())


def _write_parquet(parts: Iterable[Columns], stream: BinaryIO | io.RawIOBase) -> None:
    """Write row groups as they arrive, through polars' writer, which writes only whole files."""
    import polars as pl
    from polars.io.plugins import register_io_source

    remaining = iter(parts)
    first = pl.DataFrame(next(remaining))
    failures: list[BaseException] = []

    def frames(*_: Any) -> Iterator[pl.DataFrame]:
        try:
            yield first
            for part in remaining:
                yield pl.DataFrame(part, schema=first.schema)
        except BaseException as error:  # polars would replace it by another error
            failures.append(error)
            raise

    held = scratch()
    try:
        register_io_source(frames, schema=first.schema).sink_parquet(held.path)
    except BaseException:
        if failures:
            raise failures[0] from None
        raise
    with open(held.path, "rb") as written:
        shutil.copyfileobj(written, stream)


_WRITERS: dict[str, Callable[[Iterable[Columns], BinaryIO | io.RawIOBase], None]] = {
    "csv": _write_csv,
    "tsv": _write_tsv,
    "jsonl": _write_lines,
    "parquet": _write_parquet,
}
