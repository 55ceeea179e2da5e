"""Limits on the contents of a file, so that endless or malicious input is rejected early."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass

from chainrule.tables.errors import TableError

VARIABLE = "CHAINRULE_UNLIMITED"
"""The environment variable that lifts all limits."""

LIFTED = f"(--unlimited or {VARIABLE}=1 lifts this bound)"
"""Appended to each message about a limit."""


@dataclass(frozen=True)
class Limits:
    """Limits on a table; None for no limit."""

    cell: int | None = 1 << 20
    """Bytes of a cell."""
    record: int | None = 64 << 20
    """Bytes of a row."""
    columns: int | None = 100_000
    copied: int | None = 8 << 30
    """Bytes of a pipe or device copied to a temporary file; at most half of the free space."""
    ratio: int | None = 500
    """The expansion of a gzip file in bytes, or of Parquet in cells and bytes of text, per byte, from 16 MiB on."""

    def check_columns(self, path: str, count: int) -> None:
        """Raise TableError for too many columns."""
        if self.columns is not None and count > self.columns:
            raise TableError(f"{path} has {count:,} columns, and {self.columns:,} are the most {LIFTED}")

    def check_ratio(self, path: str, packed: int, unpacked: int) -> None:
        """Raise TableError for a file that expands more than tables do."""
        if self.ratio is not None and unpacked > 16 << 20 and unpacked > self.ratio * max(1, packed):
            raise TableError(
                f"{path} unpacks to more than {self.ratio:,} times its size, which is unusual for a table {LIFTED}"
            )

    def too_long(self, where: str) -> TableError:
        """Return the error for a cell that is too long; `where` names its place."""
        return TableError(
            f"{where} is longer than {self.cell or 0:,} bytes; is the end of a line or of a quote missing? {LIFTED}"
        )

    def too_long_record(self, where: str) -> TableError:
        """Return the error for a row that is too long."""
        return TableError(f"{where} is longer than {self.record or 0:,} bytes; is it a table of text? {LIFTED}")

    def most_copied(self) -> int | None:
        """Return how many bytes may be copied now."""
        if self.copied is None:
            return None
        return min(self.copied, shutil.disk_usage(tempfile.gettempdir()).free // 2)


UNLIMITED = Limits(None, None, None, None, None)


def usual_limits() -> Limits:
    """Return the default limits: none if the environment variable lifts them."""
    return UNLIMITED if os.environ.get(VARIABLE, "") not in ("", "0") else Limits()
