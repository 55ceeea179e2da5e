"""Kinds of claims, and the outcome of a verification."""

from __future__ import annotations

VERIFICATION: dict[str, tuple[str, str]] = {
    "claim second differential": (
        "the differential of a gradient: of a line of the backward pass, or of the whole",
        "梯度的微分：反向传播中的一行，或整个梯度",
    ),
    "claim Hessian": ("the matrix of the differential of the gradient", "梯度的微分的矩阵"),
    "claim Hessian elements": ("the same by elements", "按元素写出"),
    "claim Hessian product": ("the Hessian times a vector", "黑塞矩阵与向量的乘积"),
    "claim Newton": ("the system of Newton's step", "牛顿步的方程组"),
    "claim residual": ("a name for the residual", "残差的记号"),
    "claim Jacobian": ("the matrix of the differential", "微分的矩阵"),
    "claim Jacobian elements": ("the same by elements", "按元素写出"),
    "claim Jacobian product": ("the Jacobian times a vector", "雅可比矩阵与向量的乘积"),
    "claim Gauss-Newton": ("the product of the Jacobians of the residual", "残差的雅可比矩阵的乘积"),
    "claim derivative of equation": (
        "a derivative of one equation, with its other operands held",
        "一个等式自身的导数，其余各量保持不变",
    ),
    "claim derivative of chain": ("a derivative along all chains, by the chain rule", "沿所有链的导数，由链式法则得到"),
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
    "verified further": (
        "Verified: all {0} lines hold at {1} random points (every line in matrices and by elements, and the backward "
        "pass behind them); worst relative error {2}; derivatives agree with finite differences to {3}.",
        "验证：全部 {0} 行在 {1} 个随机点上成立（包括矩阵形式和逐元素形式的每一行，以及背后的反向传播）；"
        "最大相对误差 {2}；导数与有限差分相差不超过 {3}。",
    ),
    "at fewer points": (
        " Decided at fewer points: {0}.",
        "只在较少的点上得到判定的行：{0}。",
    ),
    "line at points": ("line {0} (at {1})", "第 {0} 行（{1} 个点）"),
    "no point": (
        "This could not be checked: the function is not finite, or known to fewer than three digits, at every point "
        "that was tried.",
        "未能验证：在试过的所有点上，函数都不是有限值，或有效数字不足三位。",
    ),
    "unchecked": (
        "Line {0} could not be checked: at every point that was tried it is next to a kink or a pole, not finite, or "
        "known to fewer than three digits.",
        "第 {0} 行未能验证：在试过的所有点上，它都靠近折点或极点、不是有限值，或有效数字不足三位。",
    ),
    "misread": (
        "NOT verified: the printed line “{0}” does not say what was derived ({1}).",
        "未通过验证：印出的一行“{0}”与推导不符（{1}）。",
    ),
    "refuted": (
        "NOT verified: line {0} does not hold (relative error {1}).",
        "未通过验证：第 {0} 行不成立（相对误差 {1}）。",
    ),
}
