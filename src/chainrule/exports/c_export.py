"""Export as a C99 header: prediction for a row of a table and, on request, training steps."""

from __future__ import annotations

from chainrule.emit import C_TYPES, CUnit, Location, declarations, function, header_text, signature_lines, structure
from chainrule.exports.c_features import FeatureWriter
from chainrule.exports.c_statistics import statistics_lines
from chainrule.exports.c_steps import StepWriter
from chainrule.exports.c_text import array_rows as rows_of
from chainrule.exports.c_text import comment, initializer, string
from chainrule.exports.c_training import Training
from chainrule.exports.one_row import one_row
from chainrule.exports.subject import ROWS, Subject, X
from chainrule.ir import DType
from chainrule.tables import ClassTarget, NumberTarget
from chainrule.training import Optimizer


def c_header(subject: Subject, optimizer: Optimizer | None) -> str:
    """Return the header; with an `optimizer`, it includes training."""
    return _Header(subject, optimizer).text()


class _Header:
    def __init__(self, subject: Subject, optimizer: Optimizer | None) -> None:
        self.subject = subject
        self.name, self.upper = subject.name, subject.name.upper()
        self.real = C_TYPES[subject.dtype]
        self.rows = f"{self.upper}_ROWS"
        self.unit = CUnit(self.name, subject.dtype, {ROWS: self.rows})
        self.features = None
        if subject.preprocessing is not None:
            self.features = FeatureWriter(self.name, subject.preprocessing, subject.dtype, self.unit)
        self.steps = None
        if optimizer is not None:
            training = Training(subject, optimizer)
            self.steps = StepWriter(subject, self.unit, training, self.rows, self.features is not None)

    def text(self) -> str:
        """Return the whole file."""
        body = self._body()
        helpers = self.unit.preamble
        includes = [
            "math",
            *(["stddef"] if self.features is not None and self.features.has_words else []),
            *(["stdint"] if self._needs_words else []),
            *(["stdlib"] if self.features is not None and self.features.has_words else []),
            *(["string"] if self._needs_strings else []),
        ]
        lines = [
            *(self._rows() if self.steps is not None else []),
            *self._classes(),
            *self._weights(),
            *helpers,
            *body,
        ]
        return header_text(self.name, self._heading(), includes, lines)

    @property
    def _needs_words(self) -> bool:
        """Whether 64-bit integers are needed, for dates or random numbers."""
        dates = self.features is not None and self.features.has_dates
        return dates or (self.steps is not None and self.steps.training.draws)

    @property
    def _needs_strings(self) -> bool:
        return self.steps is not None or (self.features is not None and self.features.has_words)

    # Sections ---------------------------------------------------------------------------------------------------------

    def _heading(self) -> list[str]:
        subject = self.subject
        count = sum(array.size for array in subject.params.values())
        said = [
            f"{self.name}: predicts {comment(subject.title)}, in C99; written by chainrule {subject.version}.",
            "",
            f"{count:,} trained parameters. Nothing is allocated; only data passed by pointer are changed.",
            "Link with -lm.",
            "",
            *(f"    {line}" for line in self._usage()),
        ]
        if self.steps is not None:
            said += [
                "",
                "A training step on one batch:",
                "",
                *(f"    {line}" for line in self.steps.example()),
            ]
            if self._mixes_rows:
                said += ["", f"Call {self.name}_statistics after the last step, before predictions."]
        return said

    def _usage(self) -> list[str]:
        lines = []
        if self.features is not None:
            lines += [f"{self.name}_row row;", *self.features.example()]
        else:
            lines += [f"{self.real} x[{self.subject.width}] = {{0}};"]
        if self.steps is not None:
            lines.insert(0, f"{self.name}_weights weights = {self.name}_trained;")
        given = ", ".join([*(["&weights"] if self.steps else []), "&row" if self.features else "x"])
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

    def _rows(self) -> list[str]:
        why = "One row needs the least memory"
        if self._mixes_rows:
            why = "A batch is normalized over its rows, so it needs several"
        return [
            f"/* Rows per batch; define it earlier for more. {why}. */",
            f"#ifndef {self.rows}",
            f"#define {self.rows} {1 if not self._mixes_rows else 16}",
            "#endif",
            "",
        ]

    @property
    def _mixes_rows(self) -> bool:
        """Whether a batch is normalized over its rows, so that a single row would become zeros."""
        return any(name not in self.subject.learnt for name in self.subject.params)

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
        arrays = self.subject.params
        if self.steps is None:
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
        for k, array in enumerate(arrays.values(), 1):
            *most, last = initializer(array, self.unit.number, 4)
            values += [*most, f"{last}{',' if k < len(arrays) else ''}"]
        return [
            *structure(f"{self.name}_weights", "The parameters.", declared),
            "/* The trained parameters. */",
            f"static const {self.name}_weights {self.name}_trained = {{",
            *values,
            "};",
            "",
        ]

    def _body(self) -> list[str]:
        lines = []
        if self.features is not None:
            lines += [*self.features.structure(), *self.features.functions()]
        lines += [*self._network(), *self._predict()]
        if self.steps is not None:
            lines += self.steps.functions()
            lines += statistics_lines(self.subject, self.unit, self.features is not None)
        return lines

    @property
    def _weights_parameter(self) -> list[str]:
        return [f"const {self.name}_weights *weights"] if self.steps is not None else []

    def _network(self) -> list[str]:
        prefix, within = ("", "weights") if self.steps is not None else (f"{self.name}_", "")
        inputs = {name: Location(prefix + member, within) for name, member in self.subject.members.items()}
        inputs[X] = Location("x")
        reserved = ("x", "p", "weights", "values", "row")
        program = one_row(self.subject.program)
        if program.input(X).type.ndim == 2:
            inputs[X] = Location("x", is_flat=True)
        found = self.unit.statements(
            program, inputs, [Location("p", is_flat=program.outputs[0].type.ndim == 2)], "", reserved
        )
        parameters = [*self._weights_parameter, f"const {self.real} *x", f"{self.real} *p"]
        statements = [
            *declarations(found.stored, {}),
            *found.lines,
        ]
        return function(
            f"The output p of the network, {self.subject.outputs} numbers, for {self.subject.width} numbers x.",
            f"void {self.name}_network",
            parameters,
            statements,
        )

    def _predict(self) -> list[str]:
        target, outputs, real = self.subject.target, self.subject.outputs, self.real
        given = f"const {self.name}_row *row" if self.features else f"const {real} *x"
        encode = []
        if self.features is not None:
            encode = [f"    {real} x[{self.subject.width}];", f"    {self.name}_encode(row, x);", *self._refused()]
        call = f"    {self.name}_network({'weights, ' if self.steps else ''}x, %s);"
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
            mean, factor = (self.unit.number(number, DType.FLOAT64) for number in (abs(target.mean), target.scale))
            scale = f" * {factor} {'-' if target.mean < 0 else '+'} {mean}"
        cast = "(double)" if self.subject.dtype is DType.FLOAT32 else ""
        unit = "in the units of the table" if scale else "as the network gives it"
        odd = "; NAN for a number that is infinite or too far from those of training" if encode else ""
        if outputs == 1:
            statements = [
                f"    {real} p[1];",
                *encode,
                call % "p",
                f"    return {cast}p[0]{scale};",
            ]
            return function(f"The prediction, {unit}{odd}.", f"double {self.name}_predict", first, statements)
        statements = [
            f"    {real} p[{outputs}];",
            *encode,
            call % "p",
            f"    for (int k = 0; k < {outputs}; ++k) {{",
            f"        values[k] = {cast}p[k]{scale};",
            "    }",
        ]
        return function(
            f"The {outputs} predictions, {unit}{odd}.",
            f"void {self.name}_predict",
            [*first, "double *values"],
            statements,
        )

    def _refused(self) -> list[str]:
        """Return the check for a number that is infinite or too far from those of training, and the value returned."""
        target, real = self.subject.target, self.real
        many = ("probabilities", real) if isinstance(target, ClassTarget) else ("values", "double")
        count = len(target.classes) if isinstance(target, ClassTarget) else self.subject.outputs
        lines = [f"            for (int c = 0; c < {count}; ++c) {{", f"                {many[0]}[c] = ({many[1]})NAN;"]
        lines += ["            }", f"            return{' -1' * isinstance(target, ClassTarget)};"]
        if self.subject.outputs == 1 and not isinstance(target, ClassTarget):
            lines = ["            return (double)NAN;"]
        check = [f"    for (int k = 0; k < {self.subject.width}; ++k) {{", "        if (!isfinite(x[k])) {"]
        return [*check, *lines, "        }", "    }"]
