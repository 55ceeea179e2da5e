"""The sentences of a derivation, in English and Chinese; `{0}` marks where a piece of mathematics or a word goes."""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from chainrule.derivation.document import Words
from chainrule.primitives import Notation

Language: TypeAlias = Literal["en", "zh"]
LANGUAGES: Final = ("en", "zh")

_SENTENCES: dict[str, tuple[str, str]] = {
    "title": ("Backward pass of {0}", "{0} 的反向传播推导"),
    "shapes": ("Shapes: {0}.", "形状：{0}。"),
    "shape of": ("{0} is {1}", "{0} 为 {1}"),
    "scalar": ("a scalar", "标量"),
    "list comma": (", ", "，"),
    "recognized": ("Recognised: {0}.", "识别出：{0}。"),
    "rows": (
        "Each row of {0} is one sample (batch convention): a layer is {1}.",
        "{0} 的每一行是一个样本（批量约定）：一层写作 {1}。",
    ),
    "columns": (
        "A sample {0} is a column (one-sample convention): a layer is {1}.",
        "样本 {0} 是列向量（单样本约定）：一层写作 {1}。",
    ),
    "notation": (
        "⊙ multiplies element by element, ᵀ transposes, {0} is a vector of ones, and {1} is the sum of all entries "
        "of {2}.",
        "⊙ 为逐元素相乘，ᵀ 为转置，{0} 为全一向量，{1} 为 {2} 全部元素之和。",
    ),
    "delta": ("Short for the gradients at the pre-activations: {0}.", "激活前的梯度简记为：{0}。"),
    "forward": ("Forward pass", "前向传播"),
    "differentials": ("Linearize: the differential of each equation", "线性化：每个等式的微分"),
    "differentials text": (
        "To first order each equation is linear in the changes; the forward values in it are constants.",
        "在一阶近似下，每个等式关于各个增量都是线性的；其中的前向值视为常数。",
    ),
    "backward": ("Transpose: the gradients, from the loss backwards", "转置：从损失开始反向求梯度"),
    "backward text": (
        "The change of the loss is {0} for every quantity {1}; moving the linear map to the other side of the pairing "
        "gives its transpose, and with it the gradient.",
        "对任一中间量 {1}，损失的增量都可写成 {0}；把线性映射移到内积的另一侧就得到它的转置，梯度由此而来。",
    ),
    "factors": ("The factors", "链式法则的各个因子"),
    "chains": ("The chains", "逐条链"),
    "chain of": ("{0}: one chain", "{0}：一条链"),
    "chains of": (
        "{0}: {1} chains, one for every path from {2} to {3}",
        "{0}：共 {1} 条链，从 {2} 到 {3} 的每条路径各一条",
    ),
    "many chains": (
        "{0} paths lead from {1} to {2}; they are too many to list, and share their factors as the lines above show.",
        "从 {1} 到 {2} 共有 {0} 条路径，不再逐条列出；它们共用上面的因子。",
    ),
    "sum of chains": ("The chains add up.", "各条链相加。"),
    "results": ("Gradients", "梯度汇总"),
    "because": ("because {0}", "因为 {0}"),
    "from": ("from {0}: {1}", "由 {0}：{1}"),
    "seed": ("a quantity has the derivative 1 with respect to itself", "任何量对自身的导数为 1"),
    "several uses": (
        "{0} is used {1} times, and what its uses send back adds up",
        "{0} 被使用了 {1} 次，各处传回的梯度相加",
    ),
    "identity": ("{0} changes one for one with {1}", "{1} 变化多少，{0} 就变化多少"),
    "elementwise": (
        "an activation acts element by element, so its Jacobian is diagonal and its own transpose",
        "激活函数逐元素作用，雅可比矩阵是对角阵，转置等于自身",
    ),
    "product": (
        "a product transposes to a product: the factor that stays is transposed and changes sides",
        "乘积的转置仍是乘积：保留的因子取转置并换边",
    ),
    "broadcast": (
        "repetition along {0} transposes to a sum along {0}",
        "沿 {0} 重复的转置是沿 {0} 求和",
    ),
    "sum": ("a sum transposes to a repetition", "求和的转置是重复"),
    "cancel": ("written out and cancelled ({0})", "代入后化简（{0}）"),
    "derivative": (
        "the derivative of the activation, in terms of values that the forward pass has",
        "激活函数的导数，用前向传播已有的值表示",
    ),
    "index note": ("Indices: {0}.", "下标：{0}。"),
    "chain rule": ("by the chain rule, {0}", "由链式法则：{0}"),
    "runs over": ("{0} runs over {1}", "{0} 遍历 {1}"),
    "form path": ("Chain rule, factor by factor", "链式法则：逐因子相乘"),
    "form matrix": ("Matrix form", "矩阵形式"),
    "form index": ("Index form", "下标形式"),
    "verified": (
        "Verified: {0} of {1} lines hold at {2} random points (every line of the three forms, and the pairings and "
        "rewrites behind them); worst relative error {3}; derivatives agree with finite differences to {4}.",
        "验证：{1} 行中有 {0} 行在 {2} 个随机点上成立（包括三种形式的每一行以及背后的内积和改写）；最大相对误差 {3}；"
        "导数与有限差分相差不超过 {4}。",
    ),
    "refuted": (
        "NOT verified: line {0} does not hold (relative error {1}).",
        "未通过验证：第 {0} 行不成立（相对误差 {1}）。",
    ),
}


def say(language: Language, key: str, *parts: str | Notation | Words) -> Words:
    """The sentence `key`, with `parts` in the places of its marks."""
    template = _SENTENCES[key][LANGUAGES.index(language)]
    pieces: list[str | Notation] = []
    for piece in re.split(r"(\{\d\})", template):
        if not piece:
            continue
        if re.fullmatch(r"\{\d\}", piece):
            part = parts[int(piece[1:-1])]
            pieces.extend(part if isinstance(part, tuple) else (part,))
        else:
            pieces.append(piece)
    return tuple(pieces)


def join(language: Language, items: list[Words]) -> Words:
    """A list of phrases, parted by commas."""
    pieces: list[str | Notation] = []
    for place, item in enumerate(items):
        if place:
            pieces.extend(say(language, "list comma"))
        pieces.extend(item)
    return tuple(pieces)
