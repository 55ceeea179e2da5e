"""Indices of printed values: elements, slices, labels, new axes."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence

import numpy as np

from chainrule.derivation.readback.cursor import Cursor, is_range, unset
from chainrule.derivation.readback.tokens import Token
from chainrule.derivation.readback.values import (
    Array,
    ChainFactorError,
    Meaning,
    Open,
    ReadingError,
    UnknownNotationError,
    Value,
    elementwise,
    known,
)


class Indices(Cursor, ABC):
    """Evaluates indices of values."""

    def _item(self, base: Meaning, token: Token, first: Token, plain: bool) -> Meaning:
        """Evaluate an element, a slice, or elements selected by labels; `1[x > 0]` is an indicator."""
        if plain and first.kind == "number" and first.number == 1 and unset(token.entries[0]) != "∗":
            value = self._inner(token.entries[0])
            if value.data.dtype != bool or len(token.entries) > 1:
                raise ReadingError("1 has no entries")
            return elementwise(lambda data: np.asarray(data, float), value)
        if (
            token.entries == ("direct",)
            or token.entries == ("\\mathrm{direct}",)
            or token.entries == ("\\mathit{direct}",)
        ):
            raise ChainFactorError
        if isinstance(base, Open) and plain and first.text == self._around.identity and len(token.entries) == 2:
            row, column = map(self._inner, token.entries)
            return elementwise(lambda i, j: np.asarray(i == j, float), row, column)
        if isinstance(base, Open):
            return self._opened_item(base, token, first)
        value = known(base)
        entries = [unset(entry) if is_range(entry) or "ast" in entry else entry for entry in token.entries]
        kept = sum(entry != "∗" for entry in entries)
        if kept > value.ndim or value.is_row or not self._leave_free(value, entries):
            raise ReadingError(f"{len(entries)} indices of shape {value.shape}")
        picked: list[tuple[int, Array]] = []
        axis = 0
        data = value.data
        free: set[int] = set()
        before = 0
        ahead = 0  # entries that an earlier one was read with
        for position, entry in enumerate(entries):
            at = axis + value.letters
            if ahead:
                ahead -= 1
                before += 1
                continue
            is_free = entry != "∗" and before in value.free
            before += entry != "∗"
            if is_free and entry == ":":
                free.add(axis)
            if entry == "∗":
                data = np.expand_dims(data, at)
                free.add(axis)
                axis += 1
            elif is_range(entry):
                data = data[(slice(None),) * at + (self._range(entry),)]
                axis += 1
            else:
                index = self._inner(entry)
                if index.letters and (index.ndim or value.data.shape[: value.letters] != (1,) * value.letters):
                    raise UnknownNotationError("labels at an index")
                if index.letters:
                    picked.append((axis, index.data))
                    axis += 1
                else:
                    together = [index, *self._paired_with(index, entries[position + 1 :])]
                    chosen = [_integers(each.data) for each in together]
                    for array, size in zip(chosen, data.shape[at:], strict=False):
                        if np.any(array >= size) or np.any(array < -size):
                            raise ReadingError(f"{entry} is beyond the end of shape {value.shape}")
                    data = np.asarray(data[(slice(None),) * at + tuple(chosen)])
                    axis += index.ndim
                    ahead = len(together) - 1
        if not picked:
            free |= {k + axis - before for k in value.free if k >= before}
            return Value(data, value.letters, frozenset(free))
        if free:
            raise UnknownNotationError("a new axis at an index")
        own = data.reshape(data.shape[value.letters :])
        places = [place for place, _ in picked]
        others = [k for k in range(own.ndim) if k not in places]
        own = np.transpose(own, places + others)
        indices, inside = [], np.asarray(True)
        for k, (_, place) in enumerate(picked):
            integers = _integers(np.where(np.isnan(place), -1, place))  # an index that was out of range
            inside = inside & (integers >= 0) & (integers < own.shape[k])
            indices.append(np.clip(integers, 0, max(own.shape[k] - 1, 0)))
        found = own[tuple(np.broadcast_arrays(*indices))]
        if not np.all(inside):
            mask = np.broadcast_to(inside, found.shape[: value.letters]).reshape(inside.shape + (1,) * len(others))
            found = np.where(mask, found, np.nan)
        return Value(found, value.letters)

    def _paired_with(self, index: Value, following: Sequence[str]) -> list[Value]:
        """Return the arrays of indices after `index` whose elements belong to its own, as in NumPy."""
        found: list[Value] = []
        for entry in following if index.ndim else ():
            if entry == "∗" or is_range(entry):
                break
            each = self._inner(entry)
            if each.shape != index.shape or each.letters:
                break
            found.append(each)
        return found

    def _opened_item(self, base: Open, token: Token, first: Token) -> Open:
        """Index a value of unknown sizes."""
        ndim, ahead = base.ndim, 0
        for place, entry in enumerate(token.entries):
            if ahead:
                ndim, ahead = ndim - 1, ahead - 1
            elif unset(entry) == "∗":
                ndim += 1
            elif not is_range(entry):
                if self._around.letters:
                    raise UnknownNotationError("an element of what has an unknown size")
                index = self._inner(entry)
                ndim += index.ndim - 1
                ahead = len(self._paired_with(index, [unset(each) for each in token.entries[place + 1 :]]))
        inside = base.inside
        return Open(lambda *n: known(self._item(base.make(*n), token, first, plain=False)), base.unknown, ndim, inside)

    def _leave_free(self, value: Value, entries: Sequence[str]) -> bool:
        """Whether one element, or all, are selected along the axes of any length."""
        own = [entry for entry in entries if entry != "∗"]
        return all(entry in (":", "0") for k, entry in enumerate(own) if k in value.free)

    def _range(self, entry: str) -> slice:
        parts = entry.split(":")
        numbers = [self._size(part) if part.strip() else None for part in parts]
        start, stop, step = (*numbers, None)[:3] if len(numbers) == 2 else numbers[:3]
        return slice(start, stop, step)


def _integers(array: Array) -> Array:
    integers = np.rint(array).astype(int)
    if not np.allclose(integers, array):
        raise ReadingError("an index that is not a whole number")
    return integers
