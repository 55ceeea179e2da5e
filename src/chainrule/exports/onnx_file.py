"""Conversion of a graph to a checked ONNX model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.exports.errors import ExportError, load_onnx
from chainrule.exports.onnx_graph import ML, ML_OPSET, OPSET, Graph

IR_VERSION = 9
ROWS = "n"


@dataclass(frozen=True)
class Port:
    """An input or output of a graph; None in its shape is the number of rows."""

    name: str
    dtype: Any
    shape: tuple[int | None, ...]
    text: str = ""


def onnx_bytes(
    graph: Graph,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    name: str,
    text: str,
    version: str,
    metadata: Mapping[str, str],
) -> bytes:
    """Return the file; raise ExportError for a graph that the checker of ONNX rejects."""
    onnx = load_onnx()
    helper = onnx.helper

    def element_type(dtype: Any) -> int:
        return int(helper.np_dtype_to_tensor_dtype(np.dtype(object if dtype is str else dtype)))

    def port(each: Port) -> Any:
        shape = [ROWS if size is None else size for size in each.shape]
        return helper.make_tensor_value_info(each.name, element_type(each.dtype), shape, each.text)

    nodes = []
    for operation in graph.operations:
        attributes = {
            key: element_type(value) if isinstance(value, np.dtype) else value for key, value in operation.attributes
        }
        label = f"{operation.operator}:{operation.output}"
        nodes.append(
            helper.make_node(
                operation.operator,
                list(operation.inputs),
                [operation.output],
                name=label,
                domain=operation.domain,
                **attributes,
            )
        )
    constants = [_constant(onnx, key, array) for key, array in graph.constants.items()]
    made = helper.make_graph(nodes, name, [*map(port, inputs)], [*map(port, outputs)], constants, doc_string=text)
    opsets = [helper.make_opsetid("", OPSET)]
    if any(operation.domain == ML for operation in graph.operations):
        opsets.append(helper.make_opsetid(ML, ML_OPSET))
    model = helper.make_model(
        made,
        producer_name="chainrule",
        producer_version=version,
        doc_string=text,
        opset_imports=opsets,
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, dict(metadata))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise ExportError(f"the checker of ONNX rejects the model: {' '.join(str(error).split())[:200]}") from None
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _constant(onnx: Any, name: str, array: Any) -> Any:
    if array.dtype.kind == "O":
        flat = [text.encode() for text in array.ravel()]
        return onnx.helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, flat)
    return onnx.numpy_helper.from_array(array, name)
