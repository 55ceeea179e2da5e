"""Worked examples at numbers."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, str]] = {
    "example": ("The values", "取值"),
    "example at": ("At {0}.", "取 {0}。"),
    "example rounding": (
        "Values are computed in double precision; one after ≈ is rounded to {0} significant digits.",
        "数值以双精度计算；≈ 之后的数保留 {0} 位有效数字。",
    ),
    "example ones": (
        "{0} is not given and is taken as ones: the loss is the sum of all entries of {1}.",
        "{0} 未给出，取为全 1：损失即 {1} 全部元素之和。",
    ),
    "example summary": (
        "{0} entries, from {1} to {2}, with mean {3}",
        "共 {0} 个元素，最小 {1}，最大 {2}，平均 {3}",
    ),
    "example empty": ("no entries", "没有元素"),
    "example missing": ("; {0} of them are not finite", "；其中 {0} 个不是有限值"),
    "example kink": (
        "At this point {0}, a kink: the derivatives from both sides differ there, and the value below is the one that "
        "the formula gives.",
        "此处 {0}，正在折点上：两侧的导数不同，下面的值是公式给出的那一个。",
    ),
    "example kinks": (
        "At this point {0} in {1} entries, each a kink: the derivatives from both sides differ there, and the values "
        "below are those that the formula gives.",
        "此处有 {1} 个元素使 {0}，都在折点上：两侧的导数不同，下面的值是公式给出的那一个。",
    ),
    "example extremum": (
        "At this point several entries attain {0}, and share its gradient.",
        "此处 {0} 由多个元素同时取到，梯度由它们均分。",
    ),
    "example not finite": (
        "At this point not all values are finite ({0}): the function or its derivative has no value here.",
        "此处有的值不是有限数（{0}）：函数或其导数在这里没有值。",
    ),
}
