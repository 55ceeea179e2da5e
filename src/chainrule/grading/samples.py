"""Whether a size counts samples: the loss of a batch is the sum, or the mean, of those of its parts."""

from __future__ import annotations

import numpy as np

from chainrule.grading.truth import Truth
from chainrule.primitives import evaluate_nodes

_RATIO = 1e-6


def counts_samples(truth: Truth, size: str) -> bool:
    """Whether the loss is a sum or mean over the axes of this size, up to a penalty that does not depend on the data.

    The batch of a point is cut in two at every place. The losses of the two parts differ from that of the whole by the
    same number wherever the cut is, if the loss is a sum; those times the sizes of the parts, if it is a mean.
    """
    program, point = truth.record.program, truth.points[0]
    loss, whole = program.outputs[0], point.sizes[size]

    def of_part(first: int, last: int) -> float:
        sizes = {**point.sizes, size: last - first}
        bound = truth.vocabulary.bound([loss, *program.inputs], sizes)
        values = {}
        for node in program.inputs:
            value = np.asarray(point.values[node.name])
            for axis, dim in enumerate(node.type.shape):
                value = np.take(value, range(first, last), axis) if str(dim) == size else value
            values[bound[node]] = value
        return float(evaluate_nodes([bound[loss]], values)[bound[loss]])

    total = of_part(0, whole)
    parts = [(cut, of_part(0, cut), of_part(cut, whole)) for cut in range(1, whole)]
    as_sum = [left + right - total for _, left, right in parts]
    as_mean = [(cut * left + (whole - cut) * right) / whole - total for cut, left, right in parts]
    scale = max(abs(total), *(max(abs(left), abs(right)) for _, left, right in parts))
    return any(len(offsets) > 1 and float(np.ptp(offsets)) <= _RATIO * scale for offsets in (as_sum, as_mean))
