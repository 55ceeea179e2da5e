"""`chainrule predict`: a saved model on new rows."""

from __future__ import annotations

import csv
import io
import sys

import click
import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.cli.models import Model, load_model
from chainrule.cli.output import print_json, say_line
from chainrule.cli.preparation import read_features
from chainrule.cli.sentences import Language, language_option, say
from chainrule.cli.tables import Table, read_table
from chainrule.files import check_writable, replacing
from chainrule.training import nearest


@click.command("predict")
@click.argument("model_path", metavar="MODEL.npz")
@click.argument("path", metavar="DATA.csv")
@click.option("--output", metavar="FILE", help="Where to write; standard output by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of CSV.")
@language_option
def command(model_path: str, path: str, output: str | None, as_json: bool, lang: Language) -> None:
    """Predict the target for each row of DATA.csv, as CSV with a header.

    Columns are found by name, in any order; others are ignored. Classes come with their probability.
    """
    if output is not None:
        if as_json:
            raise CommandError("--json prints to standard output; leave out --output")
        check_writable(output)
    model = load_model(model_path)
    table = read_table(path)
    _check_columns(table, model)
    predicted = model.predict(read_features(table, model.features))
    if not np.isfinite(predicted).all():
        row = int(np.flatnonzero(~np.isfinite(predicted).reshape(len(predicted), -1).all(axis=1))[0])
        raise CommandError(f"{path}, row {row + 1} (line {table.lines[row]}) holds numbers too large for this model")
    header, rows = _rows(model, predicted)
    if as_json:
        record = {"target": model.target, "predictions": [row[0] for row in rows]}
        if model.classes:
            record["probabilities"] = [float(p) for p in predicted.max(axis=1)]
        print_json(record)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    if output is None:
        sys.stdout.write(text.getvalue())
        return
    with replacing(output) as stream:
        stream.write(text.getvalue().encode())
    say_line(say(lang, "wrote", rows=f"{len(rows):,}", target=model.target, path=output))


def _check_columns(table: Table, model: Model) -> None:
    missing = [name for name in model.features if name not in table.columns]
    if missing:
        others = [name for name in table.columns if name not in model.features]
        hint = nearest(missing[0], others) if len(missing) == 1 else ""
        listed = ", ".join(repr(name) for name in missing[:10]) + (", …" if len(missing) > 10 else "")
        what = "the column" if len(missing) == 1 else f"{len(missing)} columns:"
        raise CommandError(f"{table.path} lacks {what} {listed}, which the model was trained on{hint}")


def _rows(model: Model, predicted: NDArray[np.float64]) -> tuple[list[str], list[tuple[object, ...]]]:
    if not model.classes:
        return [model.target], [(float(value),) for value in predicted]
    chosen, chances = predicted.argmax(axis=1), predicted.max(axis=1)
    header = [model.target, "probability"]
    return header, [(model.classes[k], f"{p:.6f}") for k, p in zip(chosen, chances, strict=True)]
