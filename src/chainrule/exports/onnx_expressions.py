"""Array expressions as ONNX operators, which broadcast as NumPy does: shapes, sums of products, reductions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.emit import expressions as ex
from chainrule.emit import find_forward
from chainrule.exports.errors import ExportError
from chainrule.exports.onnx_graph import Graph, Value
from chainrule.ir import Dim, DType, Program, Shape, SymbolicDim, concrete

REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"

Rule = Callable[["ExpressionWriter", "ex.Expr", Sequence[Value]], Value]
"""A function that writes a primitive, given its expression and its operands."""


class ExpressionWriter:
    """Writes the expressions of one program into `graph`.

    `rules` maps a primitive to an operator of the same meaning, or to a function that writes it; any other primitive is
    decomposed.
    """

    def __init__(self, graph: Graph, rules: Mapping[type, str | Rule]) -> None:
        self.graph = graph
        self.rules = rules
        self.sizes: dict[str, Value] = {}
        self.written: dict[ex.Expr, Value] = {}

    def program(self, program: Program, arguments: dict[str, Value]) -> list[Value]:
        """Write `program` for `arguments`, by the names of its inputs; return its outputs."""
        forward = find_forward(program, lambda primitive: type(primitive) in self.rules)
        for argument in forward.arguments:
            self.define(argument.variable, arguments[argument.name])
        for line in forward.lines:
            value = self.write(line.value)
            self.written[line.variable] = value
        return [self.written[output] for output in forward.outputs]

    def define(self, variable: ex.Expr, value: Value) -> None:
        """Define `variable` as `value`, and the sizes in its shape from the shape of `value`."""
        self.written[variable] = value
        for axis, dim in enumerate(variable.shape):
            if isinstance(dim, SymbolicDim) and str(dim) not in self.sizes:
                shape = self.graph.add("Shape", value)
                self.sizes[str(dim)] = self.graph.add("Gather", shape, self.graph.whole_numbers([axis]))

    def write(self, root: ex.Expr) -> Value:
        for part in ex.ordered([root], stop=self.written):
            if part not in self.written:
                self.written[part] = self._value(part, [self.written[operand] for operand in part.operands])
        return self.written[root]

    # Numbers and shapes ---------------------------------------------------------------------------------------------

    def number(self, value: float | int | bool, dtype: DType) -> Value:
        """Return a constant of shape ()."""
        return self.graph.constant(np.array(value, dtype.numpy))

    def size(self, dim: Dim) -> Value:
        """Return a size as int64 of shape (1,)."""
        if not isinstance(dim, SymbolicDim):
            return self.graph.whole_numbers([dim])
        total: Value | None = None
        for names, factor in dim.terms:
            term = self.graph.whole_numbers([factor])
            for name in names:
                if name not in self.sizes:
                    raise ExportError(f"the size {name} is not that of an input of the graph")
                term = self.graph.add("Mul", term, self.sizes[name]) if factor != 1 else self.sizes[name]
                factor = 0
            total = term if total is None else self.graph.add("Add", total, term)
        assert total is not None
        return total

    def shape(self, shape: Shape) -> Value:
        """Return a shape as int64 of shape (ndim,)."""
        if all(isinstance(dim, int) for dim in shape):
            return self.graph.whole_numbers([concrete(dim) for dim in shape])
        return self.graph.add("Concat", *map(self.size, shape), axis=0)

    def cast(self, value: Value, dtype: DType) -> Value:
        """Convert `value` to another dtype."""
        return self.graph.add("Cast", value, to=dtype.numpy)

    def axes(self, value: Value, operator: str, axes: Sequence[int]) -> Value:
        """Apply `Unsqueeze` or `Squeeze`."""
        return self.graph.add(operator, value, self.graph.whole_numbers(axes)) if axes else value

    def transposed(self, value: Value, order: Sequence[int]) -> Value:
        """Permute the axes."""
        if list(order) == list(range(len(order))):
            return value
        return self.graph.add("Transpose", value, perm=list(order))

    def filled(self, value: float, shape: Shape, dtype: DType) -> Value:
        """Return an array of `shape` filled with one number."""
        return self.graph.add("Expand", self.number(value, dtype), self.shape(shape))

    # Expressions ----------------------------------------------------------------------------------------------------

    def _value(self, x: ex.Expr, operands: Sequence[Value]) -> Value:
        add = self.graph.add
        match x.operation:
            case ex.Number(value):
                if isinstance(value, SymbolicDim):
                    return self.axes(self.cast(self.size(value), x.dtype), "Squeeze", [0])
                return self.number(value, x.dtype)
            case ex.Table(_, rows):
                return self.graph.constant(np.array(rows, x.dtype.numpy).reshape([concrete(dim) for dim in x.shape]))
            case ex.Function(primitive) | ex.Structured(primitive):
                rule = self.rules.get(type(primitive))
                if rule is None:
                    raise ExportError(
                        f"ONNX has nothing for {type(primitive).__name__}, which the model needs; "
                        "export it as numpy, torch or c"
                    )
                return self._operator(rule, x, operands) if isinstance(rule, str) else rule(self, x, operands)
            case ex.Reduction(name, axes, keepdims):
                return self._reduced(name, axes, keepdims, operands[0])
            case ex.MatrixProduct():
                return add("MatMul", *operands)
            case ex.Outer():
                return add("Mul", self.axes(operands[0], "Unsqueeze", [1]), self.axes(operands[1], "Unsqueeze", [0]))
            case ex.TensorDot(axes):
                return self._einsum(*_labels_of_tensordot(x, axes), operands)
            case ex.Einsum(inputs, output):
                return self._einsum(inputs, output, operands)
            case ex.Transposed(order):
                return self.transposed(operands[0], order)
            case ex.Reshaped(shape):
                return add("Reshape", operands[0], self.shape(shape), allowzero=1)
            case ex.Inserted(axes):
                return self.axes(operands[0], "Unsqueeze", axes)
            case ex.Repeated(shape):
                return add("Expand", operands[0], self.shape(shape))
            case ex.Indexed(entries):
                return self._indexed(x.operands[0], operands[0], entries)
            case ex.Picked():
                found = add("GatherElements", operands[0], self.axes(operands[1], "Unsqueeze", [-1]), axis=-1)
                return self.axes(found, "Squeeze", [-1])
        raise ExportError(f"{x.operation} is not known to ONNX")

    def _operator(self, name: str, x: ex.Expr, operands: Sequence[Value]) -> Value:
        """Apply an operator; conditions mixed with floats become 1 and 0, as in NumPy."""
        given = [
            self.cast(value, x.dtype) if o.dtype is DType.BOOL and x.dtype.is_float else value
            for value, o in zip(operands, x.operands, strict=True)
        ]
        return self.graph.add(name, *given)

    def _reduced(self, name: str, axes: Sequence[int], keepdims: bool, x: Value) -> Value:
        where = self.graph.whole_numbers(axes)
        if name != "logsumexp":
            return self.graph.add(REDUCTIONS[name], x, where, keepdims=int(keepdims))
        peak = self.graph.add("ReduceMax", x, where, keepdims=1)
        powers = self.graph.add("Exp", self.graph.add("Sub", x, peak))
        logarithm = self.graph.add("Log", self.graph.add("ReduceSum", powers, where, keepdims=1))
        total = self.graph.add("Add", logarithm, peak)
        return total if keepdims else self.axes(total, "Squeeze", axes)

    def _einsum(self, inputs: Sequence[Sequence[int]], output: Sequence[int], operands: Sequence[Value]) -> Value:
        letters = {label: LETTERS[k] for k, label in enumerate(dict.fromkeys(l for labels in inputs for l in labels))}
        text = ",".join("".join(letters[label] for label in labels) for labels in inputs)
        return self.graph.add("Einsum", *operands, equation=f"{text}->{''.join(letters[label] for label in output)}")

    def _indexed(self, operand: ex.Expr, x: Value, entries: Sequence[Any]) -> Value:
        starts: list[Value] = []
        ends: list[Value] = []
        axes: list[int] = []
        steps: list[int] = []
        gone: list[int] = []
        for axis, entry in enumerate(entries):
            start, size, stride = entry if isinstance(entry, tuple) else (entry, 1, 1)
            if not isinstance(entry, tuple):
                gone.append(axis)
            if start == 0 and stride == 1 and size == operand.shape[axis]:
                continue
            limit = start + size * stride
            if stride < 0 and isinstance(limit, int) and limit < 0:
                limit = -(2**31)  # before the first element; -1 would be the last
            starts.append(self.size(start))
            ends.append(self.size(limit))
            axes.append(axis)
            steps.append(stride)
        if axes:
            first, last = (self.graph.add("Concat", *each, axis=0) for each in (starts, ends))
            x = self.graph.add("Slice", x, first, last, self.graph.whole_numbers(axes), self.graph.whole_numbers(steps))
        return self.axes(x, "Squeeze", gone)


def _labels_of_tensordot(
    x: ex.Expr, axes: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[tuple[list[int], list[int]], list[int]]:
    left = list(range(x.operands[0].ndim))
    right = list(range(len(left), len(left) + x.operands[1].ndim))
    for first, second in zip(*axes, strict=True):
        right[second] = left[first]
    output = [label for label in left if label not in right] + [label for label in right if label not in left]
    return (left, right), output
