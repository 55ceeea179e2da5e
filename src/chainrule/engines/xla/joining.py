"""Joining the other processes: `jax.distributed.initialize`, with what the launcher or the caller says."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chainrule.engines.launching import Launched, launched
from chainrule.engines.loop import EngineError
from chainrule.engines.xla.agreement import Agreement
from chainrule.engines.xla.dependency import jax
from chainrule.engines.xla.ending import end_if_aborted
from chainrule.engines.xla.placement import Placement

HEARTBEAT = 10
"""Seconds without an answer after which a process counts as gone."""

MEETING = 120
"""Seconds within which all processes have to start."""

LEAVING = 60
"""Seconds within which all processes have to end, once each has done its work."""


def join() -> bool:
    """Make this process one of several if its launcher says so, and nobody has done it before; return whether it is.

    Raises EngineError if JAX has been used before, or the variables of the launcher are incomplete.
    """
    place = None if jax.distributed.is_initialized() else launched(os.environ)
    if place is None:
        return False
    meeting = [True]

    def message() -> str:
        return str(_gone(place, meeting[0]))

    def meet() -> None:
        jax.distributed.initialize(
            place.address,
            place.count,
            place.number,
            local_device_ids=place.devices,
            cluster_detection_method="deactivate",
            initialization_timeout=MEETING,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=LEAVING,
        )

    end_if_aborted(message)
    try:
        with _settings():
            meet()
    except RuntimeError as error:
        raise EngineError(
            f"process {place.number} of {place.count} cannot join the others at {place.address}: "
            f"{str(error).splitlines()[0]}; join before JAX is used otherwise"
        ) from None
    meeting[0] = False
    return True


def connected(placement: Placement, joined: bool) -> Agreement:
    """Return the agreement of the processes of a placement, once all have made their connections.

    If they have `joined` here, they also part here.

    This process will end only when all others are as far, which is before JAX ends its own connections.
    """
    agreement = Agreement(placement, jax.distributed.shutdown) if joined else Agreement(placement)
    if agreement.count > 1:
        with _without_output():
            agreement.agreed("the beginning")
        atexit.register(agreement.leave)
    return agreement


@contextmanager
def _without_output() -> Iterator[None]:
    """Discard what gloo writes to standard output when it connects, where results are expected."""
    if sys.stdout is not None:
        sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _gone(place: Launched, meeting: bool) -> EngineError:
    if meeting:
        return EngineError(
            f"process {place.number} of {place.count} has not met the others at {place.address} within {MEETING} "
            "seconds; start all of them, and let that be a free port of the host of the first"
        )
    return EngineError(
        f"process {place.number} of {place.count} ends, because another one has ended or cannot be reached; train "
        "again, from a checkpoint if there is one"
    )


@contextmanager
def _settings() -> Iterator[None]:
    """While joining, let SIGTERM end the process as usual, instead of being noted by JAX; on CPUs, connect by gloo."""
    name = "jax_enable_preemption_service"
    before = getattr(jax.config, name, None)
    if getattr(jax.config, "jax_cpu_collectives_implementation", "gloo") in (None, "none"):
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        if before is not None:
            jax.config.update(name, False)
        yield
    finally:
        if before is not None:
            jax.config.update(name, before)
