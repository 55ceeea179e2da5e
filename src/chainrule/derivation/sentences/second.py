"""Hessians, Jacobians and the remarks on them."""

from __future__ import annotations

SECOND: dict[str, tuple[str, str]] = {
    "Jacobian title": ("Jacobian of {0}", "{0} 的雅可比矩阵"),
    "Jacobian heading": ("Jacobian", "雅可比矩阵"),
    "Jacobian text": (
        "The Jacobian is the matrix of the differential: {0}.",
        "雅可比矩阵就是微分的矩阵：{0}。",
    ),
    "Jacobian products text": (
        "They need no matrix: they are the differential at {0}.",
        "不必写出矩阵：取 {0} 时的微分即是。",
    ),
    "second title": ("Second derivatives of {0}", "{0} 的二阶导数"),
    "gradient": ("Gradient", "梯度"),
    "differential of gradient": ("The differential of the gradient", "梯度的微分"),
    "second lines": (
        "Each line of the backward pass is differentiated once more; {0} with an index is the gradient by that "
        "quantity.",
        "对反向传播的每一行再求一次微分；{0} 的下标表示对哪个量的梯度。",
    ),
    "Hessian": ("Hessian", "黑塞矩阵"),
    "Hessian text": (
        "The Hessian is the matrix of this linear map: {0}.",
        "黑塞矩阵就是这个线性映射的矩阵：{0}。",
    ),
    "Hessian by elements": (
        "The entries of the Hessian are the coefficients of this linear map.",
        "黑塞矩阵的元素就是这个线性映射的系数。",
    ),
    "Jacobian by elements": (
        "The entries of the Jacobian are the coefficients of the differential. The indices say which entry of the "
        "result is differentiated, and by which, so they are the same in both layouts.",
        "雅可比矩阵的元素就是微分的系数。下标已说明对结果的哪个元素、关于哪个元素求导，因此两种布局写法相同。",
    ),
    "vec text": (
        " vec stacks the columns of a matrix, so that {0}; for a K with the sizes of {2} below it, {1}.",
        "vec 把矩阵的各列依次叠成一个向量，因此 {0}；下标为 {2} 的大小的 K 满足 {1}。",
    ),
    "joined rows": (
        " In [A; B], matrices stand one below the other.",
        "[A; B] 把各矩阵上下相接。",
    ),
    "layout numerator": (
        " Numerator layout: the rows belong to what is differentiated, the columns to what it is differentiated by.",
        "采用分子布局：行对应被求导的量，列对应求导的变量。",
    ),
    "layout denominator": (
        " Denominator layout: the rows belong to what is differentiated by, the columns to what is differentiated.",
        "采用分母布局：行对应求导的变量，列对应被求导的量。",
    ),
    "elements instead": (
        "It has no short form as a matrix; these are its entries.",
        "它没有简短的矩阵形式，下面是它的元素。",
    ),
    "elements only": (
        "The other blocks have no short form as a matrix; these are their entries.",
        "其余各块没有简短的矩阵形式，下面是它们的元素。",
    ),
    "no form": (
        "It has no short closed form; its product with a vector follows.",
        "它没有简短的闭式，下面给出它与向量的乘积。",
    ),
    "no closed form": (
        "The other blocks have no short closed form; their products with a vector follow.",
        "其余各块没有简短的闭式，下面给出它们与向量的乘积。",
    ),
    "products": ("Products with a vector", "与向量的乘积"),
    "products text": (
        "They need no matrix: they are the differential of the gradient at {0}.",
        "不必写出矩阵：取 {0} 时梯度的微分即是。",
    ),
    "second chains": (
        "Differentiated once more, a chain has a term for each pair of operands of an equation, its second derivative "
        "times the derivatives of both, and one for each operand that is not linear, the first derivative times the "
        "second one of the operand.",
        "把链再求一次导：等式的每一对自变量给出一项，即该等式的二阶导数乘以二者各自的导数；"
        "每个非线性的自变量再给出一项，即该等式的一阶导数乘以它自身的二阶导数。",
    ),
    "vector chains": (
        "Every derivative is a Jacobian, whose rows belong to what changes: {0}. Those along a chain are multiplied as "
        "matrices, the last step of the forward pass first, and the chains are added.",
        "每个导数都是雅可比矩阵，其行对应因变量：{0}。沿一条链把它们按矩阵相乘，前向传播的最后一步写在最左边，再把各条链相加。",
    ),
    "direct in equation": (
        "{0} is the direct part: what a change of {2} does in the equation of {1} itself, all else held.",
        "{0} 是直接部分：只计 {2} 在 {1} 的等式中直接出现之处的影响，其余各量保持不变。",
    ),
    "Newton": ("Newton's step", "牛顿步"),
    "Newton text": (
        "The step {0} leads to {1}, where the quadratic approximation of the loss has the gradient 0: {2}.",
        "步长 {0} 走到 {1}，在那里损失的二次近似的梯度为零：{2}。",
    ),
    "Gauss-Newton": ("The Gauss–Newton matrix", "高斯–牛顿矩阵"),
    "Gauss-Newton exact": (
        "it is the Hessian, since {0} is linear in {1}",
        "由于 {0} 是 {1} 的线性函数，它就是黑塞矩阵",
    ),
    "Gauss-Newton pieces": (
        "it is the Hessian, since {0} is piecewise linear in {1}",
        "由于 {0} 是 {1} 的分段线性函数，它就是黑塞矩阵",
    ),
    "Gauss-Newton text": (
        "the Hessian without the second derivatives of {0}; it is positive semidefinite",
        "略去 {0} 的二阶导数的黑塞矩阵，它是半正定的",
    ),
    "second results": ("Results", "结果汇总"),
    "remark symmetric": ("The Hessian is symmetric.", "黑塞矩阵是对称的。"),
    "remark semidefinite": (
        "It is positive semidefinite, since {0}: {1}.",
        "它是半正定的，因为{0}：{1}。",
    ),
    "remark semidefinite if": (
        "For {2} ≥ 0 it is positive semidefinite, since {0}: {1}.",
        "{2} ≥ 0 时它是半正定的，因为{0}：{1}。",
    ),
    "semidefinite Gram": (
        "it has the form {0}, and {1} is {2}",
        "它形如 {0}，而 {1} 即 {2}",
    ),
    "semidefinite congruent": (
        "it has the form {0} with a positive semidefinite {1} in the middle",
        "它形如 {0}，中间的 {1} 半正定",
    ),
    "semidefinite diagonal": ("it is diagonal and no entry is negative", "它是对角阵且没有负的元素"),
    "semidefinite declared": ("it is given as such", "这是已知条件"),
    "semidefinite inverse": (
        "it is the inverse of a positive definite matrix",
        "它是正定矩阵的逆",
    ),
    "semidefinite projection": (
        "it has the form {0} where {1} is at most 1, and {2} is at least 0",
        "它形如 {0}，其中 {1} 不超过 1，而 {2} 非负",
    ),
    "semidefinite Kronecker": (
        "it is the Kronecker product of two such matrices",
        "它是两个半正定矩阵的 Kronecker 积",
    ),
    "semidefinite covariance": (
        "it is the covariance matrix of a one-hot vector that is drawn with these probabilities",
        "它是按这些概率抽取的独热向量的协方差矩阵",
    ),
    "semidefinite sum": ("each term is", "每一项都是半正定的"),
    "remark convex number": (
        "It is nowhere negative: {1}.",
        "它处处非负：{1}。",
    ),
    "convex": ("the loss is convex", "损失是凸函数"),
    "convex where defined": (
        "the loss is convex on every convex set on which it is smooth",
        "损失在其光滑的每个凸集上是凸函数",
    ),
}
