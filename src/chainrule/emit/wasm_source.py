"""Export as gradient descent in WebAssembly: the code of the native engine, in a JavaScript module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.derivation import Record, is_upstream
from chainrule.emit.errors import EmitError
from chainrule.emit.layout import broken
from chainrule.emit.loop_source import check_all_sizes, check_sizes
from chainrule.emit.names import Names
from chainrule.emit.passes import refuse_random
from chainrule.engines import Loop, wasm_module
from chainrule.ir import ArrayType, DType, Input, Program
from chainrule.primitives import broadcast_to


class WasmSource:
    """A module that descends the loss of a record, with a number in `sizes` for each symbolic size.

    Attributes
    ----------
    loop : Loop
        The step: the loss, and the parameters less the rate times their gradients. All other inputs are constants.
    rate : str
        The name of the learning rate.

    """

    def __init__(self, record: Record, name: str, sizes: Mapping[str, int]) -> None:
        program, back = record.program, record.backward
        if any(map(is_upstream, program.inputs)):
            raise EmitError("WebAssembly descends a loss, and a layer has none; write the layer for js")
        refuse_random(program.nodes, back.stages)
        check_sizes("WebAssembly", program, sizes)
        check_all_sizes("WebAssembly", program, sizes)
        self.name, self.sizes = name, {size: sizes[size] for size in program.dim_names}
        self.rate = Names([node.name for node in program.inputs]).take("learning_rate")
        rate = Input(self.rate, ArrayType((), DType.FLOAT64))
        bound = Program(program.inputs, (*program.outputs, *back.gradients)).bind(self.sizes, DType.FLOAT64)
        loss, *gradients = bound.outputs
        inputs = {node.name: node for node in bound.inputs}
        self.parameters = tuple(node.name for node in back.wrt)
        following = [
            inputs[name] - broadcast_to(rate, gradient.type.shape) * gradient
            for name, gradient in zip(self.parameters, gradients, strict=True)
        ]
        self.constants = tuple(name for name in inputs if name not in self.parameters)
        step = Program((*bound.inputs, rate), (loss, *following))
        self.loop = Loop(self.parameters, (), (*self.constants, self.rate), {1: step}, 1, 1, False)

    def text(self) -> str:
        """Return the module."""
        lines = ["/*", *(f" * {line}" if line else " *" for line in self._heading()), " */", ""]
        return "\n".join([*(piece for line in lines for piece in broken(line)), wasm_module(self.loop)])

    def _heading(self) -> Sequence[str]:
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        given = ", ".join([*self.parameters, *self.constants])
        return [
            f"{self.name}: gradient descent in WebAssembly, derived by chainrule.",
            "",
            *([f"Sizes: {sizes}."] if sizes else []),
            "Arrays are flat, in row-major order. `advance` returns the loss before each step.",
            "",
            "    const run = await open();",
            f"    run.set({{ {given}, {self.rate}: 0.1 }});",
            "    const { losses, status } = run.advance(100);",
            f"    const {self.parameters[0]} = run.get({self.parameters[0]!r});",
        ]
