"""The passes of a loss as an object in JavaScript, for pages that train: values are given by their own names."""

from __future__ import annotations

import json
from collections.abc import Sequence

from chainrule.derivation import Record
from chainrule.emit.errors import EmitError
from chainrule.emit.js_source import JsSource
from chainrule.emit.layout import broken
from chainrule.emit.loop_source import PassFunction, Structure
from chainrule.emit.nests import Place
from chainrule.ir import refuses_deep_nesting
from chainrule.primitives import refuse_abstract


@refuses_deep_nesting
def passes_object(record: Record) -> str:
    """Return an expression, an object with the passes that `source` writes for JavaScript.

    `members` has the property of each parameter in the objects that `params(sizes)` and `grads(sizes)` allocate, where
    a scalar is a number; `run(params, given, grads, work, sizes)` leaves the gradients in `grads` and returns the loss.
    `given` has the other inputs by name, each as an array, and `work(sizes)` allocates what is between.

    Raises EmitError for a layer, and for operations that are not written as loops.
    """
    refuse_abstract(record.program.nodes)
    return _JsObject(record, "f", {}).text()


class _JsObject(JsSource):
    keyword = "function"

    def file(self, structures: Sequence[Structure], functions: Sequence[PassFunction], results: Sequence[Place]) -> str:
        if self.is_layer:
            raise EmitError("a page trains by a loss, and a layer has none")
        written = {each.label: f"{self.name}_{each.label}" for each in structures}
        allocated = [f"{label}: {written.get(label, '() => ({})')}," for label in ("params", "grads", "work")]
        data = {
            place.name: f"given[{_json(name)}]{'' if place.is_flat else '[0]'}"
            for name, place in self.inputs.items()
            if not place.within
        }
        run = functions[0]
        arguments = ", ".join(data.get(name, name) for name, _ in run.parameters)
        lines = [
            "(() => {",
            *self.statements(structures, [run]),
            "return {",
            f"members: {_json({name: self.members[name] for name in self.by})},",
            *allocated,
            f"run: (params, given, grads, work, sizes) => {run.title}({arguments}),",
            "};",
            "})()",
        ]
        return "\n".join(piece for line in lines for piece in broken(line))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
