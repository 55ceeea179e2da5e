"""The contenders of the jobs: one file each, from the same initial parameters on the same batches."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.jobs import Job
from benchmarks.measure import Contender
from benchmarks.peers import chainrule, fann, handwritten, jax, numpy, sklearn, torch
from benchmarks.peers.absent import AbsentError, optional

__all__ = ["PEERS", "AbsentError", "gather", "optional"]

PEERS: dict[str, Callable[[Job], list[Contender]]] = {
    chainrule.NAME: chainrule.contenders,
    chainrule.XLA: chainrule.on_xla,
    handwritten.NAME: handwritten.contenders,
    fann.NAME: fann.contenders,
    jax.NAME: jax.contenders,
    torch.EAGER: torch.eager,
    torch.COMPILED: torch.compiled,
    sklearn.NAME: sklearn.contenders,
    numpy.NAME: numpy.contenders,
}


def gather(job: Job) -> tuple[list[Contender], dict[str, str]]:
    """Return the contenders, this project first, and the reason why each absent peer is not among them."""
    contenders: list[Contender] = []
    absent: dict[str, str] = {}
    for name, make in PEERS.items():
        try:
            contenders += make(job)
        except AbsentError as reason:
            absent[name] = str(reason)
    return contenders, absent
