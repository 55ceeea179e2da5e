"""The XLA engine: the same programs on GPUs, TPUs and CPUs, through JAX.

`dependency` imports JAX, which is optional; 64-bit types are enabled around calls and nowhere else
`lowerings`  what each primitive is in JAX: one entry, or else its `expand()`, or its rule for scalars
`draws`      random numbers with the same bits as in the other engines
`joining`    connections of processes that `engines.launching` found; `ending`, of this one when another is gone
`agreement`  numbers that they exchange; `sameness` compares what they were given
`placement`  on which devices arrays are kept
`own_rows`   runs in which each process has its own rows
`loop`       a run as one executable, for any number of steps
`session`    calls of that executable, and their outcomes
`engine`     compilation, and its cache
"""

from chainrule.engines.xla.engine import XlaEngine, has_accelerators

__all__ = ["XlaEngine", "has_accelerators"]
