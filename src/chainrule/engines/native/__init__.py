"""The LLVM engine: a whole run (epochs, batches, forward pass, backward pass, update) is one native call.

A program passes through these files in order:

`prepare`       expansion of composite primitives
`registers`     tiny programs: `unrolled` holds every value in one vector register for the whole run
`memory`        other programs: `plan` decides which values are stored, `storage` their layout; `nests` fuses values
                into loop nests; `schedule` orders the nests in phases separated by barriers, and plans the memory;
                `choices` selects the cheapest form of each nest by the cost model in `costs`; `kernels` writes it, with
                cache blocking of long sums (`blocking`) and the instructions of one tile (`body`); `symbolic` is the
                intermediate form of lowered primitives
`driver`        the code around the step: epochs, batches, losses, snapshots, stopping; `shuffling` draws the row order,
                `team` divides the work among threads
`compilation`   combines these parts; `machine` compiles the text for a `target` with LLVM; `cache` stores the result;
                `metering` counts cycles
`engine`        compiles and calls; `session` and `workers` run the calls and process their outcomes
`wasm`          the same code as WebAssembly, in a module for pages

`text`, `arithmetic`, `random` and `math` write single instructions.
"""

from chainrule.engines.native.engine import NativeEngine
from chainrule.engines.native.shuffling import permutations
from chainrule.engines.native.team import available
from chainrule.engines.native.unrolled import NotUnrollableError
from chainrule.engines.native.wasm import wasm_module

__all__ = ["NativeEngine", "NotUnrollableError", "available", "permutations", "wasm_module"]
