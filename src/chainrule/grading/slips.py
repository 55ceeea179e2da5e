"""What changes have in common: those of a kind, and those that correct the same mistake in two lines."""

from __future__ import annotations

from chainrule.grading.edits import Edit


def is_of_name(name: str, edit: Edit) -> bool:
    """Whether a change reads the variable `name` instead of another."""
    return edit.kind == "operand" and edit.name == name


def is_of_shape(edit: Edit) -> bool:
    """Whether a change may leave the entries and give them another shape."""
    return edit.kind in ("shape", "axis", "missing sum", "extra sum")


def is_slip(known: tuple[str, str, int] | None, edit: Edit) -> bool:
    """Whether a change has in common with another what `slip` gives for that."""
    return slip(edit) == known


def slip(edit: Edit | None) -> tuple[str, str, int] | None:
    """Return what two changes have in common that correct the same mistake in two lines."""
    return None if edit is None else (edit.kind, edit.name, edit.cost)
