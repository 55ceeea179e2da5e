"""A model as a module that needs NumPy alone, and its weights."""

from __future__ import annotations

from chainrule.emit import block, bracketed, forward_body
from chainrule.exports.python_features import RESERVED
from chainrule.exports.python_module import answers, constants, functions, head, standard_modules, weights_file
from chainrule.exports.subject import Subject, X


def numpy_module(subject: Subject, weights: str) -> tuple[str, bytes]:
    """The source, and the content of the file `weights` that it reads."""
    content = weights_file(subject, weights)
    body = forward_body(subject.program, "numpy", RESERVED)
    names = dict(zip((node.name for node in subject.program.inputs), body.arguments, strict=True))
    given = [X, *subject.parameters]
    lines = [
        *head(subject, "NumPy", weights),
        "",
        *standard_modules(subject, body.modules),
        "",
        "import numpy as np",
        *(["from numpy.lib.stride_tricks import sliding_window_view"] if "sliding_window_view" in str(body) else []),
        "",
        *constants(subject, weights, content),
        *functions(subject),
        *(line for text in body.helpers for line in ("", "", text)),
        "",
        "",
        *bracketed("def network(", [names[name] for name in given], "):"),
        f'    """The output (n, {subject.outputs}) for encoded rows {names[X]} (n, {subject.width})."""',
        *block(body.lines, 4),
        f"    return {body.outputs[0]}",
        "",
        "",
        "PARAMETERS = read_weights()",
        *answers(subject, _output(subject)),
    ]
    return "\n".join(lines) + "\n", content


def _output(subject: Subject) -> str:
    encoded = "encode(columns)"
    if subject.preprocessing is None:
        encoded = f"np.asarray(X, dtype=np.{subject.dtype.value})"
    arguments = ", ".join(f'PARAMETERS["{name}"]' for name in subject.parameters)
    return f"network({encoded}, {arguments})" if len(arguments) < 60 else f"network({encoded}, *PARAMETERS.values())"
