"""`chainrule predict`: apply a saved model to new rows, in batches."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import numpy as np

from chainrule.cli.errors import CommandError, check_outputs
from chainrule.cli.help import Command
from chainrule.cli.live import Live, showing
from chainrule.cli.output import say_line
from chainrule.cli.paths import limits_of, reading_options, table_path, unlimited_option
from chainrule.cli.sentences import language_option, say
from chainrule.cli.writing import FORMATS, Columns, columns_of, format_of, write_all
from chainrule.models import Model, load_model
from chainrule.tables import EmptyTableError, Notes, Source, open_table
from chainrule.words import Language, translated


@click.command("predict", cls=Command)
@click.argument("model_path", metavar="MODEL")
@click.argument("path", metavar="DATA", callback=table_path)
@click.option(
    "--output", metavar="FILE", help="Output file: .csv, .tsv, .jsonl or .parquet; by default CSV on standard output."
)
@click.option("--probabilities", is_flag=True, help="The probability of every class, not only of the predicted one.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="By default from the suffix of FILE.")
@reading_options
@unlimited_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@language_option
def command(
    model_path: str,
    path: str,
    output: str | None,
    probabilities: bool,
    kind: str | None,
    delimiter: str | None,
    encoding: str | None,
    sheet: str | None,
    query: str | None,
    unlimited: bool,
    as_json: bool,
    lang: Language,
) -> None:
    """Predict the target for each row of DATA, in the same order; - is standard input.

    Columns are found by name, in any order; others are ignored, and named on standard error, as are values that did not
    occur in training. Classes are in a column with the target's name; their probability is in the column "probability"
    (for a target with that name, "probability of probability"), or in one column per class, as in species=setosa. Rows
    are read and written in batches, so that a table of any length takes little memory.
    """
    if as_json and (output is not None or kind is not None):
        raise CommandError("--json prints to standard output; leave out --output and --format")
    kind = "json" if as_json else kind or format_of(output)
    check_outputs({"--output": output}, [model_path, path])
    if output is None and kind == "parquet":
        raise CommandError("--format parquet needs a file to write; add --output FILE.parquet")
    model = load_model(model_path)
    if model.preprocessing is None or model.target is None:
        raise CommandError(f"{model_path} takes arrays, not tables; in Python, load_model(path).predict(X) does")
    if probabilities and not model.classes:
        raise CommandError(f"--probabilities is for classes, and {model_path} predicts numbers; leave it out")
    notes = Notes()
    source = open_table(path, delimiter, limits_of(unlimited), encoding=encoding, sheet=sheet, query=query)
    notes.new = model.preprocessing.check_columns(source.names, path, model.target.name)
    with showing(lang, wanted=output is not None or not sys.stdout.isatty()) as live:
        parts = _predicted(model, source, notes, probabilities, live)
        write_all(parts, output, kind, {"target": model.target.name, "task": model.target.task})
    for sentence in (*source.notes, *notes.sentences()):
        click.echo(say(lang, "note", note=translated(sentence, lang)), err=True)
    if output is not None:
        say_line(say(lang, "wrote", rows=f"{notes.rows:,}", target=model.target.name, path=output))


def _predicted(model: Model, source: Source, notes: Notes, probabilities: bool, live: Live) -> Iterator[Columns]:
    """Yield the output columns of each batch; for a table without rows, empty columns."""
    try:
        for batch in source.batches():
            prediction = model.predict_frame(batch, notes)
            yield columns_of(model, prediction, probabilities)
            live.rows("predicting", notes.rows)
    except EmptyTableError:
        yield _no_cells(model, probabilities)


def _no_cells(model: Model, probabilities: bool) -> Columns:
    """Return the output columns with their kinds and no rows."""
    assert model.preprocessing is not None
    one = model.predict_encoded(np.zeros((1, model.preprocessing.width), model.dtype))
    columns = columns_of(model, model.decoded(one), probabilities)
    return {name: np.asarray(cells)[:0] for name, cells in columns.items()}
