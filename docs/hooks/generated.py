"""Tables of the reference, generated from the package when the site is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

from chainrule import cli
from chainrule.gallery import GALLERY
from chainrule.networks.activations import ACTIVATIONS, ALIASES
from chainrule.networks.losses import LOSS_TYPES
from chainrule.primitives import UFUNCS
from chainrule.trace.arrangement import ARRANGEMENT
from chainrule.trace.choices import CHOICES
from chainrule.trace.constructors import CONSTRUCTORS, CONVERSIONS
from chainrule.trace.elementwise import ELEMENTWISE
from chainrule.trace.formula.vocabulary import VOCABULARY
from chainrule.trace.joining import JOINING
from chainrule.trace.linear_algebra import LINEAR_ALGEBRA
from chainrule.trace.mapping import CALLING
from chainrule.trace.methods import METHODS
from chainrule.trace.namespaces import NAMESPACES, Standing, names, standing
from chainrule.trace.norms import NORMS
from chainrule.trace.order import ORDER
from chainrule.trace.padding import pad
from chainrule.trace.products import PRODUCTS
from chainrule.trace.reductions import REDUCTIONS
from chainrule.trace.running import RUNNING
from chainrule.trace.series import SERIES
from chainrule.trace.spacing import SPACING
from chainrule.trace.traced import Traced
from chainrule.trace.ufuncs import UFUNC_CALLS, UFUNC_METHODS
from chainrule.trace.vocabulary import name_of

ROOT = Path(__file__).parents[2]


def _row(*cells: str) -> str:
    """Write cells of text or of code, in which a bar does not end a cell."""
    return f"| {' | '.join(cell if cell.startswith('`') else cell.replace('|', '&#124;') for cell in cells)} |\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heads = list(heads)
    return _row(*heads) + _row(*["---"] * len(heads)) + "".join(_row(*row) for row in rows)


def _listed(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(f"`{prefix}{name}`" for name in sorted(names))


def numpy_functions() -> str:
    """NumPy's functions that can be traced."""
    groups: list[tuple[str, str]] = [("elementwise", _listed(UFUNC_CALLS, "np."))]
    tables: Mapping[str, Mapping[Callable[..., Any], object]] = {
        "elementwise, not ufuncs": ELEMENTWISE,
        "reductions": REDUCTIONS,
        "products": PRODUCTS,
        "arrangement": ARRANGEMENT,
        "joining, splitting and repeating": {**JOINING, np.pad: pad},
        "choice": CHOICES,
        "order": ORDER,
        "products over axes": RUNNING,
        "series": SERIES,
        "numbers in between": SPACING,
        "of a function": CALLING,
        "linear algebra": {**LINEAR_ALGEBRA, **NORMS},
    }
    groups += [(title, _listed(set(map(name_of, table)), "np.")) for title, table in tables.items()]
    groups.append(("constructors, also of named sizes", _listed(CONSTRUCTORS, "np.")))
    groups.append(("conversions, also of lists of traced values", _listed(CONVERSIONS, "np.")))
    methods = [f"{name}.{method}" for method, table in UFUNC_METHODS.items() for name in table]
    groups.append(("methods of ufuncs", _listed(methods, "np.")))
    public = [name for name in dir(Traced) if not name.startswith("_") and hasattr(np.ndarray, name)]
    known = {*public, *METHODS} - {"item", "tolist"}
    groups.append(("attributes and methods of arrays", _listed(known, ".")))
    return _table(("kind", "names"), groups)


def numpy_namespaces() -> str:
    """Every public name of NumPy, by what becomes of it."""
    rows = []
    for namespace in NAMESPACES:
        found: dict[tuple[str, str], list[str]] = {}
        for name in names(namespace):
            known = standing(namespace, name)
            if known is not None:
                found.setdefault((known[0].value, known[1]), []).append(name)
        prefix = "." if namespace == "ndarray" else f"{namespace}."
        order = [each.value for each in Standing]
        for (what, reason), group in sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[1])):
            rows.append((f"{what}: {reason}" if reason else what, _listed(group, prefix)))
    return _table(("", "names"), rows)


def formula_functions() -> str:
    """The functions of formulas."""
    rows = []
    for name, function in sorted(VOCABULARY.items()):
        count = str(function.least) if function.least == function.most else f"{function.least} to {function.most}"
        rows.append((f"`{name}`", count, _listed(function.options) or "–"))
    return _table(("function", "arrays", "options"), rows)


def gallery() -> str:
    """The entries of the gallery."""
    return _table(
        ("name", "", "arguments"),
        (
            (
                f"`gallery:{name}`",
                entry.title,
                ", ".join(f"`{word}`" for word in inspect.signature(entry.function).parameters),
            )
            for name, entry in GALLERY.items()
        ),
    )


def activations() -> str:
    """The named activations."""
    aliases = {name: [alias for alias, meant in ALIASES.items() if meant == name] for name in ACTIVATIONS}
    rows = ((f"`{name}`", _listed(aliases[name]) or "–") for name in ACTIVATIONS)
    return _table(("activation", "also called"), rows)


def losses() -> str:
    """The named losses, with their parameters."""
    rows = []
    for name, kind in LOSS_TYPES.items():
        parameters = ", ".join(f"`{field.name}`" for field in fields(kind)) or "–"
        rows.append((f"`{name}`", parameters, (inspect.getdoc(kind) or "").splitlines()[0]))
    return _table(("loss", "parameters", ""), rows)


def commands() -> str:
    """The commands, with their options."""
    app = cli.app
    context = click.Context(app, info_name="chainrule", **app.context_settings)
    return "\n".join(_command(app.get_command(context, name), name, context) for name in app.list_commands(context))


def _command(command: click.Command, name: str, parent: click.Context) -> str:
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    paragraphs = inspect.cleandoc(command.help or "")
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            rows.append((f"`{record[0]}`", record[1]))
    usage = f"```text\nchainrule {name} {usage}\n```"
    return f"## chainrule {name}\n\n{usage}\n\n{paragraphs}\n\n{_table(('option', ''), rows)}"


def primitive() -> str:
    """The source of a primitive."""
    return f"```python\n{inspect.getsource(UFUNCS['sin'])}```"


def changelog() -> str:
    """The changelog in the repository."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "activations": activations,
    "changelog": changelog,
    "commands": commands,
    "formula_functions": formula_functions,
    "gallery": gallery,
    "losses": losses,
    "numpy_functions": numpy_functions,
    "numpy_namespaces": numpy_namespaces,
    "primitive": primitive,
}
"""By the name in a comment `<!-- generated: NAME -->`."""
