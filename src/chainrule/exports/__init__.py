"""Models that leave: as ONNX, C, NumPy or PyTorch, with what makes of a table's columns what they take."""

from chainrule.exports.errors import ExportError
from chainrule.exports.exporting import TARGETS, export_model

__all__ = ["TARGETS", "ExportError", "export_model"]
