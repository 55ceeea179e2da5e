"""Generated LLVM code: a whole run, epochs and batches, forward, backward and update, as one native call.

A program goes through these files in order:

`prepare`       composite primitives are written out in simpler ones
`registers`     a tiny program: `unrolled` holds every value in one vector register, for the whole run
`memory`        any other: `plan` decides what is stored, `kernels` writes a loop nest for each such value, whose
                elements `body` evaluates; `symbolic` is what primitives are lowered to in between
`driver`        the frame around the step: epochs, batches, shuffling, losses, snapshots, stopping
`compilation`   the parts put together; `machine` has LLVM check, optimise and compile the text
`engine`        the call, the thread that it runs in, and what is made of how it ended

`text`, `arithmetic` and `math` write single instructions.
"""

from chainrule.engines.native.engine import NativeEngine
from chainrule.engines.native.unrolled import NotUnrollableError

__all__ = ["NativeEngine", "NotUnrollableError"]
