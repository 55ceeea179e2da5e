"""JavaScript run by node, where it is installed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.emit.errors import EmitError

_TIME_LIMIT = 120

_READ = """
const given = {}, results = {};
for (const [name, [kind, text]] of Object.entries(%s))
    given[name] = new globalThis[kind](Uint8Array.from(Buffer.from(text, "base64")).buffer);
"""
_WRITE = """
const written = {};
for (const [name, value] of Object.entries(results)) {
    const data = Float64Array.from(typeof value === "object" ? value : [value]);
    written[name] = Buffer.from(data.buffer).toString("base64");
}
process.stdout.write(JSON.stringify(written));
"""
_KINDS = {"f": ("Float64Array", np.float64), "i": ("Int32Array", np.int32), "b": ("Uint8Array", np.uint8)}


def find_node() -> str | None:
    """Return the path of node, or None."""
    return shutil.which("node")


def run_in_node(node: str, module: str, statements: str, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Run `statements` behind the text of a module, and return what they leave in `results`, as flat float64 arrays.

    The statements find the arrays `given`, flat, in the object `given`. Raises EmitError if they fail.
    """
    arrays = {}
    for name, array in given.items():
        kind, dtype = _KINDS[array.dtype.kind]
        arrays[name] = kind, base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()
    text = "\n".join([module, "{", _READ % json.dumps(arrays), statements, _WRITE, "}"])
    try:
        done = subprocess.run(  # noqa: S603
            [node, "--input-type=module", "-"],
            input=text.encode(),
            capture_output=True,
            timeout=_TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EmitError(f"node has not finished after {_TIME_LIMIT} s") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if "Error" in line]
        raise EmitError(lines[-1].strip() if lines else f"node ends with status {done.returncode}")
    written: dict[str, str] = json.loads(done.stdout)
    return {name: np.frombuffer(base64.b64decode(text), np.float64) for name, text in written.items()}
