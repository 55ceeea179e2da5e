"""Titles, headings and the text between them."""

from __future__ import annotations

PAGES: dict[str, tuple[str, str]] = {
    "title": ("Backward pass of {0}", "{0} 的反向传播推导"),
    "upstream": (
        "{0} is the result of a layer, which goes on into some loss {1}. {2} comes back from there and is given.",
        "{0} 是一层的输出，后面还要进入某个损失 {1}。{2} 由后面传回，视为已知。",
    ),
    "upstream several": (
        "{0} are the results of a layer, which go on into some loss {1}. {2} come back from there and are given.",
        "{0} 是一层的输出，后面还要进入某个损失 {1}。{2} 由后面传回，视为已知。",
    ),
    "outside part": (
        " {0} is the part of {1} that comes from outside; {2} is used once more inside.",
        "其中 {0} 是 {1} 中来自外部的部分，因为 {2} 在层内还要用到。",
    ),
    "why": ("Why: {0}.", "理由：{0}。"),
    "list and": (" and ", " 和 "),
    "semicolon": ("; ", "；"),
    "results": ("Gradients", "梯度汇总"),
    "backward brief": ("Backward pass", "反向传播"),
    "differentials text": (
        "To first order, each equation is linear in the changes; the values of the forward pass in it are constants.",
        "在一阶近似下，每个等式对各个微分都是线性的，其中前向传播的值看作常数。",
    ),
    "backward text": (
        "{0} is defined by {1} when {2} alone changes. Moving the linear map to the other side of the pairing "
        "(the inner product) gives its transpose, and with it the gradient.",
        "{0} 的定义：只有 {2} 变化时，{1}。把线性映射移到内积的另一侧，就得到它的转置，也就得到梯度。",
    ),
    "chain of": ("{0}: one chain", "{0}：一条链"),
    "chains of": (
        "{0}: {1} chains, one for every path from {2} to {3}",
        "{0}：共 {1} 条链，{2} 到 {3} 的每条路径各一条",
    ),
    "chains folded": ("{0}: {1} chains, folded where they meet", "{0}：共 {1} 条链，在汇合处合并"),
    "meeting": ("{0}: {1} ways meet", "{0}：{1} 路汇合"),
    "list comma": (", ", "，"),
    "list letters": (", ", "、"),
    "list semicolon": ("; ", "；"),
    "forward": ("Forward pass", "前向传播"),
    "differentials": ("Linearize: the differential of each equation", "线性化：每个等式的微分"),
    "backward": ("Transpose: the gradients, from the loss backwards", "转置：从损失开始反向求梯度"),
    "contents": ("Contents", "目录"),
    "factors": ("The factors", "链式法则的各个因子"),
    "chains": (
        "The chains",
        "各条链",
    ),
    "chain rule heading": (
        "Chain rule: the gradients, from the loss backwards",
        "链式法则：从损失开始反向求梯度",
    ),
}
