"""The public function `export_model`."""

from __future__ import annotations

import keyword
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from shlex import quote
from typing import Any, Final

from chainrule.emit import EmitError
from chainrule.exports.c_export import c_header
from chainrule.exports.errors import ExportError
from chainrule.exports.numpy_export import numpy_module
from chainrule.exports.onnx_export import onnx_content
from chainrule.exports.standing import check_replaceable
from chainrule.exports.subject import Subject, subject_of
from chainrule.exports.torch_export import torch_module
from chainrule.files import check_writable, replacing
from chainrule.models import as_model
from chainrule.tables import Text
from chainrule.training import SGD, Optimizer

ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "onnx": (".onnx",),
    "c": (".h",),
    "numpy": (".py",),
    "torch": (".py",),
}
TARGETS: Final = tuple(ENDINGS)
"""The targets of an export."""

_MODULES: Final[Mapping[str, Callable[[Subject, str], tuple[str, bytes]]]] = {
    "numpy": numpy_module,
    "torch": torch_module,
}

_LIBRARIES: Final = ("numpy", "torch", "chainrule")


def export_model(model: Any, to: str, path: str | os.PathLike[str], train: bool | Optimizer = False) -> list[str]:
    """Write `model` as code that runs without this package; return the paths of the files.

    Parameters
    ----------
    model
        A result of `load_model`, a network or an estimator. The preprocessing of a table's columns is included.
    to
        - `"onnx"`: a graph for any runtime. It has an input (n, 1) for each column: numbers as float64, nan if missing;
          texts and truth values as strings, "" if missing; dates as int64, in seconds since 1970, the least int64 if
          missing.
          Texts are looked up in a list: each with at most one blank before and after; truth values in lower case,
          upper case or capitalized; numbers as 1, +1, 01, 1., 1.0, 1.00 or 1e0. Any other truth value is missing, any
          other level unknown. A number that is infinite or too far from those of training is not reported; its
          prediction is undefined, often nan and the first label. The outputs are `label`, of int64 or double if the
          classes are numbers, and `probabilities`, or else `value`; a number is appended to the name of an output if a
          column has it. Without a preprocessing, there is one input `X`.
        - `"c"`: a header in C99, without memory allocation. A row is a structure: numbers and truth values (1, 0) are
          double, NAN if missing; texts `const char *`, NULL or "" if missing; dates `int64_t`, in seconds since 1970.
          Blanks around texts are ignored; numbers among levels are read in the notations above. For a number
          that is infinite or too far from those of training, predictions and probabilities are NAN and the class is -1.
        - `"numpy"`, `"torch"`: a Python module with `predict`, and its weights in a `.npz` file in the same folder. It
          raises ValueError for a row whose numbers are too large for the model.
    path
        The file to write; its name ends in `.onnx`, `.h` or `.py`.
    train
        For C: whether to include the loss, its gradients and a training step. True means gradient descent; an
        optimizer, such as `Adam()`, starts from its initial state.

    A model file is not overwritten, nor is a `.npz` file that was not written by an export to this name.

    Raises ExportError for an unknown target, for a model that the target does not support, for a module name that
    cannot be imported or would hide another module, and for a file that must not be overwritten; FileError for a path
    that cannot be written; MissingDependencyError for ONNX without onnx. No file is left incomplete.

    Examples
    --------
    >>> import tempfile
    >>> from chainrule.networks import MLP
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = export_model(MLP([2, 3, 1], seed=0), "numpy", f"{folder}/net.py")
    >>> [os.path.basename(path) for path in paths]
    ['net.py', 'net.npz']

    """
    path = os.fspath(path)
    if to not in TARGETS:
        raise ExportError(f"there is no target {to!r}; it can be {', '.join(TARGETS)}")
    if train and to != "c":
        raise ExportError(f"a step of training is written in C alone, not for {to}; leave train out")
    if not isinstance(train, bool | Optimizer):
        raise ExportError(f"train is a {type(train).__name__}; give True, or an optimizer such as Adam(0.001)")
    stem, ending = os.path.splitext(path)
    if ending.lower() not in ENDINGS[to]:
        raise ExportError(f"{path} does not end in {' or '.join(ENDINGS[to])}, as a file for {to} does")
    if to in _MODULES:
        _check_module_name(os.path.basename(stem), path)
    subject = subject_of(as_model(model), os.path.basename(stem))
    if to in ("onnx", "c"):
        _check_no_texts(subject, to)
    try:
        if to == "onnx":
            contents = {path: onnx_content(subject)}
        elif to == "c":
            optimizer = train if isinstance(train, Optimizer) else SGD(0.01) if train else None
            contents = {path: c_header(subject, optimizer).encode()}
        else:
            source, weights = _MODULES[to](subject, os.path.basename(stem) + ".npz")
            contents = {stem + ".npz": weights, path: source.encode()}
    except EmitError as error:
        raise ExportError(f"the model cannot be written for {to}: {error}") from None
    _write(contents)
    return list(reversed(contents))


def _check_no_texts(subject: Subject, to: str) -> None:
    """Raise ExportError for a column of texts, whose trigrams are hashed in Python alone."""
    features = () if subject.preprocessing is None else subject.preprocessing.features
    name = next((feature.name for feature in features if isinstance(feature, Text)), None)
    if name is not None:
        option = quote(name)
        raise ExportError(
            f"column {name!r} holds free text, which is not encoded in {to}; export to numpy or torch, or train "
            f"without the column (--drop {option})"
        )


def _check_module_name(name: str, path: str) -> None:
    """Raise ExportError for a module name that cannot be imported, or would hide a standard module."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ExportError(f"{path} cannot be imported: {name!r} is not a Python identifier; call it, say, model.py")
    if name in _LIBRARIES or name in sys.stdlib_module_names:
        raise ExportError(f"{path} would hide Python's module {name}; call it, say, {name}_model.py")


def _write(contents: Mapping[str, bytes]) -> None:
    """Write all files or none: each to a temporary file, renamed when all are complete."""
    for path in contents:
        check_writable(path)
        check_replaceable(path)
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(replacing(path)).write(content)
