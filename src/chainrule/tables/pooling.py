"""A table of which each of several processes has a part: what all of them know of the whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Processes
from chainrule.schema import Schema
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError
from chainrule.tables.notation import Notation, Unit
from chainrule.tables.sampling import Mask, RowSample
from chainrule.tables.sources import Source

if TYPE_CHECKING:
    import polars as pl

_NOTATIONS = Schema(parts=(Unit,), error=TableError)
_NUMBER, _HELD, _DRAWN = "\0number", "\0held", "\0drawn"


def common_names(source: Source, processes: Processes) -> tuple[str, ...]:
    """Return the columns of the table, in the order of the first process; raise TableError if others have others."""
    if processes.count == 1:
        return source.names
    each = [json.loads(names) for names in processes.gathered("the columns", json.dumps(source.names).encode())]
    for number, names in enumerate(each):
        for name in sorted({*each[0]}.symmetric_difference(names)):
            lacks, has = (number, 0) if name in each[0] else (0, number)
            raise TableError(
                f"the part of process {lacks} lacks the column {name!r}, which that of process {has} has; give parts "
                "with the same columns"
            )
    return tuple(each[0])


def common_notation(notation: Notation, processes: Processes) -> Notation:
    """Return the notation of the first process whose numbers are in another than the plain one."""
    if processes.count == 1:
        return notation
    found = processes.gathered("the notation of the target", json.dumps(asdict(notation)).encode())
    each: list[Notation] = [
        _NOTATIONS.instance(Notation, json.loads(one), "the notation of the target") for one in found
    ]
    return next((one for one in each if not one.plain), each[0])


def pooled_sample(sample: RowSample, names: tuple[str, ...], processes: Processes) -> RowSample:
    """Return a sample of the rows of all processes, which are numbered in the order of the processes."""
    if processes.count == 1:
        return sample
    sample.thin(int(max(processes.each("the sample of rows", sample.halvings))))
    while processes.total("the rows of the sample", sample.kept) > sample.limit:
        sample.thin(sample.halvings + 1)
    seen = [int(rows) for rows in processes.each("the number of rows", sample.seen)]
    found = RowSample(sample.limit, sample.seed)
    for part, rows in zip(processes.gathered("a sample of rows", _packed(sample, names)), seen, strict=True):
        if part:
            frame, numbers, held, draws = _unpacked(part)
            found.append(frame, numbers + found.seen, held, draws)
        found.seen += rows
    return found


def common_digest(source: Source, processes: Processes) -> str:
    """Return the fingerprint of the files of all processes, in their order, whichever process has which of them."""
    each = processes.gathered("the fingerprint", json.dumps(source.digests).encode())
    digests = [digest for one in each for digest in json.loads(one)]
    return sha256("".join(digests).encode()).hexdigest() if len(digests) > 1 else digests[0]


def first_file(source: Source, processes: Processes) -> int:
    """Return the number of the first file of this process among those of all."""
    return int(sum(processes.each("the number of files", len(source.files))[: processes.number]))


def _packed(sample: RowSample, names: tuple[str, ...]) -> bytes:
    pl = load_polars()
    if not sample.kept:
        return b""
    frame = sample.frame()
    columns = [frame.get_column(name) for name in names if name in frame.columns]
    columns += [pl.Series(_NUMBER, sample.rows()), pl.Series(_HELD, sample.held()), pl.Series(_DRAWN, sample.draws())]
    stream = BytesIO()
    pl.DataFrame(columns).write_ipc(stream)
    return stream.getvalue()


def _unpacked(data: bytes) -> tuple[pl.DataFrame, NDArray[np.int64], Mask, NDArray[np.uint64]]:
    frame = load_polars().read_ipc(BytesIO(data))
    numbers, held, draws = (frame.get_column(name).to_numpy() for name in (_NUMBER, _HELD, _DRAWN))
    return frame.drop(_NUMBER, _HELD, _DRAWN), numbers, held, draws
