"""`chainrule train`: train a network on a table."""

from __future__ import annotations

import math
import os
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from chainrule.cli import saving
from chainrule.cli.errors import CommandError, check_outputs
from chainrule.cli.help import Command
from chainrule.cli.live import showing
from chainrule.cli.output import print_json
from chainrule.cli.paths import check_page, limits_of, reading_options, table_path, unlimited_option
from chainrule.cli.plan import (
    parse_alphas,
    parse_drop,
    parse_kinds,
    parse_learning_rates,
    parse_widths,
)
from chainrule.cli.refitting import refit
from chainrule.cli.reporting import make_report
from chainrule.cli.sentences import language_option
from chainrule.cli.telling import print_report, print_task, record
from chainrule.cli.trials import Standing, adopt_interrupted, run_trials
from chainrule.engines import ALONE, Processes, check_divided, engine_name, get_engine, is_one_of_several, undivided
from chainrule.files import replacing
from chainrule.interrupts import INTERRUPTED
from chainrule.learners import (
    LEARNING_RATES,
    MOST_MEMBERS,
    SOLVER_NAMES,
    Data,
    Learner,
    Plan,
    learners,
    read_data,
    refits,
)
from chainrule.models import Checkpoint
from chainrule.networks import network_derivation, one_member
from chainrule.reports import Report, render_page
from chainrule.schema import POSITIVE, SHARE, checked
from chainrule.tables import Limits, without_password
from chainrule.training import UndividedWarning
from chainrule.words import ChainruleError, Language

HIDDEN = "100"
ALPHA = 3.0
SEARCHED_HIDDEN = (HIDDEN, "50", "200", "100,100", "200,100", "none")
SEARCHED_ALPHAS = (ALPHA, 0.1, 0.3, 1.0, 10.0, 30.0)
SEARCHED_RATES = (0.25, 4.0)
"""What `--time` searches among where an option is not given; the learning rates as factors of the default one."""
PATIENCE = 20
CHECKPOINT_SECONDS = 30.0


@click.command("train", cls=Command)
@click.argument("path", metavar="DATA", callback=table_path)
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="By default from the target.")
@click.option("--drop", metavar="COLUMNS", multiple=True, help="Columns to ignore, as in id,name.")
@click.option("--kind", "kinds", metavar="COLUMN=KIND", multiple=True, help="Kind of a column, as in zip=category.")
@reading_options
@click.option("--missing", metavar="WORD", multiple=True, help="A word or number that stands for no value, as in -999.")
@click.option("--decimal", metavar="MARK", help="comma or point, in numbers; detected by default for each column.")
@click.option("--thousands", metavar="MARK", help="comma, point, blank, apostrophe or none; detected by default.")
@click.option("--merge-spellings", is_flag=True, help="Take levels that differ only in case or blanks for one.")
@click.option(
    "--hidden", multiple=True, metavar="WIDTHS", help=f"Hidden layers, as in 32,32, or none; by default {HIDDEN}. (*)"
)
@click.option(
    "--learning-rate",
    "learning_rates",
    type=float,
    multiple=True,
    help="Learning rate; by default that of the solver. (*)",
)
@click.option("--alpha", "alphas", type=float, multiple=True, help=f"L2 penalty; by default {ALPHA}. (*)")
@click.option(
    "--time",
    type=float,
    metavar="SECONDS",
    help="Search for the best combination of hidden layers, learning rate and penalty, within about this time.",
)
@click.option("--activation", default="relu", show_default=True, metavar="NAME|FORMULA", help="Of hidden layers.")
@click.option("--output-activation", metavar="NAME|FORMULA", help="By default the one paired with the loss.")
@click.option("--loss", metavar="NAME|FORMULA", help="As in huber, quantile(0.1, 0.9), or abs(p - y)^1.5.")
@click.option("--solver", type=click.Choice(SOLVER_NAMES), default="adam", show_default=True)
@click.option("--epochs", type=click.IntRange(1, 10**9), help="Maximum; by default 400, fewer for large tables.")
@click.option("--batch-size", type=click.IntRange(1), help="Rows in a batch; by default 32, more for large tables.")
@click.option("--patience", type=click.IntRange(1), default=PATIENCE, show_default=True, help="Epochs to wait.")
@click.option(
    "--ensemble",
    type=click.IntRange(1, MOST_MEMBERS),
    help="Networks to train side by side and to average; by default 8, fewer for large tables.",
)
@click.option(
    "--refit/--no-refit",
    default=None,
    help="Train the saved network anew on all rows, also those held out for the scores; by default for tables that "
    "fit in memory.",
)
@click.option("--dropout", type=float, default=0.0, show_default=True, help="Fraction of hidden units to drop.")
@click.option("--normalization", type=click.Choice(["layer", "batch"]), help="Of hidden layers.")
@click.option("--class-weight", metavar="WEIGHTS", help="balanced, or as in yes=5,no=1.")
@click.option(
    "--validation",
    metavar="FILE",
    callback=table_path,
    help="A table for the scores, instead of a fifth of DATA.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Random seed.")
@click.option("--threads", type=click.IntRange(1), help="Maximum number; the result does not depend on it.")
@click.option(
    "--engine",
    type=click.Choice(["native", "xla", "auto"]),
    help="By default native; xla trains through JAX, on GPUs where it finds them; auto is xla if it finds one, or "
    "several processes.",
)
@click.option(
    "--rows",
    type=click.Choice(["all", "divided", "own"]),
    help="What each of several processes reads: all, by default; divided, its share of the files of DATA, a folder or "
    "a pattern; or own, a DATA of its own, its part of the table.",
)
@click.option("--save", metavar="MODEL", help="File for the model.")
@click.option("--checkpoint-every", type=float, metavar="SECONDS", help="By default every 30, with --save.")
@click.option("--resume", metavar="MODEL", help="A checkpoint to resume, with bitwise equal results.")
@click.option("--report", "page", metavar="FILE.html", help="Write a page with plots and the derivation.")
@unlimited_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@language_option
@click.pass_context
def command(
    context: click.Context,
    /,
    path: str,
    threads: int | None,
    save: str | None,
    checkpoint_every: float | None,
    resume: str | None,
    page: str | None,
    unlimited: bool,
    as_json: bool,
    lang: Language,
    **options: Any,
) -> int:
    """Train a network to predict one column of a table, and report its scores.

    DATA is CSV with any delimiter, a spreadsheet, Parquet, Arrow, JSON or an SQLite database, also compressed; a
    folder or a pattern of such files; or the address of a database; - is standard input. Categories, missing values
    and dates are encoded. A fifth of the rows is held out for the scores, and a few more for early stopping. With
    --validation FILE the scores are for all of its rows, and only the few are held out of DATA. The saved network is
    then trained anew on all rows of DATA, for the epochs found, unless --no-refit is given. Options marked (*) can be
    given more than once: each combination is trained, and the best is kept.

    With --time SECONDS, combinations are trained until the next one would not end in time: the first, then others in an
    order drawn by the seed, among usual ones where these options are not given.

    With --resume the settings are those of the checkpoint: DATA must be the same table; --epochs may be any number
    not below the epochs done, and options on how to run, save and report may change; the others may be omitted or
    repeated. With another --engine the result is the same up to rounding. With --rows divided or own there may be
    another number of processes, if the files are the same in the same order; the rows that follow are in another order.

    A formula for --loss is a function of the prediction p and the target y, in the target's units.

    With --engine xla, processes that srun, mpirun, torchrun or a Kubernetes Indexed Job starts train together; the
    first one prints and writes. Such processes are refused without it, unless --engine native is given.
    """
    every = _seconds(checkpoint_every, save or resume)
    if resume is None:
        plan, standing, checkpoint = _plan(options), None, None
    else:
        plan, standing, checkpoint = saving.load(resume)
        given = _read_plan({**options, "target": options["target"] or plan.target})
        _refuse_changes(context, given, plan)
        if given.validation is not None:
            plan = replace(plan, validation=given.validation)  # with the password, which no checkpoint holds
        if given.engine is not None:
            plan = replace(plan, engine=given.engine)
        if given.rows is not None:
            plan = replace(plan, rows=given.rows)
        plan = saving.more_epochs(plan, standing, options["epochs"], resume)
        save = save or resume
    _prepare_engine(plan, threads, alone=options["engine"] == "native")
    processes = get_engine(plan.engine or "native").processes
    if plan.solver == "lbfgs" and processes.count > 1:
        raise CommandError(f"--solver lbfgs is not for {processes.count} processes; start one, or give --solver adam")
    job = _Job(path, plan, threads, save, page, lang, as_json, checkpoint, limits_of(unlimited), processes)
    with processes.together(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UndividedWarning)  # it is told once
        if processes.leads:
            check_outputs({"--save": save, "--report": page}, [path, options["validation"]])
            check_page(page)
        processes.agreed("the beginning of the command")
        status = job.run(standing, every)
        processes.agreed("the end of the command")  # so that all fail if the first one cannot write
    return status


CHANGEABLE = frozenset(
    {
        "path",
        "threads",
        "save",
        "checkpoint_every",
        "resume",
        "page",
        "as_json",
        "lang",
        "epochs",
        "unlimited",
        "engine",
    }
)
"""Options that may change with `--resume`, besides how processes are given rows of their own."""


def _prepare_engine(plan: Plan, threads: int | None, *, alone: bool) -> None:
    """Raise CommandError for what does not fit the engine of `plan`; `alone` if each process is to train by itself."""
    if plan.engine == "xla":
        if threads is not None:
            raise CommandError("--threads is not for --engine xla, which uses all processors; leave it out")
        if hasattr(signal, "SIGPIPE"):
            # A connection to another process that is gone is reported; only standard output may end a command quietly.
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    elif not alone and is_one_of_several(os.environ):
        raise CommandError(
            "several processes were launched, and each would train by itself and write the same files; give --engine "
            "xla to train together, or --engine native if each has its own task"
        )


def _seconds(every: float | None, save: str | None) -> float:
    if every is None:
        return CHECKPOINT_SECONDS
    if save is None:
        raise CommandError("--checkpoint-every needs a file to write to; add --save MODEL")
    if not 0 <= every < math.inf:
        raise CommandError(f"--checkpoint-every is {every:g}; give a number of seconds, 0 or more")
    return every


def _refuse_changes(context: click.Context, given: Plan, plan: Plan) -> None:
    """Raise CommandError for an option that differs from the plan of the checkpoint."""
    changeable = CHANGEABLE if plan.reads_all or given.reads_all else CHANGEABLE | {"rows"}
    for parameter in context.command.params:
        name = str(parameter.name)
        if name in changeable or context.get_parameter_source(name) is not click.core.ParameterSource.COMMANDLINE:
            continue
        wanted = "shown_validation" if name == "validation" else name
        if getattr(given, wanted) != getattr(plan, wanted):
            raise CommandError(
                f"{parameter.opts[0]} differs from the checkpoint, whose settings --resume uses; leave "
                "it out, or train anew"
            )


def _plan(options: dict[str, Any]) -> Plan:
    plan = _read_plan(options)
    plan.check()
    if not plan.reads_all and plan.engine != "xla":
        raise CommandError(f"--rows {plan.rows} is for --engine xla, whose processes train together; give both or none")
    return plan


def _read_plan(options: dict[str, Any]) -> Plan:
    if options["target"] is None:
        raise CommandError("--target is missing; name the column to predict, as in --target price")
    validation, searches = options["validation"], options["time"] is not None
    widths = options["hidden"] or (SEARCHED_HIDDEN if searches else (HIDDEN,))
    rate = LEARNING_RATES.get(options["solver"])
    rates = (None, *(rate * factor for factor in SEARCHED_RATES)) if searches and rate else (None,)
    return Plan(
        target=options["target"],
        task=options["task"],
        drop=parse_drop(options["drop"]),
        kinds=parse_kinds(options["kinds"]),
        hidden=tuple(dict.fromkeys(map(parse_widths, widths))),
        learning_rates=parse_learning_rates(options["learning_rates"], rates),
        alphas=parse_alphas(options["alphas"], SEARCHED_ALPHAS if searches else (ALPHA,)),
        activation=options["activation"],
        output_activation=options["output_activation"],
        loss=options["loss"],
        dropout=checked("--dropout", options["dropout"], SHARE, CommandError),
        normalization=options["normalization"],
        solver=options["solver"],
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        patience=options["patience"],
        class_weight=options["class_weight"],
        validation=None if validation is None else os.fspath(validation),
        delimiter=options["delimiter"],
        missing=options["missing"] or None,
        decimal=options["decimal"],
        thousands=options["thousands"],
        merge_spellings=options["merge_spellings"] or None,
        encoding=options["encoding"],
        sheet=options["sheet"],
        query=options["query"],
        seed=options["seed"],
        engine=None if (engine := options["engine"]) is None else "xla" if engine_name(engine) == "xla" else "native",
        rows=options["rows"],
        ensemble=options["ensemble"],
        refit=options["refit"],
        time=None if options["time"] is None else checked("--time", options["time"], POSITIVE, CommandError),
    )


def _failure_of(writing: Callable[[], None]) -> list[ChainruleError]:
    """Return the error that prevented a file from being written, if any."""
    try:
        writing()
    except ChainruleError as error:
        return [error]
    return []


def _divisible(plan: Plan, data: Data) -> tuple[Plan, Data]:
    """Return the plan to resume with batches that divide over today's devices, if these have rows of their own."""
    given, devices = plan.batch_size, data.processes.devices
    if data.processes.count == 1 or given is None or given % devices == 0 or given >= data.row_count:
        return plan, data
    size = -(-given // devices) * devices
    note = (
        f"batches of {given} rows do not divide over {devices} devices that have their own rows; they are of {size} now"
    )
    return replace(plan, batch_size=size), _with_note(data, note)


def _with_note(data: Data, note: str) -> Data:
    return replace(data, prepared=replace(data.prepared, notes=(*data.prepared.notes, note)))


@dataclass
class _Job:
    """One run of the command."""

    path: str
    plan: Plan
    threads: int | None
    save: str | None
    page: str | None
    lang: Language
    as_json: bool
    checkpoint: Checkpoint | None
    limits: Limits | None
    processes: Processes

    @property
    def shown(self) -> str:
        """The path of the table, or the address of a database without its password, as it is told."""
        return without_password(self.path)

    def run(self, standing: Standing | None, every: float) -> int:
        started = time.perf_counter()
        leads = self.processes.leads
        with showing(self.lang, leads=leads) as live:
            parted = not self.plan.reads_all
            sharing = self.processes if parted else ALONE
            data = read_data(self.path, self.plan, live.rows, self.limits, sharing)
            plan = self.plan
            if self.checkpoint is not None:
                self.checkpoint.check_data(data.prepared.fingerprint, self.shown, parted)
                plan, data = _divisible(plan, data)
            candidates = learners(plan, data)
            if self.checkpoint is not None:
                saving.check_learner(candidates[(standing and standing.best) or 0], self.checkpoint)
            live.close()
            batch = min(candidates[0].settings.batch_size or data.row_count, data.row_count)
            devices = self.processes.devices
            if sharing.count > 1:
                check_divided(batch, data.row_count, devices)
            computed_by_each = None if parted else undivided(batch, devices)
            if computed_by_each is not None:
                data = _with_note(data, computed_by_each)
            if leads and not self.as_json:
                print_task(self.shown, self.plan, data, candidates, self.lang)
            keeper = None
            if leads and self.save is not None:
                keeper = saving.Keeper(self.save, self.plan, data, candidates, live.warn)
            keep = None if keeper is None else keeper.checkpoint
            seconds = self.plan.time or math.inf
            standing = run_trials(candidates, data, live, self.threads, standing, keep, every, seconds)
            if self.save is not None and not standing.interrupted and refits(self.plan, data):
                refit(standing, candidates, data, live, self.threads, keep)
        interrupted = standing.interrupted
        if not leads:
            return INTERRUPTED if interrupted else 0
        if interrupted:
            adopt_interrupted(standing, candidates, data)
        best = candidates[standing.best or 0]
        with showing(self.lang) as live:
            live.rows("scoring", len(data.y_held))
            report = make_report(
                self.shown,
                self.plan,
                data,
                best,
                standing,
                self.save,
                self.page is not None,
                self.as_json,
                self.lang,
            )
        failures = []
        if keeper is not None and not interrupted:
            failures += _failure_of(lambda: keeper.finish(standing, report))
        if self.page is not None:
            failures += _failure_of(lambda: self._write_page(report, best))
        if failures:  # the result is reported nevertheless
            report = replace(report, saved=None)
        page = None if failures else self.page
        if self.as_json:
            print_json(record(report, page, time.perf_counter() - started))
        else:
            print_report(report, page, self.lang, standing.interruption)
        if failures:
            raise failures[0]
        return INTERRUPTED if interrupted else 0

    def _write_page(self, report: Report, best: Learner) -> None:
        assert self.page is not None
        architecture, _ = one_member(best.architecture, {})
        derivation = network_derivation(architecture, letters=True).html(lang=self.lang, standalone=False)
        with replacing(self.page) as stream:
            stream.write(render_page(report, derivation, self.lang).encode())
