"""Which process of how many this one is, as its launcher says in environment variables."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.engines.loop import EngineError

LAUNCHERS = {
    "the environment": ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID", None),
    "a Kubernetes Indexed Job": ("JAX_NUM_PROCESSES", "JOB_COMPLETION_INDEX", None),
    "torchrun": ("WORLD_SIZE", "RANK", "LOCAL_RANK"),
    "srun": ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"),
    "Open MPI": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"),
    "MPICH": ("PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"),
}
"""For each launcher the variables with the number of processes, with that of this one, and with that on its host.

The first launcher counts whose numbers of processes and of this one are there: what the user sets by hand, then
torchrun, which is started by another launcher where there are two.
"""

ADDRESS = "JAX_COORDINATOR_ADDRESS"
"""The variable with HOST:PORT of the first process, which every launcher may be given."""

LOCAL = {"Open MPI": ("OMPI_COMM_WORLD_LOCAL_SIZE", "PMIX_NAMESPACE"), "MPICH": ("MPI_LOCALNRANKS", "PMI_ID")}
"""For launchers that name no host: the variables with the number of processes of this host, and with the job."""

PORTS = range(61440, 65536)
"""From these, the port is chosen by the number of the job."""


@dataclass(frozen=True)
class Launched:
    """One of `count` processes, which meet at `address`, HOST:PORT of the first.

    `devices` are the numbers of the GPUs that it uses; None for all that it sees.
    """

    address: str
    count: int
    number: int
    devices: list[int] | None = None


def is_one_of_several(environment: Mapping[str, str]) -> bool:
    """Whether a launcher seems to have started several processes; `launched` checks what it says."""
    launcher = _launcher(environment)
    many = "JAX_NUM_PROCESSES" if launcher is None else LAUNCHERS[launcher][0]
    return environment.get(many, "1") != "1"


def launched(environment: Mapping[str, str]) -> Launched | None:
    """Return what the launcher says; None if it started one process only, or there is none.

    Raises EngineError for variables that are incomplete or no numbers.
    """
    if ADDRESS in environment:
        _check_address(environment[ADDRESS])
    launcher = _launcher(environment)
    if launcher is not None:
        many, which, local = LAUNCHERS[launcher]
        count, number = _number(environment, many), _number(environment, which)
        if not 0 <= number < count:
            raise EngineError(
                f"{which} is {number} and {many} is {count}; processes are numbered from 0, below their count"
            )
        if count == 1:
            return None
        address = environment.get(ADDRESS) or _address(environment, launcher, count)
        if address is None:
            raise EngineError(
                f"{launcher} started {count} processes and does not say where they meet; set {ADDRESS} to HOST:PORT, "
                "a free port of the host of the first"
            )
        return Launched(address, count, number, _devices(environment, local))
    if environment.get("JAX_NUM_PROCESSES", "1") != "1":
        raise EngineError(
            "JAX_NUM_PROCESSES is set, and the number of this process is not; set JAX_PROCESS_ID, from 0, in each"
        )
    if ADDRESS in environment and "JAX_NUM_PROCESSES" not in environment:
        raise EngineError(
            f"{ADDRESS} is set, and the number of processes is not; set JAX_NUM_PROCESSES, and JAX_PROCESS_ID in each"
        )
    return None


def _launcher(environment: Mapping[str, str]) -> str | None:
    return next((name for name, (many, which, _) in LAUNCHERS.items() if {many, which} <= environment.keys()), None)


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise EngineError(f"{ADDRESS} is {address!r}; it should be HOST:PORT, with a port from 1 to 65535")


def _number(environment: Mapping[str, str], name: str) -> int:
    try:
        return int(environment[name])
    except ValueError:
        raise EngineError(f"{name} is {environment[name]!r}; it should be a whole number") from None


def _devices(environment: Mapping[str, str], local: str | None) -> list[int] | None:
    """Return the GPU of this process among those of its host, unless the launcher has already chosen."""
    if local is None or local not in environment or "CUDA_VISIBLE_DEVICES" in environment:
        return None
    return [_number(environment, local)]


def _address(environment: Mapping[str, str], launcher: str, count: int) -> str | None:
    match launcher:
        case "torchrun" if "MASTER_ADDR" in environment and "MASTER_PORT" in environment:
            # At MASTER_PORT torchrun itself listens.
            return f"{environment['MASTER_ADDR']}:{_number(environment, 'MASTER_PORT') + 1}"
        case "srun" if "SLURM_STEP_NODELIST" in environment:
            return f"{first_host(environment['SLURM_STEP_NODELIST'])}:{_port(environment.get('SLURM_JOB_ID', ''))}"
        case "Open MPI" | "MPICH":
            here, job = LOCAL[launcher]
            if environment.get(here) == str(count):
                return f"127.0.0.1:{_port(environment.get(job, environment.get('OMPI_MCA_ess_base_jobid', '')))}"
    return None


def _port(job: str) -> int:
    """Return a port that the processes of a job have in common, and those of another hardly."""
    return PORTS[zlib.crc32(job.encode()) % len(PORTS)]


def first_host(hosts: str) -> str:
    """Return the first host of a list as SLURM writes it.

    >>> first_host("node[007-015,020],login"), first_host("a1,b2"), first_host("rack[3,5]n")
    ('node007', 'a1', 'rack3n')
    """
    head, bracket, rest = hosts.partition("[")
    if not bracket or "," in head:
        return head.split(",")[0]
    numbers, _, tail = rest.partition("]")
    return head + numbers.replace(",", "-").split("-")[0] + tail.split(",")[0]
