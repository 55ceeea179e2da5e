"""A program of several processes: every run prints a line, the same in all of them, or fails.

With the argument "brief", one short run, whose result it prints.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.engines import ProcessError, get_engine
from chainrule.engines.xla.dependency import wide
from chainrule.engines.xla.session import XlaSession
from chainrule.training import arguments

ROWS, BATCH = 203, 24
rng = np.random.default_rng(0)
DATA = {"X": rng.normal(size=(ROWS, 7)), "y": rng.integers(0, 4, ROWS)}
PARAMS = {"W1": rng.normal(size=(7, 12)) / 3, "b1": np.zeros(12), "W2": rng.normal(size=(12, 4)) / 3, "b2": np.zeros(4)}


def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """A batch-normalized layer with dropout, so that the batch as a whole counts, and each draw."""
    z1 = X @ W1
    a1 = np.maximum((z1 - z1.mean(axis=0)) / np.sqrt(z1.var(axis=0) + 1e-5) + b1, 0)
    return cr.cross_entropy(cr.dropout(a1, 0.2) @ W2 + b2, y)


def plain(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """Derived and compiled sooner."""
    return cr.cross_entropy(np.tanh(X @ W1 + b1) @ W2 + b2, y)


def recurrent(w: Any, U: Any, factor: float = 1.0) -> Any:
    """A step that is repeated often enough to be one primitive, which holds the factor."""
    h = w
    for _ in range(40):
        h = np.tanh(U @ h * factor)
    return np.sum(h**2)


def brief() -> dict[str, Any]:
    """Return the losses and the parameters of a short run, with a last batch that is not divided."""
    result = cr.fit(plain, PARAMS, DATA, cr.SGD(0.1), 3, BATCH, 3, engine="xla")
    return {"losses": result.history["loss"].tolist(), **{name: each.tolist() for name, each in result.params.items()}}


def fitted(engine: str = "xla", **changed: Any) -> cr.FitResult:
    given = {"epochs": 6, "batch_size": BATCH, "seed": 3, "optimizer": cr.Adam(0.01, clip_norm=1.0)}
    return cr.fit(loss, PARAMS, DATA, engine=engine, **{**given, **changed})


def bits(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()[:16]


def said(what: str, *values: object) -> None:
    sys.stdout.write(f"{what} {' '.join(map(str, values))}\n")
    sys.stdout.flush()


def near(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-10, atol=1e-12)


def refused(what: str, call: Callable[[], object], *errors: type[Exception]) -> None:
    try:
        call()
    except errors as error:
        said(what, type(error).__name__, error)
    else:
        raise AssertionError(f"{what} was not refused")


def reductions(data: Any) -> int:
    """Return the number of collectives in a compiled step of a network, without those of the last batch."""
    session = cr.begin_training(plain, PARAMS, data, cr.SGD(0.1), 20, engine="xla")._session
    assert isinstance(session, XlaSession)
    with wide():
        arrays = session._ahead(1, 0, None).arrays
        lowered = session._execute.lower(session._state, arrays, np.int64(0), np.int64(1))  # type: ignore[attr-defined]
        text = lowered.compile().as_text()
    return len(re.findall(r" (?:all|reduce|collective)-\w+(?:-start)?\(", text))


def skewed() -> None:
    """Let the clocks of this process run faster than others, from another time on."""
    for name in ("perf_counter", "monotonic"):
        clock = getattr(time, name)
        setattr(time, name, lambda clock=clock: 1e6 + 5 * clock())


def main() -> None:
    processes = get_engine("xla").processes
    last = processes.number == processes.count - 1
    native = fitted("native")
    whole = fitted()
    near(whole.params, native.params)
    np.testing.assert_allclose(whole.history["loss"], native.history["loss"], rtol=1e-12)
    said("whole", bits(whole.params), bits(whole.optimizer_state))

    said("brief", json.dumps(brief()))
    if last:
        skewed()
    part = fitted(epochs=2, callback=lambda done, _: None)
    rest = cr.fit(
        loss, part.params, DATA, cr.Adam(0.01, clip_norm=1.0), 4, BATCH, 3, engine="xla",
        optimizer_state=part.optimizer_state, start=part.position,
    )  # fmt: skip
    assert bits(rest.params) == bits(whole.params)

    held = {name: array[:40] for name, array in DATA.items()}
    watched = fitted(epochs=30, validation=held, patience=3)
    said("patience", watched.status, watched.history["validation_loss"].tolist())

    long = fitted(epochs=10**7, callback=lambda done, _: not (last and done > 20))
    said("stopped", long.status, *long.position)

    def press(done: int, _: object) -> None:
        if last and done > 20:
            os.kill(os.getpid(), signal.SIGINT)

    pressed = fitted(epochs=10**7, callback=press)
    said("interrupted", pressed.status, *pressed.position)

    spoilt = {**DATA, "X": np.where(np.arange(ROWS)[:, None] == (5 if last else -1), np.nan, DATA["X"])}
    kind = cr.TrainingError if last else ProcessError
    refused(f"NaN in one's rows{' (mine)' * last}", lambda: cr.fit(loss, PARAMS, spoilt, engine="xla"), kind)
    near(fitted().params, native.params)

    cut = np.array([0, 150, ROWS])  # rows 101 to 149 are sent to process 1
    mine = {name: array[cut[processes.number] : cut[processes.number + 1]] for name, array in DATA.items()}
    if last:  # named in another order than by the first process
        mine = dict(reversed(mine.items()))
    own = cr.fit(loss, PARAMS, cr.OwnRows(mine), cr.Adam(0.01, clip_norm=1.0), 6, BATCH, 3, engine="xla")
    order = cr.DividedOrder(ROWS, BATCH, devices=2, seed=3)
    orders = np.stack([order(epoch) for epoch in range(6)])
    np.testing.assert_array_equal(np.sort(orders), np.tile(np.arange(ROWS), (6, 1)))
    alone = cr.begin_training(loss, PARAMS, DATA, cr.Adam(0.01, clip_norm=1.0), BATCH, 3)
    np.testing.assert_allclose(own.history["loss"], alone.advance(6, order=orders).losses, rtol=1e-12)
    near(own.params, alone.params)
    said("own rows", bits(own.params))
    # So many float32 numbers of all processes are kept as they are by each, also by one that has few of them.
    narrow = {**mine, "X": mine["X"].astype(np.float32), "y": mine["y"].astype(np.int32 if last else np.int64)}
    for most in (arguments.LARGE, DATA["X"].nbytes // 2 - 1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arguments, "LARGE", most)
            few = cr.fit(plain, PARAMS, cr.OwnRows(narrow), cr.SGD(0.1), 2, engine="xla")
        near(few.params, cr.fit(plain, PARAMS, {**DATA, "X": DATA["X"].astype(np.float32)}, cr.SGD(0.1), 2).params)
    for what, changed in {
        "own floats": {"X": mine["X"].astype(np.float32 if last else np.float64)},
        "own kinds": {"X": mine["X"] > 0 if last else mine["X"]},
        "own widths": {"X": mine["X"][:, int(last) :]},
    }.items():
        given = cr.OwnRows({**mine, **changed})
        refused(what, partial(cr.fit, plain, PARAMS, given, engine="xla"), ProcessError)
    renamed = "mean((w - v)^2)" if last else "mean((w - u)^2)"
    named = cr.OwnRows({"v" if last else "u": mine["X"]})
    refused("own names", lambda: cr.fit(renamed, {"w": np.zeros(7)}, named, engine="xla"), ProcessError)
    refused("a batch", lambda: cr.fit(plain, PARAMS, cr.OwnRows(mine), batch_size=25, engine="xla"), cr.EngineError)
    whole_batch = cr.fit(plain, PARAMS, cr.OwnRows(mine), cr.SGD(0.1), 2, engine="xla")
    near(whole_batch.params, cr.fit(plain, PARAMS, DATA, cr.SGD(0.1), 2).params)
    near(cr.fit(plain, PARAMS, cr.OwnRows(mine), cr.SGD(0.1), 2, engine="xla").params, whole_batch.params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", cr.UndividedWarning)
        cr.begin_training(plain, PARAMS, DATA, cr.SGD(0.1), 25, engine="xla")
    for warning in caught:
        said("undivided", warning.message)
    divided = {name: array[:200] for name, array in DATA.items()}
    said("reductions", reductions(divided))

    def broken(done: int, _: object) -> None:
        if last and done > 2:
            raise LookupError("of the callback")

    refused("a callback", lambda: fitted(callback=broken), LookupError if last else ProcessError)
    refused("other seeds", lambda: fitted(seed=processes.number), ProcessError)
    other = {name: value + processes.number for name, value in PARAMS.items()}
    refused("other parameters", lambda: cr.fit(loss, other, DATA, engine="xla"), ProcessError)
    scaled = float(processes.number + 1)
    refused(
        "another number",
        lambda: cr.fit(lambda w: np.sum(w**2) * scaled, {"w": np.ones(2)}, {}, epochs=1, engine="xla"),
        ProcessError,
    )
    start = {"w": np.ones(2), "U": np.eye(2) / 2}
    near(*(cr.fit(recurrent, start, {}, epochs=1, engine=each).params for each in ("xla", "native")))
    refused(
        "another step",
        lambda: cr.fit(lambda w, U: recurrent(w, U, scaled), start, {}, epochs=1, engine="xla"),
        ProcessError,
    )
    session = cr.begin_training(plain, PARAMS, DATA, cr.SGD(0.1), BATCH, engine="xla")
    rolled = np.roll(np.arange(ROWS, dtype=np.int64), processes.number)[None]
    refused("another order", lambda: session.advance(1, order=rolled), ProcessError)
    refused("an order of one", lambda: session.advance(1, order=rolled if last else None), ProcessError)
    session.set_hyperparameter("learning_rate", 0.2)
    session.advance(1)
    session.set_hyperparameter("learning_rate", 0.3 + processes.number)
    refused("another rate", lambda: session.advance(1), ProcessError)
    session = cr.begin_training(plain, PARAMS, DATA, cr.SGD(0.1), BATCH, engine="xla")
    refused("another number of epochs", lambda: session.advance(2 + processes.number), ProcessError)
    refused(
        "another call", (lambda: session.advance(2)) if last else (lambda: processes.agreed("something")), ProcessError
    )
    fewer = {name: value[processes.number :] for name, value in DATA.items()}
    refused("other rows", lambda: cr.fit(loss, PARAMS, fewer, engine="xla"), ProcessError)
    refused("LBFGS", lambda: cr.fit(loss, PARAMS, DATA, cr.LBFGS(), engine="xla"), cr.TrainingError)
    diverging = cr.fit(plain, PARAMS, divided, cr.SGD(1e200), 9, 20, 3, engine="xla")
    said("diverged", diverging.status, *diverging.position, bits(diverging.params))
    if last:
        sys.exit()
    refused("ended", fitted, ProcessError)


if __name__ == "__main__":
    for category in (cr.DivergenceWarning, cr.UndividedWarning):
        warnings.simplefilter("ignore", category)
    if sys.argv[1:] == ["brief"]:
        sys.stdout.write(json.dumps(brief()))
    else:
        main()
