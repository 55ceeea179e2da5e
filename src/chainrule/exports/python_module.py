"""Common parts of the modules for NumPy and PyTorch: header with a runnable example, preprocessing, predictions."""

from __future__ import annotations

import datetime
import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence

import numpy as np

from chainrule.exports.python_features import calls_of, functions_of, modules_of, patterns_of
from chainrule.exports.python_text import WIDTH, collection, literal
from chainrule.exports.standing import weights_mark
from chainrule.exports.subject import Subject
from chainrule.tables import EPOCHS, Boolean, Category, ClassTarget, Date, Feature, Number, NumberTarget, Text
from chainrule.words import wrapped

_OTHER_FUNCTIONS = '''def read_weights():
    """Return the trained parameters by name; raise ValueError if the file is not that of this module."""
    with open(WEIGHTS, "rb") as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(f"{WEIGHTS} does not belong to this module; export the model again")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def finite(numbers):
    """Return the predictions; raise ValueError for a row whose numbers are too large for this model."""
    bad = ~np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim)))
    if bad.any():
        raise ValueError(f"row {int(bad.argmax())} holds numbers too large for this model")
    return numbers'''


def weights_file(subject: Subject, name: str) -> bytes:
    """Return the parameters in NumPy's `.npz` format, for the file `name`; deterministic."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = weights_mark(name)
        for parameter, array in subject.params.items():
            piece = io.BytesIO()
            np.lib.format.write_array(piece, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{parameter}.npy", (1980, 1, 1, 0, 0, 0)), piece.getvalue())
    return stream.getvalue()


def head(subject: Subject, library: str, weights: str, more: Sequence[str] = ()) -> list[str]:
    """Return the docstring of the module: description, example and requirements."""
    lines = [
        f"Predicts {subject.title}, with {library}; written by chainrule {subject.version}.",
        "",
        *_example(subject),
        *more,
        "",
        *_answers(subject),
        f"Needs {library} and, beside it, {weights}.",
    ]
    safe = [line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').rstrip() for line in lines]
    first, *rest = [piece for line in safe for piece in ([line] if line.startswith(" ") else wrapped(line, WIDTH))]
    return [f'"""{first}', *rest, '"""']


def _example(subject: Subject) -> list[str]:
    imported = [f"    from {subject.stem} import predict", ""]
    if subject.preprocessing is None:
        return [*imported, f"    print(predict([[0.0] * {subject.width}] * 2))"]
    lines = ["    columns = {"]
    for feature in subject.preprocessing.by_column.values():
        lines.append(f"        {literal(feature.name)}: [{', '.join(literal(cell) for cell in sample(feature))}],")
    return [*imported, *lines, "    }", "    print(predict(columns))"]


def sample(feature: Feature) -> list[object]:
    """Return two example cells of a column."""
    if isinstance(feature, Number):
        return [feature.fill, None]
    if isinstance(feature, Boolean):
        return [feature.words[1], feature.words[0]]
    if isinstance(feature, Category):
        return [feature.levels[0], feature.levels[-1]] if feature.levels else ["", ""]
    if isinstance(feature, Text):
        return ["some words", None]
    assert isinstance(feature, Date)
    return [_written_date(feature), None]


def _written_date(feature: Date) -> object:
    """Return the date that replaces missing ones, in the format of the table."""
    if feature.format in EPOCHS:
        return feature.fill * EPOCHS[feature.format]
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=feature.fill)
    return moment.strftime(patterns_of(feature.format)[0])


def _answers(subject: Subject) -> list[str]:
    columns = "columns, a table or a dict of columns" if subject.preprocessing is not None else "an array"
    if isinstance(subject.target, ClassTarget):
        return [f"`predict` gives the likeliest class for each row of {columns}; `probabilities` those of CLASSES."]
    return [f"`predict` gives a number for each row of {columns}."]


def standard_modules(subject: Subject, more: Iterable[str] = ()) -> set[str]:
    """Return the standard modules that the module imports."""
    modules = {"hashlib", "io", "os", *more}
    if subject.preprocessing is not None:
        modules |= modules_of(subject.preprocessing)
    return modules


def constants(subject: Subject, weights: str, content: bytes) -> list[str]:
    """Return the constants: the path of the weights, and the classes."""
    lines = [
        f"WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), {literal(weights)})",
        f'WEIGHTS_SHA256 = "{hashlib.sha256(content).hexdigest()}"',
    ]
    if isinstance(subject.target, ClassTarget):
        lines += collection("CLASSES", subject.labels)
    return lines


def reading(subject: Subject) -> list[str]:
    """Return the functions that read weights and cells, and `encode`."""
    found = [_OTHER_FUNCTIONS]
    if subject.preprocessing is not None:
        found += functions_of(subject.preprocessing, subject.dtype.value)
        calls = calls_of(subject.preprocessing)
        parts = [line for call in calls for line in [*call[:-1], f"{call[-1]},"]]
        found.append(
            "\n".join(
                [
                    "def encode(columns):",
                    f'    """The columns of a table, by name, as an array (n, {subject.width}) of numbers."""',
                    "    parts = [",
                    *(f"        {line}" for line in parts),
                    "    ]",
                    f"    return np.column_stack(parts).astype(np.{subject.dtype.value})",
                ]
            )
        )
    return found


def answers(subject: Subject, output: str) -> list[str]:
    """Return `predict` and, for classes, `probabilities`; `output` is the prediction for `columns` as a NumPy array."""
    argument = "columns" if subject.preprocessing is not None else "X"
    rows_of = "the columns of a table, by name" if subject.preprocessing is not None else f"X (n, {subject.width})"
    if isinstance(subject.target, ClassTarget):
        shares = "np.hstack([1 - p, p])" if subject.is_binary else "p"
        return [
            "",
            "",
            f"def probabilities({argument}):",
            f'    """The probability of each of CLASSES, (n, {len(subject.target.classes)}), for {rows_of}."""',
            f"    p = {output}",
            f"    return finite({shares})",
            "",
            "",
            f"def predict({argument}):",
            f'    """The likeliest class for each row of {rows_of}."""',
            f"    return [CLASSES[place] for place in probabilities({argument}).argmax(axis=1)]",
        ]
    decoded = []
    if isinstance(subject.target, NumberTarget) and (subject.target.mean, subject.target.scale) != (0, 1):
        decoded = [f"    p = p * {literal(subject.target.scale)} + {literal(subject.target.mean)}"]
    flat = "p[:, 0]" if subject.outputs == 1 else "p"
    shape = "(n,)" if subject.outputs == 1 else f"(n, {subject.outputs})"
    return [
        "",
        "",
        f"def predict({argument}):",
        f'    """Numbers {shape} for each row of {rows_of}."""',
        f"    p = {output}.astype(np.float64)",
        *decoded,
        f"    return finite({flat})",
    ]
