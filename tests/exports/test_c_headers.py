"""The C headers: compiled with warnings as errors and with sanitizers, run, and compared with the model."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exported import (
    ARRAYS,
    CASES,
    COLUMNS,
    COMPILER,
    ROWS,
    TAME,
    TOLERANCE,
    arrays,
    assert_equal,
    cells,
    model_of,
)
from support.exported import run_c as run
from support.spellings import SPELLED, TEXTS

import chainrule as cr
from chainrule.exports import ExportError, export_model
from chainrule.models import Model
from chainrule.networks import Architecture, MomentumSGD
from chainrule.networks.population import population
from chainrule.tables import Boolean, NumberTarget, Preprocessing

STEPS = 5
BATCH = 4


def literal(value: Any) -> str:
    """A cell in C."""
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03o}" for byte in value.encode()) + '"'
    if isinstance(value, int | np.integer):
        return "INT64_MIN" if value == np.iinfo(np.int64).min else f"INT64_C({value})"
    return "NAN" if math.isnan(value) else repr(float(value))


def members(source: str, structure: str) -> list[str]:
    """The members of a structure, in their order."""
    text = source.partition(f"}} {structure};")[0].rpartition("typedef struct {")[2]
    return re.findall(r"(\w+)(?:\[\w+\])*;", re.sub(r"/\*.*?\*/", "", text))


def values_of(case: str, columns: Mapping[str, Any] = COLUMNS) -> list[list[str]]:
    """The rows of the table as cells in C; a Boolean is a number there."""
    model = model_of(case)
    assert model.preprocessing is not None
    found = []
    for feature in model.preprocessing.by_column.values():
        if isinstance(feature, Boolean):
            meaning = {"yes": 1.0, "TRUE": 1.0, "Y": 1.0, "t": 1.0, "no": 0.0, "off": 0.0, "f": 0.0}
            found.append([literal(meaning.get(cell, math.nan)) for cell in columns[feature.name]])
        else:
            found.append([literal(cell) for cell in cells(feature, columns).tolist()])
    return [list(row) for row in zip(*found, strict=True)]


def rows_in_c(case: str, title: str, source: str, rows: list[list[str]]) -> list[str]:
    """The array `rows`, of structures or of numbers, within the function that is being written."""
    if case in ARRAYS:
        real = "float" if model_of(case).dtype == np.float32 else "double"
        end = "f" if real == "float" else ""
        entries = ["{" + ", ".join(f"{x!r}{end}" for x in row) + "}" for row in arrays().tolist()[: len(rows)]]
        return [f"const {real} rows[{len(rows)}][5] = {{{', '.join(entries)}}};"]
    names = members(source, f"{title}_row")
    entries = ["{" + ", ".join(f".{n} = {v}" for n, v in zip(names, row, strict=True)) + "}" for row in rows]
    return [f"const {title}_row rows[{len(rows)}] = {{", ",\n".join(entries), "};"]


def test_predictions_are_those_of_the_model(tmp_path: Path) -> None:
    """All cases in one program, each header included twice."""
    body = []
    for case in CASES:
        model = model_of(case)
        (path,) = export_model(model, "c", tmp_path / f"{case}.h")
        source = Path(path).read_text(encoding="utf-8")
        assert max(map(len, source.splitlines())) <= 110
        assert not any(word in source for word in ("malloc", "alloca(", "goto "))
        rows = values_of(case) if case not in ARRAYS else [[""]] * ROWS
        given = "rows[k]" if case in ARRAYS else "&rows[k]"
        body += ["{", *rows_in_c(case, case, source, rows), f"for (int k = 0; k < {ROWS}; ++k) {{"]
        real = "float" if model.dtype == np.float32 else "double"
        if model.classes:
            body += [
                f"{real} p[{len(model.classes)}];",
                f"put({case}_predict({given}, p));",
                f"for (int c = 0; c < {len(model.classes)}; ++c) put((double)p[c]);",
            ]
        elif model.outputs == 1:
            body.append(f"put({case}_predict({given}));")
        else:
            body += [
                f"double p[{model.outputs}];",
                f"{case}_predict({given}, p);",
                f"for (int c = 0; c < {model.outputs}; ++c) put(p[c]);",
            ]
        body += ['printf("\\n");', "}", "}"]
    found = run(tmp_path, body, list(CASES))
    for place, case in enumerate(CASES if found else ()):
        lines = np.array(found[place * ROWS : (place + 1) * ROWS])
        if model_of(case).classes:
            labels = [model_of(case).classes[int(k)] for k in lines[:, 0]]
            assert_equal(case, labels, lines[:, 1:])
        else:
            assert_equal(case, lines[:, 0] if model_of(case).outputs == 1 else lines, None)
        assert TOLERANCE[model_of(case).dtype.name] <= 1e-5


def test_numbers_that_the_model_refuses(tmp_path: Path) -> None:
    body = []
    for case in ("layers", "single", "binary", "regression", "quantiles"):
        (path,) = export_model(model_of(case), "c", tmp_path / f"{case}.h")
        rows = [[*row] for row in values_of(case)[:1]]
        rows[0][list(COLUMNS).index("x")] = "INFINITY"
        real = "float" if case == "single" else "double"
        body += ["{", *rows_in_c(case, case, Path(path).read_text(encoding="utf-8"), rows), f"{real} p[3];"]
        if case == "regression":
            body.append("put(regression_predict(rows)); (void)p;")
        else:
            body.append(f"put({case}_predict(rows, p));" if model_of(case).classes else f"{case}_predict(rows, p);")
            body.append("put((double)p[0]);")
        body += ['printf("\\n");', "}"]
    found = run(tmp_path, body, ["layers", "single", "binary", "regression", "quantiles"])
    if found:
        assert [str(line) for line in found] == ["[-1.0, nan]"] * 3 + ["[nan]"] * 2


def test_classes_and_levels_are_the_same_bytes(tmp_path: Path) -> None:
    export_model(model_of("layers"), "c", tmp_path / "layers.h")
    body = [
        "for (int k = 0; k < 3; ++k) {",
        '    for (const char *c = layers_classes[k]; *c; ++c) printf("%d ", (int)(unsigned char)*c);',
        '    printf("\\n");',
        "}",
    ]
    found = run(tmp_path, body, ["layers"])
    if found:
        assert [bytes(int(x) for x in line).decode() for line in found] == list(model_of("layers").classes)


def test_every_spelling_of_a_number_is_the_level_that_it_is_to_the_model(tmp_path: Path) -> None:
    preprocessing = Preprocessing((SPELLED,))
    network = Architecture(preprocessing.width, (2,), 1)
    model = Model.of(network, network.initial(0), preprocessing, NumberTarget("t", 0.0, 1.0))
    export_model(model, "c", tmp_path / "spelled.h")
    body = [
        f"const spelled_row rows[{len(TEXTS)}] = {{{', '.join(f'{{{literal(text)}}}' for text in TEXTS)}}};",
        f"double x[{preprocessing.width}];",
        f"for (int k = 0; k < {len(TEXTS)}; ++k) {{",
        "    spelled_encode(rows + k, x);",
        f"    for (int j = 0; j < {preprocessing.width}; ++j) put(x[j]);",
        '    printf("\\n");',
        "}",
    ]
    found = run(tmp_path, body, ["spelled"])
    if found:
        np.testing.assert_array_equal(found, preprocessing.encode({"c": list(TEXTS)}))


def test_dates_can_be_written_as_such(tmp_path: Path) -> None:
    export_model(model_of("layers"), "c", tmp_path / "layers.h")
    moments = [
        "1970-01-01T00:00:00",
        "2024-02-29T23:11:05",
        "1969-12-31T00:00:01",
        "1900-03-01T12:00:00",
        "0001-01-01T00:00:00",
    ]
    body = []
    for moment in moments:
        numbers = ", ".join(str(int(piece)) for piece in re.split(r"[-T:]", moment))
        body.append(f'printf("%lld\\n", (long long)layers_seconds({numbers}));')
    found = run(tmp_path, body, ["layers"])
    if found:
        assert [line[0] for line in found] == [float(np.datetime64(m, "s").astype(np.int64)) for m in moments]


# Training -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Warm(cr.Optimizer):
    """Remembers something that is not zero at first."""

    learning_rate: float = 0.1

    def state(self, parameter: Any) -> Mapping[str, Any]:
        return {"scale": np.ones_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        return parameter - scalars["learning_rate"] * state["scale"] * gradient, {"scale": 0.9 * state["scale"]}


@dataclass(frozen=True)
class HeavyBall(cr.Optimizer):
    """Polyak 1964: remembers where it was, so that the old parameter is needed when the new one is there."""

    learning_rate: float = 0.02
    momentum: float = 0.5

    def state(self, parameter: Any) -> Mapping[str, Any]:
        return {"previous": np.zeros_like(parameter), "total": np.zeros_like(parameter)}

    def update(
        self, parameter: Any, gradient: Any, state: Mapping[str, Any], scalars: Mapping[str, Any]
    ) -> tuple[Any, Mapping[str, Any]]:
        moved = scalars["momentum"] * (parameter - state["previous"]) - scalars["learning_rate"] * gradient
        total = state["total"] + 0.1 * parameter
        return parameter + moved - 0.01 * total, {"previous": parameter, "total": total}


OPTIMIZERS: dict[str, Any] = {
    "heavy ball": HeavyBall(),
    "sgd": True,
    "momentum": cr.SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
    "scikit": MomentumSGD(0.05),
    "adam": cr.Adam(0.01, amsgrad=True),
    "adamw": cr.AdamW(0.01, clip_norm=0.5),
    "nadam": cr.NAdam(0.01),
    "rmsprop": cr.RMSprop(0.01, momentum=0.5, centered=True),
    "scheduled": cr.SGD(cr.schedules.Cosine(0.1, 20)),
}
TRAINED = [
    ("regression", "sgd"),
    ("binary", "momentum"),
    ("layers", "adam"),
    ("batches", "adamw"),
    ("quantiles", "rmsprop"),
    ("counts", "nadam"),
    ("formulas", "scikit"),
    ("arrays", "scheduled"),
    ("single", "sgd"),
    ("single_number", "nadam"),
    ("linear", "adam"),
    ("dropout", "momentum"),
    ("linear", "heavy ball"),
    ("dropout_single", "sgd"),
]


def targets_of(case: str) -> np.ndarray[Any, Any]:
    """Classes by their places, or numbers in the units of the table."""
    model = model_of(case)
    random = np.random.default_rng(5)
    if model.classes:
        return random.integers(0, len(model.classes), BATCH * STEPS)
    columns = model.loss.input("y").type.shape[1] if model.loss is not None else 1
    values = random.uniform(0.5, 4.0, (BATCH * STEPS, int(str(columns))))
    target = model.target
    return values if target is None or case == "counts" else np.asarray(target.decode(values))  # type: ignore[arg-type]


def natively(case: str, optimizer: Any, X: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What is learnt after `STEPS` steps of the engine, each on a batch of its own."""
    model = model_of(case)
    assert model.loss is not None
    learnt = {node.name for node in model.loss.inputs} & set(model.params)
    params: dict[str, Any] = {name: model.params[name] for name in model.params if name in learnt}
    given = targets_of(case)
    type_ = model.loss.input("y").type
    y: Any = given
    if isinstance(model.target, NumberTarget):
        y = ((given - model.target.mean) / model.target.scale).astype(model.dtype)
    elif type_.dtype.is_float:
        y = given[:, None].astype(model.dtype) if model.classes else given.astype(model.dtype)
    constants = {"alpha": 0.1} if case == "regression" else {}
    result = cr.fit(
        model.loss,
        params,
        {"X": X.astype(model.dtype), "y": y},
        cr.SGD(0.02) if optimizer is True else optimizer,
        epochs=1,
        batch_size=BATCH,
        shuffle=False,
        constants=constants,
    )
    return dict(result.params)


def test_steps_of_training_are_those_of_the_engine(tmp_path: Path) -> None:
    body: list[str] = []
    headers = []
    for case, name in TRAINED:
        model = model_of(case)
        title = f"{case}_{name}".replace(" ", "_")
        (path,) = export_model(model, "c", tmp_path / f"{title}.h", train=OPTIMIZERS[name])
        source = Path(path).read_text(encoding="utf-8")
        headers.append(title)
        body += training_in_c(case, title, source, rate="0.02" if name == "sgd" else None)
    found = iter(run(tmp_path, body, headers, "".join(f"#define {t.upper()}_ROWS {BATCH}\n" for t in headers)))
    for case, name in TRAINED if COMPILER else ():
        model = model_of(case)
        X = arrays()[: BATCH * STEPS]
        if model.preprocessing is not None:
            X = model.preprocessing.encode({n: c[: BATCH * STEPS] for n, c in TAME.items()}, dtype=model.dtype)
        losses = next(found)
        weights = next(found)
        wanted = natively(case, OPTIMIZERS[name], X)
        flat = np.concatenate([np.ravel(wanted.get(n, model.params[n])) for n in model.params])
        tolerance = 1e-10 if model.dtype == np.float64 else 2e-5
        np.testing.assert_allclose(weights, flat, rtol=tolerance, atol=tolerance, err_msg=f"{case} {name}")
        assert len(losses) == STEPS
        assert np.isfinite(losses).all()


@pytest.mark.parametrize("kind", ["table", "arrays", "single"])
def test_statistics_of_normalized_batches_are_those_of_the_project(kind: str, tmp_path: Path) -> None:
    """After steps that moved the weights; predictions are by the new ones."""
    source = model_of("batches")
    table = kind == "table"
    settings = {"hidden": (5, 4), "outputs": 3, "loss": "cross_entropy", "normalization": "batch"}
    network = Architecture(
        source.preprocessing.width if table and source.preprocessing else 5,
        activations="elu",
        dtype="float32" if kind == "single" else "float64",
        **settings,  # type: ignore[arg-type]
    )
    params = network.initial(3)
    statistics = {name: np.ones(shape, network.dtype) for name, shape in network.statistics.items()}
    model = Model.of(network, {**params, **statistics}, source.preprocessing if table else None, source.target)
    (path,) = export_model(model, "c", tmp_path / "net.h", train=True)
    header = Path(path).read_text(encoding="utf-8")
    assert "Call net_statistics after the last step, before predictions." in header
    real = "float" if kind == "single" else "double"
    if table:
        rows = rows_in_c("batches", "net", header, values_of("batches", TAME))
    else:
        rows = rows_in_c("dropout_single" if kind == "single" else "arrays", "net", header, [[""]] * ROWS)
    given = ["rows", "&rows[0]"] if table else ["&rows[0][0]", "rows[0]"]
    body = [
        *rows,
        "static net_work work;",
        "net_weights weights = net_trained;",
        f"{real} p[3];",
        f"const {real} *all = (const void *)&weights.W1;",
        f"static const int classes[16] = {{{', '.join(str(k % 3) for k in range(16))}}};",
        f"for (int k = 0; k < 20; ++k) (void)net_train(&weights, &work, {given[0]}, classes, 0.1);",
        f"net_statistics(&weights, {given[0]}, {ROWS});",
        "for (size_t k = 0; k < sizeof weights / sizeof *all; ++k) put((double)all[k]);",
        'printf("\\n");',
        f"(void)net_predict(&weights, {given[1]}, p);",
        "for (int k = 0; k < 3; ++k) put((double)p[k]);",
        'printf("\\n");',
    ]
    found = run(tmp_path, body, ["net"])
    if found:
        flat, predicted = map(np.array, found)
        sizes = np.cumsum([array.size for array in model.params.values()])[:-1]
        pieces = np.split(flat.astype(network.dtype), sizes)
        moved = {n: x.reshape(model.params[n].shape) for n, x in zip(model.params, pieces, strict=True)}
        assert not np.allclose(moved["W1"], params["W1"])
        X = arrays().astype(network.dtype)
        if table and model.preprocessing is not None:
            X = model.preprocessing.encode(TAME, dtype=model.dtype)
        tolerance = 1e-10 if kind != "single" else 1e-4
        for name, wanted in population(network, moved, X).items():
            np.testing.assert_allclose(moved[name], wanted, rtol=tolerance, atol=tolerance, err_msg=name)
        again = Model.of(network, moved, model.preprocessing, model.target)
        np.testing.assert_allclose(predicted, again.predict_encoded(X[:1])[0], rtol=tolerance, atol=tolerance)


def training_in_c(case: str, title: str, source: str, rate: str | None) -> list[str]:
    """Statements that make `STEPS` steps and print losses and weights."""
    model = model_of(case)
    targets = targets_of(case)
    rows = (values_of(case, TAME) if case not in ARRAYS else [[""]] * ROWS)[: BATCH * STEPS]
    lines = [line.replace(f"{case}_row", f"{title}_row") for line in rows_in_c(case, title, source, rows)]
    kind = "int" if model.classes else "double" if model.target is not None or model.dtype == np.float64 else "float"
    values = ", ".join(map(repr, targets.ravel().tolist()))
    width = targets.shape[1] if targets.ndim > 1 else 1
    memory = f"{title}_memory" in source
    arguments = ["&weights", *(["&memory"] if memory else []), "&work"]
    arguments.append(f"&rows[{BATCH} * k]" if case not in ARRAYS else f"rows[{BATCH} * k]")
    arguments.append(f"&targets[{BATCH * width} * k]")
    if re.search(r"double learning_rate\) \{", source):
        arguments.append(rate or source.partition(f"{title}_train(&weights")[2].partition(");")[0].rpartition(", ")[2])
    fields = members(source, f"{title}_weights")
    size = sum(array.size for array in model.params.values())
    return [
        "{",
        *lines,
        f"static const {kind} targets[] = {{{values}}};",
        f"static {title}_work work;",
        f"{title}_weights weights = {title}_trained;",
        *([f"{title}_memory memory;", f"{title}_start(&memory);"] if memory else []),
        f"for (int k = 0; k < {STEPS}; ++k) put((double){title}_train({', '.join(arguments)}));",
        'printf("\\n");',
        f"const {'float' if model.dtype == np.float32 else 'double'} *all = (const void *)&weights.{fields[0]};",
        f"for (int k = 0; k < {size}; ++k) put((double)all[k]);",
        'printf("\\n");',
        "}",
    ]


def test_what_a_step_needs_and_lacks_is_said(tmp_path: Path) -> None:
    plain = Architecture(3, (4,), 1)
    model = Model.of(plain, plain.initial(0))
    without = Model(model.program, model.params)
    with pytest.raises(ExportError, match="does not say what loss it was trained on; leave train out"):
        export_model(without, "c", tmp_path / "net.h", train=True)
    with pytest.raises(ExportError, match="train is a LBFGS; give True, or an optimizer"):
        export_model(model, "c", tmp_path / "net.h", train=cr.LBFGS())  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="what Warm remembers of a parameter does not start at 0"):
        export_model(model, "c", tmp_path / "net.h", train=Warm())
    with pytest.raises(ExportError, match="written in C alone, not for onnx"):
        export_model(model, "onnx", tmp_path / "net.onnx", train=True)
    assert list(tmp_path.iterdir()) == []
