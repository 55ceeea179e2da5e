"""Data are used in place: any order, read-only, memory-mapped, of any size, with little additional memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.subprocesses import script

import chainrule as cr
from chainrule.ir import ArrayType, DType, named_dim
from chainrule.training import arguments

Array = NDArray[Any]
ROWS, COLUMNS = 50_000, 80
MEGABYTE = 2**20


def loss(X: Any, y: Any, W: Any, b: Any) -> Any:
    return cr.cross_entropy(X @ W + b, y)


def start(dtype: Any = np.float64) -> dict[str, Array]:
    return {"W": np.zeros((COLUMNS, 3), dtype), "b": np.zeros(3, dtype)}


def table(dtype: Any = np.float64) -> dict[str, Array]:
    """A classifier's rows; 32 MB of float64, or 16 of float32."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, COLUMNS)).astype(dtype)
    return {"X": X, "y": np.abs(X[:, :3]).argmax(axis=1)}


def as_it_is(array: Array, _: Path) -> Array:
    return array


def columns_first(array: Array, _: Path) -> Array:
    return np.asfortranarray(array)


def read_only(array: Array, _: Path) -> Array:
    array.flags.writeable = False
    return array


def mapped(array: Array, folder: Path) -> Array:
    np.save(folder / "X.npy", array)
    result: Array = np.load(folder / "X.npy", mmap_mode="r")
    return result


def mapped_columns_first(array: Array, folder: Path) -> Array:
    return mapped(np.asfortranarray(array), folder)


def every_second_column(array: Array, _: Path) -> Array:
    wide = np.full((array.shape[0], 2 * array.shape[1]), np.nan, array.dtype)
    wide[:, ::2] = array
    return wide[:, ::2]


def measured(train: Callable[[], cr.FitResult]) -> tuple[cr.FitResult, int]:
    """The result of a second run, for which nothing is compiled, and the bytes that it had allocated at most."""
    train()
    tracemalloc.start()
    try:
        return train(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "layout", [as_it_is, columns_first, read_only, mapped, mapped_columns_first, every_second_column]
)
def test_no_copy_is_made(layout: Callable[[Array, Path], Array], dtype: Any, tmp_path: Path) -> None:
    data, params = table(dtype), start(dtype)
    expected = cr.fit(loss, params, data, cr.SGD(0.5), epochs=2, batch_size=512, seed=3)
    laid = {**data, "X": layout(data["X"], tmp_path)}
    found, peak = measured(lambda: cr.fit(loss, params, laid, cr.SGD(0.5), epochs=2, batch_size=512, seed=3))
    assert peak < 2 * MEGABYTE
    np.testing.assert_allclose(found.history["loss"], expected.history["loss"], rtol=100 * np.finfo(dtype).eps)
    assert found.history["loss"][1] < found.history["loss"][0]


def test_no_copy_is_made_where_all_rows_are_one_batch() -> None:
    data = table()
    data["X"] = np.asfortranarray(data["X"])
    result, peak = measured(lambda: cr.fit(loss, start(), data, cr.SGD(0.5), epochs=2))
    assert peak < result.workspace_bytes + 2 * MEGABYTE < data["X"].nbytes / 2


def test_no_copy_is_made_to_name_what_diverged() -> None:
    data = table()
    data["X"][ROWS // 2, 0] = 1e308
    with pytest.warns(cr.DivergenceWarning):
        result, peak = measured(lambda: cr.fit(loss, start(), data, cr.SGD(1e9), epochs=2, batch_size=512, seed=3))
    assert result.status == "diverged"
    assert peak < 8 * MEGABYTE  # the order of the rows is drawn as a list of Python's


@pytest.mark.parametrize("place", [(0, 0), (ROWS // 2, 7), (ROWS - 1, COLUMNS - 1)])
@pytest.mark.parametrize("layout", [as_it_is, columns_first])
def test_the_first_value_that_is_not_finite_is_named(
    layout: Callable[[Array, Path], Array], place: tuple[int, int], tmp_path: Path
) -> None:
    data = table()
    data["X"] = layout(data["X"], tmp_path)
    data["X"][ROWS - 1, COLUMNS - 1] = data["X"][place] = np.nan
    with pytest.raises(cr.TrainingError, match=rf"X\[{place[0]}, {place[1]}\] is nan"):
        cr.fit(loss, start(), data)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint64])
def test_labels_of_any_integer_type(dtype: Any) -> None:
    data = {name: value[:200] for name, value in table().items()}
    expected = cr.fit(loss, start(), data, epochs=3, batch_size=64)
    found = cr.fit(loss, start(), {**data, "y": data["y"].astype(dtype)}, epochs=3, batch_size=64)
    np.testing.assert_array_equal(found.params["W"], expected.params["W"])


@pytest.mark.parametrize("program", [False, True])
def test_floats_converted_batch_by_batch_give_the_same_result(program: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {name: value[:1000] for name, value in table().items()}
    data["X"] = np.asfortranarray(data["X"])
    n = named_dim("n")
    types = {"X": ArrayType((n, COLUMNS)), "y": ArrayType((n,), DType.INT64), "W": ArrayType((COLUMNS, 3))}
    wanted: Any = cr.trace(loss, **types, b=(3,)) if program else loss
    expected = cr.fit(wanted, start(np.float32), data, epochs=3, batch_size=64)
    monkeypatch.setattr(arguments, "LARGE", 1000)
    found = cr.fit(wanted, start(np.float32), data, epochs=3, batch_size=64)
    assert found.params["W"].dtype == np.float32
    np.testing.assert_allclose(found.params["W"], expected.params["W"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.history["loss"], expected.history["loss"], rtol=1e-5)


LARGER_THAN_ALLOWED = """
    import sys, threading, time
    import numpy as np
    import chainrule as cr

    def anonymous():
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

    def loss(X, y, W, b):
        return cr.cross_entropy(X @ W + b, y)

    rows, columns = 100_000, 512
    path, dtype = sys.argv[1:]
    X = np.memmap(path, np.float64, "w+", shape=(rows, columns))  # no blocks are written: all zeros
    X[::1000] = np.random.default_rng(0).normal(size=(rows // 1000, columns))
    y = np.arange(rows, dtype=np.int32) % 3
    params = {"W": np.zeros((columns, 3), dtype), "b": np.zeros(3, dtype)}
    cr.fit(loss, params, {"X": X[:2000], "y": y[:2000]}, epochs=1, batch_size=500)
    X = np.memmap(path, np.float64, "r", shape=(rows, columns))
    before, most, over = anonymous(), [0.0], threading.Event()

    def watch():
        while not over.wait(0.002):
            most[0] = max(most[0], anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = cr.fit(loss, params, {"X": X, "y": y}, epochs=2, batch_size=500)
    over.set()
    watcher.join()
    print(result.status, most[0] - before)
    """


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says how much memory is not a file's")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_table_larger_than_the_memory_that_training_takes(dtype: str, tmp_path: Path) -> None:
    """400 MB in a file, also where they are converted on the way."""
    status, megabytes = script(LARGER_THAN_ALLOWED, str(tmp_path / "X"), dtype).split()
    (tmp_path / "X").unlink()
    assert status == "finished"
    assert float(megabytes) < 30
