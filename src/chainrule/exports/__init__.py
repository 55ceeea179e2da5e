"""Export of models as ONNX, C, NumPy or PyTorch, with the preprocessing of a table's columns."""

from chainrule.exports.errors import ExportError
from chainrule.exports.exporting import TARGETS, export_model

__all__ = ["TARGETS", "ExportError", "export_model"]
