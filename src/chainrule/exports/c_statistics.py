"""Population statistics of batch normalization in C, recomputed after training has changed the weights.

As in `chainrule.networks.population` (Ioffe and Szegedy 2015, algorithm 2): layer by layer, the mean and the unbiased
variance of the input to normalization, with the population statistics of the earlier layers. Rows are added one by
one, as in Welford 1962.
"""

from __future__ import annotations

from chainrule.emit import C_TYPES, CUnit, Location, declarations, function, signature_lines
from chainrule.exports.one_row import one_row
from chainrule.exports.subject import Subject, X
from chainrule.ir import Node, Program, applies
from chainrule.primitives import Broadcast, Subtract


def normalized_layers(subject: Subject) -> dict[str, Program]:
    """Return the input of each normalization as a program of `X` and parameters, by the number of its layer."""
    found: dict[str, Program] = {}
    program = subject.program
    for node in program.nodes:
        if not applies(node, Subtract):
            continue
        values, mean = node.operands
        if applies(mean, Broadcast):
            (mean,) = mean.operands
        name = getattr(mean, "name", "")
        layer = name.removeprefix("mean")
        if name in subject.learnt or name == layer or f"variance{layer}" not in subject.params:
            continue
        found[layer] = _of(program, values)
    return found


def _of(program: Program, output: Node) -> Program:
    needed = set(Program(program.inputs, (output,)).nodes)
    return Program(tuple(node for node in program.inputs if node in needed or node.name == X), (output,))


def statistics_lines(subject: Subject, unit: CUnit, has_columns: bool) -> list[str]:
    """Return `NAME_statistics` and its helper functions; nothing without batch normalization."""
    layers = normalized_layers(subject)
    if not layers:
        return []
    name, real, members = subject.name, C_TYPES[subject.dtype], subject.members
    lines, calls = [], []
    for layer, program in layers.items():
        width = subject.params[f"mean{layer}"].size
        lines += _values(subject, unit, layer, program)
        x = f"{real} x[{subject.width}];" if has_columns else f"const {real} *x = rows + k * {subject.width};"
        mean, variance = members[f"mean{layer}"], members[f"variance{layer}"]
        calls += [
            "    {",
            f"        double mean[{width}] = {{0}};",
            f"        double squares[{width}] = {{0}};",
            "        for (long k = 0; k < count; ++k) {",
            f"            {x}",
            f"            {real} z[{width}];",
            *([f"            {name}_encode(&rows[k], x);"] if has_columns else []),
            f"            {name}_values_{layer}(weights, x, z);",
            f"            for (int c = 0; c < {width}; ++c) {{",
            "                const double shift = (double)z[c] - mean[c];",
            "                mean[c] += shift / (double)(k + 1);",
            "                squares[c] += shift * ((double)z[c] - mean[c]);",
            "            }",
            "        }",
            f"        for (int c = 0; count > 0 && c < {width}; ++c) {{",
            f"            weights->{mean}[c] = ({real})mean[c];",
            f"            weights->{variance}[c] = ({real})(squares[c] / (double)(count > 1 ? count - 1 : 1));",
            "        }",
            "    }",
        ]
    rows = f"const {name}_row *rows" if has_columns else f"const {real} *rows"
    return [
        *lines,
        "/*",
        " * Training steps do not change the means and variances with which predictions normalize. This recomputes",
        f" * them from `count` rows: call it after training, before {name}_predict, with all training rows.",
        " */",
        *signature_lines(f"static inline void {name}_statistics", [f"{name}_weights *weights", rows, "long count"]),
        *calls,
        "}",
        "",
    ]


def _values(subject: Subject, unit: CUnit, layer: str, program: Program) -> list[str]:
    narrow = one_row(program)
    inputs = {name: Location(member, "weights") for name, member in subject.members.items()}
    inputs[X] = Location("x", is_flat=narrow.input(X).type.ndim == 2)
    output = Location("z", is_flat=narrow.outputs[0].type.ndim == 2)
    found = unit.statements(narrow, inputs, [output], "", ("x", "z", "weights"))
    real = C_TYPES[subject.dtype]
    parameters = [f"const {subject.name}_weights *weights", f"const {real} *x", f"{real} *z"]
    statements = [
        *declarations(found.stored, {}),
        *found.lines,
    ]
    return function(
        f"What layer {layer} normalizes, for a row x.", f"void {subject.name}_values_{layer}", parameters, statements
    )
