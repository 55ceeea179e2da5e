"""Remarks on a backward pass."""

from __future__ import annotations

REMARKS: dict[str, tuple[str, str]] = {
    "remark softmax cancels": (
        "The logarithm divides by {0}, and the Jacobian of the softmax multiplies by it: the two cancel, and no "
        "quotient is left to blow up where a probability is near 0.",
        "对数求导要除以 {0}，softmax 的雅可比矩阵又乘以 {0}，二者相消：概率接近 0 时也不会出现过大的商。",
    ),
    "remark sigmoid cancels": (
        "The loss divides by {0} and by 1 − {0}, and σ′({1}) multiplies by both: they cancel, so that a saturated unit "
        "still learns from its mistake.",
        "损失求导要除以 {0} 和 1 − {0}，σ′({1}) 又恰好乘以二者，彼此相消：即使饱和，单元仍能从错误中学习。",
    ),
    "remark softmax shift": (
        "{0}: adding a constant to {1} along {2} leaves the softmax as it is, so the gradient sums to zero there.",
        "{0}：沿 {2} 轴给 {1} 加上同一个常数，softmax 不变，所以梯度沿该轴之和为零。",
    ),
    "remark scores": (
        "If the entries of both factors are independent, with mean 0 and variance 1, those of {0} have variance {1}; "
        "divided by its root they have variance 1 again, and the softmax does not saturate (where it does, its "
        "Jacobian diag(p) − p pᵀ vanishes).",
        "若两个因子的元素相互独立、均值为 0、方差为 1，则 {0} 的元素方差为 {1}；除以其平方根后方差又是 1，softmax "
        "不会饱和（饱和时雅可比矩阵 diag(p) − p pᵀ 趋于零）。",
    ),
    "remark residual": (
        "The identity path hands {0} on to {1} undiminished, whatever the branch beside it does.",
        "恒等支路把 {0} 原样传给 {1}，与旁边的分支无关。",
    ),
    "remark gate": (
        "From {1} to {2} the gradient is multiplied by {0} alone, by no weight matrix and no derivative of an "
        "activation; where {0} is near 1, it comes through almost unchanged.",
        "从 {1} 传回 {2}，梯度只乘以门 {0}，不经过权重矩阵，也不乘激活函数的导数；{0} 接近 1 时，梯度几乎原样通过。",
    ),
    "remark centred": (
        "{1} enters only as {2}, so that adding a constant along {3} changes nothing: {0}.",
        "{1} 只以 {2} 的形式出现，沿 {3} 轴加上同一个常数不改变结果，所以 {0}。",
    ),
    "remark vanishing sigmoid": (
        "σ′ = σ (1 − σ) is at most ¼. On the longest way back the gradient passes {0} sigmoids, which multiply it by "
        "at most {1}: in a deep network it vanishes, unless large weights make up for that.",
        "σ′ = σ (1 − σ) 不超过 ¼。最长的一条反向路径经过 {0} 个 sigmoid，梯度因此至多乘以 {1}："
        "网络一深，若无较大的权重补偿，梯度就会消失。",
    ),
    "remark vanishing sigmoid once": (
        "σ′ = σ (1 − σ) is at most ¼, and near 0 where the unit is saturated.",
        "σ′ = σ (1 − σ) 不超过 ¼，饱和时接近 0。",
    ),
    "remark vanishing tanh": (
        "tanh′ = 1 − tanh² is at most 1, and less wherever its argument is not 0: the {0} factors of this kind "
        "on the longest way back can only shrink the gradient.",
        "tanh′ = 1 − tanh² 不超过 1，自变量不为 0 时都小于 1：最长的反向路径上的 {0} 个 tanh′ 因子只会使梯度变小。",
    ),
    "remark shared weight": (
        "The longest way back multiplies by {0} {1} times: where the singular values of {2} are below 1 the gradient "
        "vanishes with the number of steps, where they are above 1 it may explode.",
        "最长的反向路径要乘以 {0} 共 {1} 次：{2} 的奇异值小于 1 时，梯度随步数增加而消失；大于 1 时则可能爆炸。",
    ),
    "remark adjugate": (
        "The adjugate holds the cofactors of {0}, transposed: det({0}) times the inverse where there is one, and "
        "finite where there is none.",
        "伴随矩阵由 {0} 的代数余子式转置而成：{0} 可逆时等于 det({0}) 乘以逆矩阵，不可逆时仍是有限的。",
    ),
    "remark eigenvalues": (
        "V = eigvecs({0}) has the orthonormal eigenvectors of the symmetric matrix {0} as columns, of which the lower "
        "triangle is read: {0} = V diag(λ) Vᵀ, with the eigenvalues λ = eigvals({0}) in ascending order.",
        "V = eigvecs({0}) 的各列是对称矩阵 {0}（只读其下三角）的标准正交特征向量：{0} = V diag(λ) Vᵀ，"
        "特征值 λ = eigvals({0}) 按升序排列。",
    ),
    "remark singular values": (
        "The singular value decomposition is {0} = U diag(s) Vᵀ, with U = leftvecs({0}), Vᵀ = rightvecs({0}) and "
        "s = svdvals({0}), the largest first, whose vectors are leftvec({0}) and rightvec({0}); polar({0}) is U Vᵀ.",
        "奇异值分解为 {0} = U diag(s) Vᵀ，其中 U = leftvecs({0})，Vᵀ = rightvecs({0})，s = svdvals({0}) 按降序排列；"
        "最大奇异值的向量为 leftvec({0}) 和 rightvec({0})；polar({0}) 即 U Vᵀ。",
    ),
    "remark triangular factor": (
        "qfactor({0}) has orthonormal columns and rfactor({0}) is upper triangular; their product is {0}.",
        "qfactor({0}) 的各列标准正交，rfactor({0}) 为上三角矩阵；两者之积为 {0}。",
    ),
    "remark exponential": (
        "dexpm(A, E) is the Fréchet derivative of expm at A in the direction E, the upper right block of the "
        "exponential of the matrix with the blocks A, E above 0, A.",
        "dexpm(A, E) 是 expm 在 A 处沿方向 E 的 Fréchet 导数，即分块矩阵（上为 A、E，下为 0、A）的指数的右上块。",
    ),
    "remark Fourier": (
        "refft(x) and imfft(x) are the real and the imaginary part of the discrete Fourier transform; their matrices "
        "are symmetric, so that each is its own transpose.",
        "refft(x) 和 imfft(x) 是离散傅里叶变换的实部和虚部；它们的矩阵对称，因此各自的转置就是自身。",
    ),
    "remark relu gate": (
        "relu′ is 1 or 0: a gradient passes unchanged where the argument is positive, and stops elsewhere.",
        "relu′ 非 1 即 0：自变量为正处梯度原样通过，其余各处梯度被截断。",
    ),
}
