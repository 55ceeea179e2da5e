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
    "upstream": (
        "The result goes on into some loss {1}; its gradient by the result, {0}, is given.",
        "输出之后还要进入某个损失 {1}；损失对输出的梯度 {0} 视为已知。",
    ),
    "upstream step": ("given, from what follows", "已知，由后面的计算传来"),
    "shape of": (
        "{0} is {1}",
        "{0} 为 {1}",
    ),
    "scalar": ("a scalar", "标量"),
    "list comma": (", ", "，"),
    "list semicolon": ("; ", "；"),
    "recognized": ("Recognised: {0}.", "识别出：{0}。"),
    "rows": (
        "Each row of {0} is one sample (batch convention): a layer is {1}.",
        "{0} 的每一行是一个样本（批量约定）：一层写作 {1}。",
    ),
    "columns": (
        "A sample {0} is a column (one-sample convention): a layer is {1}.",
        "样本 {0} 是列向量（单样本约定）：一层写作 {1}。",
    ),
    "elementwise product": ("⊙ multiplies element by element", "⊙ 为逐元素相乘"),
    "transposed": ("ᵀ transposes", "ᵀ 为转置"),
    "transposed last": ("ᵀ transposes the last two axes", "ᵀ 转置最后两个轴"),
    "ones": ("1 beside a matrix is a vector of ones", "与矩阵相乘的 1 为全一向量"),
    "inner product": ("{0} is the sum of all entries of {1}", "{0} 为 {1} 全部元素之和"),
    "indicator": ("{0} is 1 where the condition holds, else 0", "{0} 在条件成立处为 1，否则为 0"),
    "logistic": ("{0} is the logistic function", "{0} 为逻辑函数"),
    "uniform": (
        "{0} is draw number k of independent random numbers, uniform from 0 to 1",
        "{0} 为第 k 次抽取的独立随机数，在 0 到 1 之间均匀分布",
    ),
    "axes": ("a subscript on a reduction counts axes from 0", "归约运算的下标为轴号，从 0 数起"),
    "legend": ("Notation: {0}.", "记号：{0}。"),
    "delta": (
        "Abbreviations for the gradient with respect to a pre-activation: {0}.",
        "损失对激活前的值的梯度，简记为：{0}。",
    ),
    "forward": ("Forward pass", "前向传播"),
    "differentials": ("Linearize: the differential of each equation", "线性化：每个等式的微分"),
    "differentials text": (
        "To first order each equation is linear in the changes; the forward values in it are constants.",
        "在一阶近似下，每个等式关于各个增量都是线性的；其中的前向值视为常数。",
    ),
    "backward": ("Transpose: the gradients, from the loss backwards", "转置：从损失开始反向求梯度"),
    "backward text": (
        "{0} is defined by {1} when {2} alone changes. Moving the linear map to the other side of the pairing "
        "(the inner product) gives its transpose, and with it the gradient.",
        "{0} 由下式定义：只有 {2} 改变时，{1}。把线性映射移到内积的另一侧就得到它的转置，梯度由此而来。",
    ),
    "contents": ("Contents", "目录"),
    "shape label": ("shape: ", "形状："),
    "factors": ("The factors", "链式法则的各个因子"),
    "chains": (
        "The chains",
        "各条链",
    ),
    "chain of": ("{0}: one chain", "{0}：一条链"),
    "chains of": (
        "{0}: {1} chains, one for every path from {2} to {3}",
        "{0}：共 {1} 条链，从 {2} 到 {3} 的每条路径各一条",
    ),
    "many chains": (
        "{0} paths lead from {1} to {2}; they are too many to list, and share their factors as the lines above show.",
        "从 {1} 到 {2} 共有 {0} 条路径，不再逐条列出；它们共用上面的因子。",
    ),
    "direct": (
        "{0} is the direct part: what a change of {1} does where the loss itself contains it, all else held.",
        "{0} 为直接部分：损失函数本身含有 {1} 之处的贡献，其余量保持不变。",
    ),
    "sum of chains": ("The chains add up.", "各条链相加。"),
    "results": ("Gradients", "梯度汇总"),
    "because": ("because {0}", "因为 {0}"),
    "from": (
        "from {0}: {1}",
        "来自 {0}：{1}",
    ),
    "seed": ("a quantity has the derivative 1 with respect to itself", "任何量对自身的导数为 1"),
    "several uses": (
        "{0} is used {1} times; the contributions add up",
        "{0} 用到 {1} 次，各处的贡献相加",
    ),
    "identity": ("{0} changes one for one with {1}", "{1} 变化多少，{0} 就变化多少"),
    "elementwise": (
        "an activation acts element by element, so its Jacobian is diagonal and its own transpose",
        "激活函数逐元素作用，雅可比矩阵是对角阵，转置等于自身",
    ),
    "product": (
        "the constant factor crosses to the other side of the pairing and is transposed on the way; a left factor "
        "stays on the left, a right factor on the right",
        "常数因子移到内积另一侧时取转置：左乘仍是左乘，右乘仍是右乘",
    ),
    "broadcast": (
        "broadcasting along {0} transposes to a sum along {0}",
        "沿 {0} 轴广播（复制）的转置是沿 {0} 轴求和",
    ),
    "sum": (
        "a sum transposes to a broadcast",
        "求和的转置是广播",
    ),
    "cancel": (
        "with {0} written out and simplified",
        "代入 {0} 并化简",
    ),
    "one-hot": (
        "if every row of {0} sums to one, this is {1}",
        "若 {0} 的每一行之和为 1，则等于 {1}",
    ),
    "derivative": (
        "written with values that the forward pass has computed",
        "用前向传播已算出的值表示",
    ),
    "index note": ("Indices: {0}.", "下标：{0}。"),
    "chain rule": ("by the chain rule, {0}", "由链式法则：{0}"),
    "runs over": ("{0} over {1}", "{0} 遍历 {1}"),
    "length of": (
        "{0} has length {1}",
        "{0} 的长度为 {1}",
    ),
    "columns of a batch": (
        "Each column of {0} is one sample (batch convention): a layer is {1}.",
        "{0} 的每一列是一个样本（批量约定）：一层写作 {1}。",
    ),
    "loss term": (
        "the part of {0} in {1} is {2}",
        "{0} 中含 {1} 的部分为 {2}",
    ),
    "softmax": (
        "the Jacobian of a softmax, diag(p) − p pᵀ, is symmetric, hence its own transpose",
        "softmax 的雅可比矩阵 diag(p) − p pᵀ 是对称的，转置等于自身",
    ),
    "forward broadcast": (
        "{0} repeats the vector {1} as rows, {2} repeats {3} as columns; the forward pass leaves this unsaid, as "
        "NumPy does.",
        "{0} 把向量 {1} 复制成各行，{2} 把 {3} 复制成各列；前向传播中按 NumPy 的习惯省略不写。",
    ),
    "vanishing": (
        "terms in which {0} does not occur vanish",
        "不含 {0} 的项为零",
    ),
    "differentiate": (
        "{0}, differentiated with respect to one entry",
        "对 {0} 的单个元素求导",
    ),
    "chain rule heading": (
        "Chain rule: the gradients, from the loss backwards",
        "链式法则：从损失开始反向求梯度",
    ),
    "claim abbreviation": ("a name for what is used again", "重复出现的式子，另取一名"),
    "claim forward": ("an equation of the forward pass", "前向传播的等式"),
    "claim differential": ("the differential of an equation of the forward pass", "前向传播等式的微分"),
    "claim derivative": (
        "the derivative of an activation, written with values of the forward pass",
        "激活函数的导数，用前向传播的值表示",
    ),
    "claim pairing": (
        "the linear map moved to the other side of the inner product, which transposes it",
        "线性映射移到内积另一侧，即取转置",
    ),
    "claim chain": ("the chain rule: the contributions of all uses add up", "链式法则：各处的贡献相加"),
    "claim merge": ("the later gradients written out, and simplified", "代入后面的梯度并化简"),
    "claim rewrite": ("the identity “{0}”", "恒等式“{0}”"),
    "claim path": ("the product of the factors along one chain", "一条链上各因子的乘积"),
    "claim gradient": ("the gradient written out", "梯度的完整写法"),
    "claim element": ("the same, element by element", "逐元素写出"),
    "claim remark": ("what a remark states", "附注中的等式"),
    "verified": (
        "Verified: all {0} lines hold at {1} random points (every line of the three forms, and the pairings and "
        "rewrites behind them); worst relative error {2}; derivatives agree with finite differences to {3}.",
        "验证：全部 {0} 行在 {1} 个随机点上成立（包括三种形式的每一行，以及背后的内积和化简）；最大相对误差 {2}；"
        "导数与有限差分相差不超过 {3}。",
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


def join(language: Language, items: list[Words], separator: str = "list comma") -> Words:
    """A list of phrases, parted by commas or semicolons."""
    pieces: list[str | Notation] = []
    for place, item in enumerate(items):
        if place:
            pieces.extend(say(language, separator))
        pieces.extend(item)
    return tuple(pieces)
