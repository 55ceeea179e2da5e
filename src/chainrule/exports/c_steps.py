"""Training steps in C: gradients of the loss, the update of an optimizer, and its state."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.emit import C_TYPES, CUnit, declarations, function, structure
from chainrule.exports.c_training import Training
from chainrule.exports.errors import ExportError
from chainrule.exports.subject import ROWS, Subject
from chainrule.ir import DType, concrete
from chainrule.tables import ClassTarget, NumberTarget


@dataclass(frozen=True)
class StepWriter:
    """Writes the functions of `training` for batches of size `rows`, a macro; `has_columns` if rows are of a table."""

    subject: Subject
    unit: CUnit
    training: Training
    rows: str
    has_columns: bool

    @property
    def name(self) -> str:
        return self.subject.name

    @property
    def real(self) -> str:
        return C_TYPES[self.subject.dtype]

    def functions(self) -> list[str]:
        """Return the structure of the optimizer's state, `NAME_gradients`, `NAME_update` and `NAME_train`."""
        memory = self._memory() if self._has_memory else []
        return [*memory, *self._gradients(), *self._update(), *self._train()]

    def example(self) -> list[str]:
        """Return code that fills a batch and performs a step on it."""
        name = self.name
        given = (
            f"{name}_row rows[{self.rows}]"
            if self.has_columns
            else f"{self.real} x[{self.rows} * {self.subject.width}]"
        )
        kind = f"{self._target_type} {self._target_name}[{self._target_size}]"
        memory = [f"{name}_memory memory;", f"{name}_start(&memory);"] if self._has_memory else []
        return [
            *memory,
            f"{given};",
            f"{kind};",
            f"static {name}_work work;",
            f"{self.real} loss = {name}_train({', '.join(self._train_arguments(1))});",
        ]

    @property
    def _is_class(self) -> bool:
        return isinstance(self.subject.target, ClassTarget)

    @property
    def _target_type(self) -> str:
        if self._is_class or not self.training.target_type.dtype.is_float:
            return "int"
        return "double" if isinstance(self.subject.target, NumberTarget) else self.real

    @property
    def _target_name(self) -> str:
        return "classes" if self._target_type == "int" else "values"

    @property
    def _width_of_target(self) -> int:
        shape = self.training.target_type.shape
        return concrete(shape[1]) if len(shape) > 1 and not self._is_class else 1

    @property
    def _target_size(self) -> str:
        width = self._width_of_target
        return self.rows if width == 1 else f"{self.rows} * {width}"

    @property
    def _has_memory(self) -> bool:
        return bool(self.training.memory or self.training.counts)

    def _train_arguments(self, which: int) -> list[str]:
        """Return the parameters of `NAME_train`, or, if `which` is 1, its arguments in an example."""
        entries = [(f"{self.name}_weights *weights", "&weights")]
        if self._has_memory:
            entries.append((f"{self.name}_memory *memory", "&memory"))
        entries.append((f"{self.name}_work *work", "&work"))
        entries.append((f"const {self.name}_row *rows", "rows") if self.has_columns else (f"const {self.real} *x", "x"))
        entries.append((f"const {self._target_type} *{self._target_name}", self._target_name))
        if self.training.has_learning_rate:
            entries.append(("double learning_rate", repr(self.training.learning_rate)))
        return [entry[which] for entry in entries]

    def _gradients(self) -> list[str]:
        found = self.training.gradient_statements(self.unit)
        y_type = C_TYPES[self.training.target_type.dtype]
        extents = "".join(f"[{self.rows if k == 0 else dim}]" for k, dim in enumerate(self.training.target_type.shape))
        shapes = {name: self.subject.params[name].shape for name in self.subject.learnt}
        gradients = [
            f"    {self.real} {self.subject.members[name]}{''.join(f'[{size}]' for size in shape)};"
            for name, shape in shapes.items()
        ]
        between = [
            f"    {self.name}_grads grads;",
            f"    {self.real} encoded_rows[{self.rows}][{self.subject.width}];",
            f"    {y_type} encoded_target{extents};",
            *declarations(found.stored, {ROWS: self.rows}),
        ]
        parameters = [
            f"const {self.name}_weights *weights",
            *([f"const {self.name}_memory *memory"] if self.training.draws else []),
            f"const {self.real} *x",
            f"const {y_type} *y",
            f"{self.name}_grads *grads",
            f"{self.name}_work *work",
        ]
        statements = [
            *found.lines,
            *([] if found.stored else ["    (void)work;"]),
            f"    return {found.results[0].name};",
        ]
        return [
            *structure(f"{self.name}_grads", "The gradients of the loss with respect to the weights.", gradients),
            *structure(f"{self.name}_work", "Intermediate values; they need not be kept.", between),
            *function(
                f"The loss of {self.rows} encoded rows x with targets y, and its gradients.",
                f"{self.real} {self.name}_gradients",
                parameters,
                statements,
            ),
        ]

    def _update(self) -> list[str]:
        training = self.training
        found = training.update_statements(self.unit)
        parameters = [f"{self.name}_weights *weights"]
        if self._has_memory:
            parameters.append(f"{self.name}_memory *memory")
        parameters.append(f"const {self.name}_grads *grads")
        if training.has_learning_rate:
            parameters.append("double learning_rate")
        statements = [
            *declarations(found.stored, {}),
            *found.lines,
            *(["    ++memory->step;"] if training.counts else []),
        ]
        return function(
            f"A step of {type(training.optimizer).__name__}.", f"void {self.name}_update", parameters, statements
        )

    def _memory(self) -> list[str]:
        training = self.training
        declared = []
        first = []
        for name, array in training.memory.items():
            shape = "".join(f"[{size}]" for size in array.shape)
            declared.append(
                f"    {'float' if str(array.dtype) == 'float32' else 'double'} {training.members[name]}{shape};"
            )
            if array.any():
                if array.ndim:
                    title = type(training.optimizer).__name__
                    raise ExportError(
                        f"what {title} remembers of a parameter does not start at 0, as in C it has to; choose another"
                    )
                first.append(f"    memory->{training.members[name]} = {self.unit.number(float(array), DType.FLOAT64)};")
        if training.counts:
            declared.append("    int step;")
        if training.draws:
            declared.append("    int seed; /* of the random numbers; set it before the first step */")
        return [
            *structure(f"{self.name}_memory", "The state of the optimizer, kept from step to step.", declared),
            "/* Call it before the first step. */",
            f"static inline void {self.name}_start({self.name}_memory *memory) {{",
            "    memset(memory, 0, sizeof *memory);",
            *first,
            "}",
            "",
        ]

    def _train(self) -> list[str]:
        training = self.training
        x = "x"
        lines = []
        if self.has_columns:
            x = "&work->encoded_rows[0][0]"
            lines.append(f"{self.name}_encode(&rows[k], work->encoded_rows[k]);")
        y = "&work->encoded_target[0][0]" if training.target_type.ndim == 2 else "work->encoded_target"
        lines += self._targets()
        memory = "memory, " if training.draws else ""
        updated = ["weights", *(["memory"] if self._has_memory else []), "&work->grads"]
        if training.has_learning_rate:
            updated.append("learning_rate")
        what = "rows" if self.has_columns else "encoded rows x"
        target = "their classes, by index in the list" if self._target_type == "int" else "their values"
        statements = [
            f"    {self.real} loss;",
            f"    for (int k = 0; k < {self.rows}; ++k) {{",
            *(f"        {line}" for line in lines),
            "    }",
            f"    loss = {self.name}_gradients(weights, {memory}{x}, {y}, &work->grads, work);",
            f"    {self.name}_update({', '.join(updated)});",
            "    return loss;",
        ]
        return function(
            f"One step of training on {what} and {target}; returns the loss before it.",
            f"{self.real} {self.name}_train",
            self._train_arguments(0),
            statements,
        )

    def _targets(self) -> list[str]:
        """Return statements that store the target of row k."""
        width = self._width_of_target
        target, type_, given = self.subject.target, self.training.target_type, f"{self._target_name}[k]"
        one, zero = ("1.0f", "0.0f") if self.subject.dtype is DType.FLOAT32 else ("1.0", "0.0")
        if not type_.dtype.is_float:
            return [f"work->encoded_target[k] = {given};"]
        flat = type_.ndim == 1
        if self._is_class:
            columns = 1 if flat else concrete(type_.shape[1])
            if columns == 1:
                return [f"work->encoded_target[k]{'' if flat else '[0]'} = ({self.real}){given};"]
            return [
                f"for (int c = 0; c < {columns}; ++c) {{",
                f"    work->encoded_target[k][c] = c == {given} ? {one} : {zero};",
                "}",
            ]
        value = "%s"
        if isinstance(target, NumberTarget):
            mean, scale = (self.unit.number(number, DType.FLOAT64) for number in (target.mean, target.scale))
            value = f"(%s - {mean:ATOM}) / {scale}"
            if self.subject.dtype is DType.FLOAT32:
                value = f"(float)({value})"
        if width == 1:
            return [f"work->encoded_target[k]{'' if flat else '[0]'} = {value % given};"]
        return [
            f"for (int c = 0; c < {width}; ++c) {{",
            f"    work->encoded_target[k][c] = {value % f'values[k * {width} + c]'};",
            "}",
        ]
