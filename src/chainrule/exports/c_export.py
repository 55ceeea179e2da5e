"""A model as a header in C99: a row of a table in, a class or a number out; and, if asked for, steps of training."""

from __future__ import annotations

from chainrule.emit import C_TYPES, CUnit, Location, declarations, signature_lines
from chainrule.exports.c_features import FeatureWriter
from chainrule.exports.c_statistics import statistics_lines
from chainrule.exports.c_text import array_rows as rows_of
from chainrule.exports.c_text import comment, initializer, string, wrapped
from chainrule.exports.c_training import Training
from chainrule.exports.errors import ExportError
from chainrule.exports.one_row import one_row
from chainrule.exports.subject import ROWS, Subject, X
from chainrule.ir import DType
from chainrule.tables import ClassTarget, NumberTarget
from chainrule.training import Optimizer


def c_header(subject: Subject, optimizer: Optimizer | None) -> str:
    """The header; with an `optimizer`, what training needs as well."""
    return _Header(subject, optimizer).text()


class _Header:
    def __init__(self, subject: Subject, optimizer: Optimizer | None) -> None:
        self.subject = subject
        self.name, self.upper = subject.name, subject.name.upper()
        self.real = C_TYPES[subject.dtype]
        self.rows = f"{self.upper}_ROWS"
        self.unit = CUnit(self.name, subject.dtype, {ROWS: self.rows})
        self.training = None if optimizer is None else Training(subject, optimizer)
        self.features = None
        if subject.preprocessing is not None:
            self.features = FeatureWriter(
                self.name, subject.preprocessing, subject.dtype, lambda x: self.unit.number(x, DType.FLOAT64)
            )

    def text(self) -> str:
        """The whole file."""
        body = self._body()
        helpers = self.unit.preamble
        guard = f"CHAINRULE_{self.upper}_H"
        lines = [
            *self._heading(),
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            "#include <math.h>",
            *(["#include <stddef.h>"] if self.features is not None and self.features.has_words else []),
            *(["#include <stdint.h>"] if self._needs_words else []),
            *(["#include <string.h>"] if self._needs_strings else []),
            "",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            "",
            *(self._rows() if self.training is not None else []),
            *wrapped(self._classes()),
            *(self._weights()),
            *wrapped([*helpers, *([""] if helpers and helpers[-1] else [])]),
            *wrapped(body),
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
            f"#endif /* {guard} */",
        ]
        return "\n".join(lines) + "\n"

    @property
    def _needs_words(self) -> bool:
        """Whether whole numbers of 64 bits are needed, for dates or random numbers."""
        dates = self.features is not None and self.features.has_dates
        return dates or (self.training is not None and self.training.draws)

    @property
    def _needs_strings(self) -> bool:
        return self.training is not None or (self.features is not None and self.features.has_words)

    # The pieces -----------------------------------------------------------------------------------------------------

    def _heading(self) -> list[str]:
        subject = self.subject
        count = sum(array.size for array in subject.parameters.values())
        said = [
            f"{self.name}: predicts {comment(subject.title)}, in C99; written by chainrule {subject.version}.",
            "",
            f"{count:,} numbers were learnt. Nothing is allocated; nothing changes but what is passed by a pointer.",
            "Link with -lm.",
            "",
            *(f"    {line}" for line in self._usage()),
        ]
        if self.training is not None:
            said += [
                "",
                "A step of training, with a batch filled in:",
                "",
                *(f"    {line}" for line in self._training_usage()),
            ]
            if self._mixes_rows:
                said += ["", f"After the last step, {self.name}_statistics, so that predictions know of it."]
        return ["/*", *wrapped([f" * {line}".rstrip() for line in said]), " */"]

    def _usage(self) -> list[str]:
        lines = []
        if self.features is not None:
            lines += [f"{self.name}_row row;", *self.features.example()]
        else:
            lines += [f"{self.real} x[{self.subject.width}] = {{0}};"]
        if self.training is not None:
            lines.insert(0, f"{self.name}_weights weights = {self.name}_trained;")
        given = ", ".join([*(["&weights"] if self.training else []), "&row" if self.features else "x"])
        target = self.subject.target
        if isinstance(target, ClassTarget):
            return [
                *lines,
                f"{self.real} probabilities[{len(target.classes)}];",
                f"int place = {self.name}_predict({given}, probabilities);",
                f'puts(place < 0 ? "none" : {self.name}_classes[place]);',
            ]
        if self.subject.outputs == 1:
            return [*lines, f'printf("%g\\n", (double){self.name}_predict({given}));']
        return [*lines, f"double values[{self.subject.outputs}];", f"{self.name}_predict({given}, values);"]

    def _training_usage(self) -> list[str]:
        assert self.training is not None
        name = self.name
        given = (
            f"{name}_row rows[{self.rows}]" if self.features else f"{self.real} x[{self.rows} * {self.subject.width}]"
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

    def _rows(self) -> list[str]:
        why = "One needs the least memory"
        if self._mixes_rows:
            why = "It is normalized by itself, so it needs several"
        return [
            f"/* The rows of a batch, which each step takes; define it before to have more. {why}. */",
            f"#ifndef {self.rows}",
            f"#define {self.rows} {1 if not self._mixes_rows else 16}",
            "#endif",
            "",
        ]

    @property
    def _mixes_rows(self) -> bool:
        """Whether a batch is normalized by itself, so that one row alone would be nothing but zeros."""
        return any(name not in self.subject.learnt for name in self.subject.parameters)

    def _classes(self) -> list[str]:
        target = self.subject.target
        if not isinstance(target, ClassTarget):
            return []
        count = len(target.classes)
        return [
            f"/* The classes of {comment(target.name)}. */",
            f"static const char *const {self.name}_classes[{count}] = {{",
            *rows_of([string(label) for label in target.classes], 4),
            "};",
            "",
        ]

    def _weights(self) -> list[str]:
        arrays = self.subject.parameters
        if self.training is None:
            lines = []
            for name, array in arrays.items():
                shape = "".join(f"[{size}]" for size in array.shape)
                member = self.subject.members[name]
                first, *rest = initializer(array, self.unit.number, 0)
                lines += [f"static const {self.real} {self.name}_{member}{shape} = {first}", *rest[:-1], "};", ""]
            return lines
        declared = [
            f"    {self.real} {self.subject.members[name]}{''.join(f'[{size}]' for size in array.shape)};"
            for name, array in arrays.items()
        ]
        values: list[str] = []
        for array in arrays.values():
            *most, last = initializer(array, self.unit.number, 4)
            values += [*most, f"{last},"]
        return [
            "/* What is learnt. */",
            "typedef struct {",
            *declared,
            f"}} {self.name}_weights;",
            "",
            "/* What the model had learnt when it was exported. */",
            f"static const {self.name}_weights {self.name}_trained = {{",
            *values[:-1],
            values[-1].removesuffix(","),
            "};",
            "",
        ]

    def _body(self) -> list[str]:
        lines = []
        if self.features is not None:
            lines += [*self.features.structure(), *self.features.functions()]
        lines += [*self._network(), *self._predict()]
        if self.training is not None:
            memory = self._memory(self.training) if self._has_memory else []
            lines += [*memory, *self._gradients(), *self._update(), *self._train()]
            lines += statistics_lines(self.subject, self.unit, self.features is not None)
        return lines

    @property
    def _weights_parameter(self) -> list[str]:
        return [f"const {self.name}_weights *weights"] if self.training is not None else []

    def _network(self) -> list[str]:
        start = "weights->" if self.training is not None else f"{self.name}_"
        inputs = {name: Location(start + member) for name, member in self.subject.members.items()}
        inputs[X] = Location("x")
        reserved = ("x", "p", "weights", "values", "row")
        program = one_row(self.subject.program)
        if program.input(X).type.ndim == 2:
            inputs[X] = Location("x", is_flat=True)
        found = self.unit.statements(
            program, inputs, [Location("p", is_flat=program.outputs[0].type.ndim == 2)], "", reserved
        )
        parameters = [*self._weights_parameter, f"const {self.real} *x", f"{self.real} *p"]
        return [
            f"/* The output p of the network, {self.subject.outputs} in number, for {self.subject.width} numbers x. */",
            *signature_lines(f"static inline void {self.name}_network", parameters),
            *declarations(found.stored, {}),
            *found.lines,
            "}",
            "",
        ]

    def _predict(self) -> list[str]:
        target, outputs, real = self.subject.target, self.subject.outputs, self.real
        given = f"const {self.name}_row *row" if self.features else f"const {real} *x"
        encode = []
        if self.features is not None:
            encode = [f"    {real} x[{self.subject.width}];", f"    {self.name}_encode(row, x);", *self._refused()]
        call = f"    {self.name}_network({'weights, ' if self.training else ''}x, %s);"
        first = [*self._weights_parameter, given]
        if isinstance(target, ClassTarget):
            count = len(target.classes)
            one = "1.0f" if self.subject.dtype is DType.FLOAT32 else "1.0"
            binary = ["    probabilities[1] = p[0];", f"    probabilities[0] = {one} - p[0];"]
            found = (
                [f"    {real} p[1];", *encode, call % "p", *binary]
                if outputs == 1
                else [*encode, call % "probabilities"]
            )
            return [
                "/* The likeliest class, as its place in the list of classes; and the probability of each. */",
                *(["/* -1 and NAN for a number that is infinite or too far from those of training. */"] * bool(encode)),
                *signature_lines(f"static inline int {self.name}_predict", [*first, f"{real} *probabilities"]),
                "    int best = 0;",
                *found,
                f"    for (int k = 1; k < {count}; ++k) {{",
                "        if (probabilities[k] > probabilities[best]) {",
                "            best = k;",
                "        }",
                "    }",
                "    return best;",
                "}",
                "",
            ]
        scale = ""
        if isinstance(target, NumberTarget):
            mean = self.unit.number(target.mean, DType.FLOAT64)
            sign = f"- {mean[1:]}" if mean.startswith("-") else f"+ {mean}"
            scale = f" * {self.unit.number(target.scale, DType.FLOAT64)} {sign}"
        cast = "(double)" if self.subject.dtype is DType.FLOAT32 else ""
        unit = "in the units of the table" if scale else "as the network gives it"
        odd = "; NAN for a number that is infinite or too far from those of training" if encode else ""
        if outputs == 1:
            return [
                f"/* The prediction, {unit}{odd}. */",
                *signature_lines(f"static inline double {self.name}_predict", first),
                f"    {real} p[1];",
                *encode,
                call % "p",
                f"    return {cast}p[0]{scale};",
                "}",
                "",
            ]
        return [
            f"/* The {outputs} predictions, {unit}{odd}. */",
            *signature_lines(f"static inline void {self.name}_predict", [*first, "double *values"]),
            f"    {real} p[{outputs}];",
            *encode,
            call % "p",
            f"    for (int k = 0; k < {outputs}; ++k) {{",
            f"        values[k] = {cast}p[k]{scale};",
            "    }",
            "}",
            "",
        ]

    def _refused(self) -> list[str]:
        """What is given for a number that is infinite or too far from those of training."""
        target, real = self.subject.target, self.real
        many = ("probabilities", real) if isinstance(target, ClassTarget) else ("values", "double")
        count = len(target.classes) if isinstance(target, ClassTarget) else self.subject.outputs
        lines = [f"            for (int c = 0; c < {count}; ++c) {{", f"                {many[0]}[c] = ({many[1]})NAN;"]
        lines += ["            }", f"            return{' -1' * isinstance(target, ClassTarget)};"]
        if self.subject.outputs == 1 and not isinstance(target, ClassTarget):
            lines = ["            return (double)NAN;"]
        check = [f"    for (int k = 0; k < {self.subject.width}; ++k) {{", "        if (!isfinite(x[k])) {"]
        return [*check, *lines, "        }", "    }"]

    # Training -------------------------------------------------------------------------------------------------------

    @property
    def _is_class(self) -> bool:
        return isinstance(self.subject.target, ClassTarget)

    @property
    def _target_type(self) -> str:
        assert self.training is not None
        if self._is_class or not self.training.target_type.dtype.is_float:
            return "int"
        return "double" if isinstance(self.subject.target, NumberTarget) else self.real

    @property
    def _target_name(self) -> str:
        return "classes" if self._target_type == "int" else "values"

    @property
    def _width_of_target(self) -> int:
        assert self.training is not None
        shape = self.training.target_type.shape
        return int(str(shape[1])) if len(shape) > 1 and not self._is_class else 1

    @property
    def _target_size(self) -> str:
        width = self._width_of_target
        return self.rows if width == 1 else f"{self.rows} * {width}"

    @property
    def _has_memory(self) -> bool:
        return self.training is not None and bool(self.training.memory or self.training.counts)

    def _train_arguments(self, which: int) -> list[str]:
        """The parameters of `NAME_train`, or, where `which` is 1, its arguments in an example."""
        assert self.training is not None
        entries = [(f"{self.name}_weights *weights", "&weights")]
        if self._has_memory:
            entries.append((f"{self.name}_memory *memory", "&memory"))
        entries.append((f"{self.name}_work *work", "&work"))
        entries.append((f"const {self.name}_row *rows", "rows") if self.features else (f"const {self.real} *x", "x"))
        entries.append((f"const {self._target_type} *{self._target_name}", self._target_name))
        if self.training.has_rate:
            entries.append(("double rate", repr(self.training.rate)))
        return [entry[which] for entry in entries]

    def _gradients(self) -> list[str]:
        assert self.training is not None
        found = self.training.gradient_statements(self.unit)
        members = self.subject.members
        shapes = {name: self.subject.parameters[name].shape for name in self.subject.learnt}
        y_type = C_TYPES[self.training.target_type.dtype]
        extents = "".join(f"[{self.rows if k == 0 else dim}]" for k, dim in enumerate(self.training.target_type.shape))
        return [
            "/* The gradients of the loss by what is learnt. */",
            "typedef struct {",
            *(
                f"    {self.real} {members[name]}{''.join(f'[{size}]' for size in shape)};"
                for name, shape in shapes.items()
            ),
            f"}} {self.name}_grads;",
            "",
            "/* What lies between; its contents need not be kept. */",
            "typedef struct {",
            f"    {self.name}_grads grads;",
            f"    {self.real} encoded_rows[{self.rows}][{self.subject.width}];",
            f"    {y_type} encoded_target{extents};",
            *declarations(found.stored, {ROWS: self.rows}),
            f"}} {self.name}_work;",
            "",
            f"/* The loss of {self.rows} encoded rows x with targets y, and its gradients. */",
            *signature_lines(
                f"static inline {self.real} {self.name}_gradients",
                [
                    f"const {self.name}_weights *weights",
                    *([f"const {self.name}_memory *memory"] if self.training.draws else []),
                    f"const {self.real} *x",
                    f"const {y_type} *y",
                    f"{self.name}_grads *grads",
                    f"{self.name}_work *work",
                ],
            ),
            *found.lines,
            *([] if found.stored else ["    (void)work;"]),
            f"    return {found.results[0]};",
            "}",
            "",
        ]

    def _update(self) -> list[str]:
        training = self.training
        assert training is not None
        found = training.update_statements(self.unit)
        parameters = [f"{self.name}_weights *weights"]
        if self._has_memory:
            parameters.append(f"{self.name}_memory *memory")
        parameters.append(f"const {self.name}_grads *grads")
        if training.has_rate:
            parameters.append("double rate")
        return [
            f"/* A step of {type(training.optimizer).__name__}. */",
            *signature_lines(f"static inline void {self.name}_update", parameters),
            *declarations(found.stored, {}),
            *found.lines,
            *(["    ++memory->step;"] if training.counts else []),
            "}",
            "",
        ]

    def _memory(self, training: Training) -> list[str]:
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
            "/* What training remembers from step to step. */",
            "typedef struct {",
            *declared,
            f"}} {self.name}_memory;",
            "",
            "/* Before the first step. */",
            f"static inline void {self.name}_start({self.name}_memory *memory) {{",
            "    memset(memory, 0, sizeof *memory);",
            *first,
            "}",
            "",
        ]

    def _train(self) -> list[str]:
        training = self.training
        assert training is not None
        real, width = self.real, self._width_of_target
        x = "x"
        lines = []
        if self.features is not None:
            x = "&work->encoded_rows[0][0]"
            lines.append(f"{self.name}_encode(&rows[k], work->encoded_rows[k]);")
        y = "&work->encoded_target[0][0]" if training.target_type.ndim == 2 else "work->encoded_target"
        lines += self._targets(training, width)
        memory = "memory, " if training.draws else ""
        updated = ["weights", *(["memory"] if self._has_memory else []), "&work->grads"]
        if training.has_rate:
            updated.append("rate")
        what = "rows" if self.features is not None else "encoded rows x"
        target = "their classes, by place in the list" if self._target_type == "int" else "their values"
        return [
            f"/* One step of training on {what} and {target}; gives the loss before it. */",
            *signature_lines(f"static inline {real} {self.name}_train", self._train_arguments(0)),
            f"    {real} loss;",
            f"    for (int k = 0; k < {self.rows}; ++k) {{",
            *(f"        {line}" for line in lines),
            "    }",
            f"    loss = {self.name}_gradients(weights, {memory}{x}, {y}, &work->grads, work);",
            f"    {self.name}_update({', '.join(updated)});",
            "    return loss;",
            "}",
            "",
        ]

    def _targets(self, training: Training, width: int) -> list[str]:
        """Statements that put the target of row k in its place."""
        target, type_, given = self.subject.target, training.target_type, f"{self._target_name}[k]"
        one, zero = ("1.0f", "0.0f") if self.subject.dtype is DType.FLOAT32 else ("1.0", "0.0")
        if not type_.dtype.is_float:
            return [f"work->encoded_target[k] = {given};"]
        flat = type_.ndim == 1
        if self._is_class:
            columns = 1 if flat else int(str(type_.shape[1]))
            if columns == 1:
                return [f"work->encoded_target[k]{'' if flat else '[0]'} = ({self.real}){given};"]
            return [
                f"for (int c = 0; c < {columns}; ++c) {{",
                f"    work->encoded_target[k][c] = c == {given} ? {one} : {zero};",
                "}",
            ]
        value = "%s"
        if isinstance(target, NumberTarget):
            mean = self.unit.number(target.mean, DType.FLOAT64)
            mean = f"({mean})" if mean.startswith("-") else mean
            value = f"(%s - {mean}) / {self.unit.number(target.scale, DType.FLOAT64)}"
            if self.subject.dtype is DType.FLOAT32:
                value = f"(float)({value})"
        if width == 1:
            return [f"work->encoded_target[k]{'' if flat else '[0]'} = {value % given};"]
        return [
            f"for (int c = 0; c < {width}; ++c) {{",
            f"    work->encoded_target[k][c] = {value % f'values[k * {width} + c]'};",
            "}",
        ]
