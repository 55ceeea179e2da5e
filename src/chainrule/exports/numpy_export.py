"""Export as a module that needs only NumPy, and its weights."""

from __future__ import annotations

from chainrule.emit import block, bracketed, forward_body, functions, module_text
from chainrule.exports.python_features import RESERVED
from chainrule.exports.python_module import answers, constants, head, reading, standard_modules, weights_file
from chainrule.exports.subject import Subject, X


def numpy_module(subject: Subject, weights: str) -> tuple[str, bytes]:
    """Return the source, and the content of the file `weights` that it reads."""
    content = weights_file(subject, weights)
    body = forward_body(subject.program, "numpy", RESERVED)
    names = dict(zip((node.name for node in subject.program.inputs), body.arguments, strict=True))
    given = [X, *subject.params]
    needs = body.needs
    library = dict.fromkeys(["import numpy as np", *needs.library])
    lines = [
        "",
        *constants(subject, weights, content),
        *functions([*reading(subject), *needs.helpers]),
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
    standard = standard_modules(subject, needs.standard)
    return module_text(head(subject, "NumPy", weights), standard, [*library], lines), content


def _output(subject: Subject) -> str:
    encoded = "encode(columns)"
    if subject.preprocessing is None:
        encoded = f"np.asarray(X, dtype=np.{subject.dtype.value})"
    arguments = ", ".join(f'PARAMETERS["{name}"]' for name in subject.params)
    return f"network({encoded}, {arguments})" if len(arguments) < 60 else f"network({encoded}, *PARAMETERS.values())"
