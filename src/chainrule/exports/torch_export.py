"""Export as a module with an `nn.Module`, its preprocessing, and its weights."""

from __future__ import annotations

from chainrule.emit import block, forward_body, functions, module_text
from chainrule.exports.python_features import RESERVED
from chainrule.exports.python_module import answers, constants, head, reading, standard_modules, weights_file
from chainrule.exports.python_text import literal
from chainrule.exports.subject import Subject, X

_OF_MODULES = (
    "self", "weights", "name", "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init",
    "children", "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "half",
    "ipu", "modules", "mtia", "parameters", "requires_grad_", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad", "nn",
)  # fmt: skip
"""Attributes of `nn.Module`, which no parameter may be named after."""


def torch_module(subject: Subject, weights: str) -> tuple[str, bytes]:
    """Return the source, and the content of the file `weights` that it reads."""
    content = weights_file(subject, weights)
    body = forward_body(subject.program, "torch", (*RESERVED, *_OF_MODULES))
    names = dict(zip((node.name for node in subject.program.inputs), body.arguments, strict=True))
    more = [
        "",
        "`Network` is the network itself, on rows from `encode`: train it further, or use it within another.",
    ]
    lines = [
        "",
        *constants(subject, weights, content),
        *functions([*reading(subject), *body.needs.helpers]),
        "",
        "",
        "class Network(nn.Module):",
        f'    """The network, from encoded rows (n, {subject.width}) to the output (n, {subject.outputs})."""',
        "",
        "    def __init__(self):",
        "        super().__init__()",
        "        weights = read_weights()",
        *(
            f"        self.{names[name]} = nn.Parameter(torch.from_numpy(weights[{literal(name)}]))"
            if name in subject.learnt
            else f"        self.register_buffer({literal(names[name])}, torch.from_numpy(weights[{literal(name)}]))"
            for name in subject.params
        ),
        "",
        f"    def forward(self, {names[X]}):",
        *(f"        {names[name]} = self.{names[name]}" for name in subject.params),
        *block(body.lines, 8),
        f"        return {body.outputs[0]}",
        "",
        "",
        "network = Network()",
        *answers(subject, _output(subject)),
    ]
    standard = standard_modules(subject, body.needs.standard)
    library = ["import numpy as np", "import torch", "from torch import nn"]
    return module_text(head(subject, "PyTorch", weights, more), standard, library, lines), content


def _output(subject: Subject) -> str:
    encoded = "encode(columns)"
    if subject.preprocessing is None:
        encoded = f"np.asarray(X, dtype=np.{subject.dtype.value})"
    return f"network(torch.from_numpy({encoded})).detach().numpy()"
