"""Export as ONNX, from columns of a table to classes and probabilities, or to numbers."""

from __future__ import annotations

import json

import numpy as np

from chainrule.exports.onnx_expressions import ExpressionWriter
from chainrule.exports.onnx_features import FeatureWriter, input_ports
from chainrule.exports.onnx_file import Port, onnx_bytes
from chainrule.exports.onnx_graph import Graph, Value
from chainrule.exports.onnx_primitives import RULES
from chainrule.exports.subject import Subject, X
from chainrule.ir import DType
from chainrule.tables import ClassTarget, NumberTarget


def onnx_content(subject: Subject) -> bytes:
    """Return the file for `subject`.

    Inputs are the columns of the table, each (n, 1): numbers as float64, texts and truth values as strings, dates as
    int64, in seconds since 1970. Without a preprocessing there is the one input `X` (n, width). For classes, outputs
    are `label` (n,), of int64, double, bool or string as the classes are, and `probabilities` (n, classes); otherwise
    `value` (n, outputs), in the units of the target.
    """
    preprocessing = subject.preprocessing
    if preprocessing is None:
        inputs = [Port(X, subject.dtype.numpy, (None, subject.width), "the input of the network")]
    else:
        inputs = input_ports(preprocessing)
    graph = Graph([port.name for port in inputs])
    writer = ExpressionWriter(graph, RULES)
    encoded = X if preprocessing is None else FeatureWriter(writer).encoded(preprocessing, subject.dtype)
    arguments = {X: encoded}
    for name, array in subject.params.items():
        arguments[name] = graph.name(name)
        graph.constants[arguments[name]] = np.ascontiguousarray(array, subject.dtype.numpy)
    (prediction,) = writer.program(subject.program, arguments)
    outputs = _outputs(subject, writer, prediction)
    metadata = {"outputs": json.dumps([port.name for port in outputs])}
    if subject.target is not None:
        metadata["target"] = subject.target.name
    if isinstance(subject.target, ClassTarget):
        metadata["classes"] = json.dumps(subject.labels, ensure_ascii=False)
    if preprocessing is not None:
        metadata["columns"] = json.dumps(list(preprocessing.by_column), ensure_ascii=False)
    return onnx_bytes(graph, inputs, outputs, subject.name, f"Predicts {subject.title}.", subject.version, metadata)


def _outputs(subject: Subject, writer: ExpressionWriter, prediction: Value) -> list[Port]:
    graph, target = writer.graph, subject.target
    if isinstance(target, ClassTarget):
        if subject.is_binary:
            first = graph.add("Sub", writer.number(1.0, subject.dtype), prediction)
            prediction = graph.add("Concat", first, prediction, axis=1)
        type_ = type(subject.labels[0])
        classes = graph.constant(np.array(subject.labels, object if type_ is str else type_), "classes")
        place = graph.add("ArgMax", prediction, axis=1, keepdims=0)
        label = graph.rename(graph.add("Gather", classes, place, axis=0), "label")
        shares = graph.rename(prediction, "probabilities")
        return [
            Port(label, type_, (None,), "the likeliest class"),
            Port(shares, subject.dtype.numpy, (None, len(target.classes)), "the probability of each class"),
        ]
    if isinstance(target, NumberTarget):
        value = writer.cast(prediction, DType.FLOAT64) if subject.dtype is not DType.FLOAT64 else prediction
        value = graph.add("Mul", value, writer.number(target.scale, DType.FLOAT64))
        value = graph.add("Add", value, writer.number(target.mean, DType.FLOAT64))
        return [Port(graph.rename(value, "value"), np.float64, (None, subject.outputs), "in the units of the table")]
    return [Port(graph.rename(prediction, "value"), subject.dtype.numpy, (None, subject.outputs), "the prediction")]
