"""The sentences of a gradient report, in English and Chinese."""

from __future__ import annotations

from typing import Final

from chainrule.words import Sentences

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "axis": ("norm of the gradient", "梯度的范数"),
    "head factor": ("factor", "因子"),
    "head gain": ("gain", "增益"),
    "head what": ("what it is", "说明"),
    "head parameter": ("parameter", "参数"),
    "what weights": ("a product with the weights", "与权重的乘积"),
    "what mask": ("dropout", "随机失活"),
    "what equation": ("", ""),
    "what activation": (
        "activation: |σ′| {slope} on average, {largest} at most",
        "激活函数：|σ′| 平均 {slope}，最大 {largest}",
    ),
    "what dead": ("; {share} dead", "，{share} 的单元失效"),
    "zero": (
        "No gradient leaves the loss: every parameter's gradient is exactly 0, as at a minimum, or behind a function "
        "whose derivative is 0 (a step, a rounding, a relu whose inputs are all negative).",
        "损失没有向后传出梯度：所有参数的梯度恰好为 0；可能处于极小点，或前面有导数为 0 的函数"
        "（阶跃、取整、输入全为负的 relu）。",
    ),
    "not finite": (
        "∂L/∂{name} is not finite; look at the loss and the scale of the data before anything else.",
        "∂L/∂{name} 不是有限数；请先检查损失函数与数据的尺度。",
    ),
    "one layer": (
        "There is one layer only, so that nothing can vanish or explode between layers.",
        "只有一层，层间不存在梯度消失或爆炸。",
    ),
    "is healthy": (
        "The gradient arrives: between {last} and {first} its norm is multiplied by {total}.",
        "梯度传递正常：从 {last} 到 {first}，其范数乘以 {total}。",
    ),
    "is vanishing": (
        "The gradient vanishes: between {last} and {first} it becomes {ratio} times smaller.",
        "梯度消失：从 {last} 到 {first}，梯度缩小为原来的 1/{ratio}。",
    ),
    "is exploding": (
        "The gradient explodes: between {last} and {first} it becomes {ratio} times larger.",
        "梯度爆炸：从 {last} 到 {first}，梯度放大 {ratio} 倍。",
    ),
    "is dead": (
        "Whole units are dead: between {last} and {first} the gradient's norm is multiplied by {total}.",
        "有整个单元失效：从 {last} 到 {first}，梯度范数乘以 {total}。",
    ),
    "through activation": (
        "The {count} activations account for a factor of {part}, {mean} each; the worst is {worst} with {gain}, where "
        "|σ′| is {slope} on average and {largest} at most.",
        "{count} 个激活函数合计贡献因子 {part}，平均每个 {mean}；最严重的是 {worst}，为 {gain}，"
        "其 |σ′| 平均 {slope}，最大 {largest}。",
    ),
    "through weights": (
        "The products with the weights account for a factor of {part}, {mean} each; the most extreme is {worst} with "
        "{gain}.",
        "与权重的乘积合计贡献因子 {part}，平均每个 {mean}；最极端的是 {worst}，为 {gain}。",
    ),
    "through mask": ("Dropout accounts for a factor of {part}.", "随机失活合计贡献因子 {part}。"),
    "through equation": (
        "Other equations account for a factor of {part}; the most extreme is {worst} with {gain}.",
        "其他等式合计贡献因子 {part}；最极端的是 {worst}，为 {gain}。",
    ),
    "dead units": (
        "{share} of the units of {name} pass nothing back in any row: {factor} is 0 there.",
        "{name} 中 {share} 的单元在所有行上都不回传梯度：{factor} 在那里为 0。",
    ),
    "saturated": (
        "Saturated: more than half of {names}, where |σ′| is less than a twentieth of its largest.",
        "饱和：{names} 的一半以上，其 |σ′| 不到最大值的二十分之一。",
    ),
    "advice vanishing": (
        "What helps: an activation whose derivative reaches 1 (relu, tanh, silu), initial weights scaled to the width "
        "of a layer, layer or batch normalization, fewer layers.",
        "可以尝试：导数能达到 1 的激活函数（relu、tanh、silu）、按层宽缩放初始权重、层归一化或批归一化、减少层数。",
    ),
    "advice exploding": (
        "What helps: smaller initial weights, scaled data, normalization, clipping the gradient, a smaller learning "
        "rate.",
        "可以尝试：更小的初始权重、缩放数据、归一化、梯度裁剪、更小的学习率。",
    ),
    "advice dead": (
        "What helps: a smaller learning rate, scaled data, or an activation that passes something for negative values "
        "(leaky_relu, elu, silu).",
        "可以尝试：更小的学习率、缩放数据，或在负值处仍有梯度的激活函数（leaky_relu、elu、silu）。",
    ),
    "advice healthy": (
        "Scaling the data or a smaller learning rate keeps units out of saturation.",
        "缩放数据或使用更小的学习率可避免单元饱和。",
    ),
}

say = Sentences(_WORDS)
