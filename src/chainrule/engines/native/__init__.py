"""The LLVM engine: a whole run (epochs, batches, forward pass, backward pass, update) is one native call.

A program passes through these files in order:

`prepare`       composite primitives are written out in simpler ones
`registers`     a tiny program: `unrolled` holds every value in one vector register, for the whole run
`memory`        any other: `plan` decides what is stored, and `storage` how it lies; `nests` puts values that belong
                together into one loop nest; `schedule` orders the nests in phases between which threads wait, and
                gives out the memory; `choices` takes each nest as `costs` finds cheapest, and `kernels` writes it, long
                sums in the blocks of `blocking`, with the instructions of `body` at one place; `symbolic` is what
                primitives are lowered to in between
`driver`        the frame around the step: epochs, batches, losses, snapshots, stopping; `shuffling` the order of rows,
                `team` how threads share the work
`compilation`   the parts put together; `machine` has LLVM compile the text for a `target`; `cache` keeps the
                result; `metering` counts cycles
`engine`        the call, the threads that it runs in, and what is made of how it ended

`text`, `arithmetic`, `random` and `math` write single instructions.
"""

from chainrule.engines.native.engine import NativeEngine
from chainrule.engines.native.team import available
from chainrule.engines.native.unrolled import NotUnrollableError

__all__ = ["NativeEngine", "NotUnrollableError", "available"]
