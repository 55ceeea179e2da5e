"""Write four of scikit-learn's tables as CSV files, for use with `chainrule train`.

python examples/export_tables.py tables
chainrule train tables/iris.csv --target species
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

TABLES: dict[str, tuple[Callable[[], Any], str]] = {
    "iris": (load_iris, "species"),
    "wine": (load_wine, "cultivar"),
    "breast_cancer": (load_breast_cancer, "diagnosis"),
    "diabetes": (lambda: load_diabetes(scaled=False), "progression"),
}
"""The loader of each table, and the name of the target column."""


def export(folder: Path) -> list[Path]:
    """Write every table to `folder`, which is created if necessary; return the paths. Classes are written by name."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (load, target) in TABLES.items():
        table = load()
        classes = getattr(table, "target_names", None)
        labels = table.target if classes is None else [str(classes[label]) for label in table.target]
        header = [str(feature).replace(" (cm)", "").replace(" ", "_") for feature in table.feature_names]
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow([*header, target])
            writer.writerows([*row, label] for row, label in zip(table.data.tolist(), labels, strict=True))
        paths.append(path)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default="tables", type=Path)
    for written in export(parser.parse_args().folder):
        print(written)
