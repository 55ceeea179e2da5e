"""The one function of the room: a model and a target to files."""

from __future__ import annotations

import keyword
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
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
from chainrule.training import SGD, Optimizer

ENDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "onnx": (".onnx",),
    "c": (".h",),
    "numpy": (".py",),
    "torch": (".py",),
}
TARGETS: Final = tuple(ENDINGS)
"""What a model can be exported to."""

_MODULES: Final[Mapping[str, Callable[[Subject, str], tuple[str, bytes]]]] = {
    "numpy": numpy_module,
    "torch": torch_module,
}

_LIBRARIES: Final = ("numpy", "torch", "chainrule")


def export_model(model: Any, to: str, path: str | os.PathLike[str], train: bool | Optimizer = False) -> list[str]:
    """Write `model` so that it runs without this package, and give the paths of the files written.

    Parameters
    ----------
    model
        What `load_model` gives, or what `save_model` takes: a network or an estimator. Columns of a model's table are
        part of what is written.
    to
        - `"onnx"`: a graph for any runtime. An input (n, 1) for each column: numbers float64, nan where missing; texts
          and words for yes and no strings, "" where missing; dates int64, in seconds since 1970, the least int64 where
          missing. A graph looks texts up in a list: each with at most one blank before and after; words for yes and no
          in small letters, capitals or with a capital; numbers as 1, +1, 01, 1., 1.0, 1.00 or 1e0. Any other word for
          yes or no is missing, any other level unknown, and a prediction from a number that is infinite or
          too far from those of training means nothing, often nan and the first label; a graph cannot say so.
          Outputs `label`, of int64 or double where the classes are numbers, and `probabilities`, or `value`, numbered
          where a column is called so. Without a preprocessing, one input `X`.
        - `"c"`: a header in C99, which allocates nothing. A row is a structure: numbers and yes (1) and no (0) double,
          NAN where missing; texts `const char *`, NULL or "" where missing; dates `int64_t`, in seconds since 1970.
          Blanks around texts are taken off; numbers among levels are read in the spellings above. For a number
          that is infinite or too far from those of training, predictions and probabilities are NAN and the class is -1.
        - `"numpy"`, `"torch"`: a module in Python with `predict`, and its weights beside it as `.npz`. For a row whose
          numbers are too large for the model it raises ValueError.
    path
        Where to: a name that ends in `.onnx`, `.h` or `.py`.
    train
        For C: whether the loss, its gradients and a step of training are written as well. True is gradient descent;
        an optimizer, such as `Adam()`, is that one, from its beginning.

    A file that holds a model is not replaced, nor a `.npz` that no export to this name has written.

    Raises ExportError for a target that there is not, for what a target cannot say, for a module that could not be
    imported by its name or would hide another, and for a file that is not to be replaced; FileError for a path that
    cannot be written, MissingDependencyError for ONNX without onnx. No file is left half-written.

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


def _check_module_name(name: str, path: str) -> None:
    """Raise ExportError for a module that `import` cannot name, or that would hide one that is needed."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ExportError(f"{path} cannot be imported: {name!r} is no name in Python; call it, say, model.py")
    if name in _LIBRARIES or name in sys.stdlib_module_names:
        raise ExportError(f"{path} would hide the module {name} of Python's; call it, say, {name}_model.py")


def _write(contents: Mapping[str, bytes]) -> None:
    """All files or none: each is written beside its place, and takes it when all are whole."""
    for path in contents:
        check_writable(path)
        check_replaceable(path)
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(replacing(path)).write(content)
