"""The legend: shapes, notation, and what is declared."""

from __future__ import annotations

NOTATION: dict[str, tuple[str, str]] = {
    "scalar shape": ("scalar", "标量"),
    "delta": (
        "δ is the gradient with respect to what goes into an activation: {0}.",
        "δ 表示损失对激活函数输入的梯度：{0}。",
    ),
    "delta or softmax": (
        "δ is the gradient with respect to what goes into an activation or a softmax: {0}.",
        "δ 表示损失对激活函数或 softmax 输入的梯度：{0}。",
    ),
    "shapes": ("Shapes: {0}.", "形状：{0}。"),
    "shape of": (
        "{0} is {1}",
        "{0} 为 {1}",
    ),
    "is a scalar": ("{0} is a scalar", "{0} 是标量"),
    "constants": ("Constants: {0}.", "常量：{0}。"),
    "identity matrix": ("{0} is the identity matrix", "{0} 为单位矩阵"),
    "sized identity": ("{0} is the identity matrix of size {1}", "{0} 为 {1} 阶单位矩阵"),
    "declared": ("Given: {0}.", "已知：{0}。"),
    "declared symmetric": ("{0} is symmetric", "{0} 是对称矩阵"),
    "declared skew-symmetric": ("{0} is skew-symmetric", "{0} 是反对称矩阵"),
    "declared diagonal": ("{0} is diagonal", "{0} 是对角矩阵"),
    "declared orthogonal": ("{0} is orthogonal", "{0} 是正交矩阵"),
    "declared positive definite": ("{0} is symmetric positive definite", "{0} 是对称正定矩阵"),
    "declared positive semidefinite": ("{0} is symmetric positive semidefinite", "{0} 是对称半正定矩阵"),
    "declared positive": ("{0} is positive", "{0} 为正"),
    "declared nonnegative": ("{0} is nonnegative", "{0} 非负"),
    "declared on the simplex": (
        "{0} lies on the simplex, so that its elements are nonnegative and sum to 1",
        "{0} 在单纯形上，即元素非负且和为 1",
    ),
    "declared of unit length": ("{0} has unit length", "{0} 是单位向量"),
    "set aside": (
        "Not used, since the gradient is differentiated once more, and every element may change alone: {0}.",
        "以下条件没有用到，因为梯度还要再求一次导，每个元素都可以单独变化：{0}。",
    ),
    "unconstrained": (
        "The gradient with respect to {0} is the usual, unconstrained one: every element may change alone, and what is "
        "given holds where the gradient is evaluated.",
        "对 {0} 的梯度是通常的无约束梯度：每个元素都可以单独变化，已知条件只在求值处成立。",
    ),
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
    "logistic": ("{0} is the logistic function", "{0} 为 sigmoid 函数"),
    "sinc": ("{0}, and sinc(0) = 1", "{0}，且 sinc(0) = 1"),
    "uniform": (
        "{0} is draw number k of independent random numbers, uniform from 0 to 1",
        "{0} 为第 k 次抽取的独立随机数，在 0 到 1 之间均匀分布",
    ),
    "abstract function": ("{0} is any differentiable function", "{0} 为任意可微函数"),
    "abstract functions": ("{0} are any differentiable functions", "{0} 为任意可微函数"),
    "several primes": ("{0} are their derivatives", "{0} 为各自的导数"),
    "prime": ("{0} is the derivative of {1}", "{0} 为 {1} 的导数"),
    "primes": ("{0} is the derivative of {1} of order {2}", "{0} 为 {1} 的 {2} 阶导数"),
    "partial derivative": ("{0} is the derivative of {1} by argument {2}", "{0} 为 {1} 对第 {2} 个变量的偏导数"),
    "mixed derivative": ("{0} is the derivative of {1} by arguments {2}", "{0} 为 {1} 依次对第 {2} 个变量的偏导数"),
    "Jacobian": ("{0} is the Jacobian of {1}, {2}", "{0} 为 {1} 的雅可比矩阵，{2}"),
    "partial gradient": ("{0} is the gradient of {1} by argument {2}", "{0} 为 {1} 对第 {2} 个变量的梯度"),
    "partial Jacobian": (
        "{0} is the Jacobian of {1} by argument {2}, with a row for each element of {1}",
        "{0} 为 {1} 对第 {2} 个变量的雅可比矩阵，每行对应 {1} 的一个元素",
    ),
    "gradient of": ("{0} is the gradient of {1}", "{0} 为 {1} 的梯度"),
    "Hessian of": ("{0} is the Hessian of {1}", "{0} 为 {1} 的黑塞矩阵"),
    "axes": ("a subscript on a reduction counts axes from 0", "归约运算的下标为轴号，从 0 数起"),
    "correlation": (
        "⋆ slides the kernel over the input, {0} = {1}, and sums over all other axes that only the factors have",
        "⋆ 为互相关（卷积核在输入上滑动）：{0} = {1}，并对只在因子中出现的其余各轴求和",
    ),
    "mark windows": ("windows takes sliding windows, of the size below it", "windows 取滑动窗口，下标为窗口大小"),
    "mark overlap_add": (
        "overlap_add puts windows back to where they were taken and adds up where they overlap; one value for a window "
        "fills it",
        "overlap_add 把各窗口放回原处，重叠处相加；每个窗口只有一个值时填满整个窗口",
    ),
    "mark gammainc_a": (
        "gammainc_a is the derivative of gammainc by its first argument, of the order below it",
        "gammainc_a 为 gammainc 对第一个参数的导数，阶数为下标",
    ),
    "mark flip": ("flip reverses the axes below it", "flip 把元素沿下标所示的轴倒序排列"),
    "new axis": (
        "∗ in an index is a new axis, along which the array is repeated",
        "下标中的 ∗ 表示新增一轴，数组沿该轴复制",
    ),
    "mark repeat": (
        "repeat fills an array of the shape below it",
        "repeat 填满一个数组，其形状见下标",
    ),
    "mark reshape": (
        "reshape puts the entries, row by row, into the shape below it",
        "reshape 把元素按行依次放入下标所示的形状",
    ),
    "mark pad": (
        "pad puts that many zeros on both sides, along the axes below it if there are any; after a range it puts the "
        "array there, among zeros",
        "pad 在两侧各补所示个数的零（若有下标，则沿下标所示的轴）；后跟区间时，把数组放在该处，其余为零",
    ),
    "legend": ("Notation: {0}.", "记号：{0}。"),
    "shape label": ("shape: ", "形状："),
    "index note": ("Indices: {0}.", "下标：{0}。"),
    "runs over": ("{0} over {1}", "{0} 遍历 {1}"),
    "length of": (
        "{0} has length {1}",
        "{0} 的长度为 {1}",
    ),
    "columns of a batch": (
        "Each column of {0} is one sample (batch convention): a layer is {1}.",
        "{0} 的每一列是一个样本（批量约定）：一层写作 {1}。",
    ),
    "forward broadcast": (
        "{0} repeats the vector {1} as rows, {2} repeats {3} as columns; where the shapes leave one way to repeat, "
        "this is left unsaid, as in NumPy.",
        "{0} 把向量 {1} 复制成各行，{2} 把 {3} 复制成各列；形状只允许一种复制方式时，按 NumPy 的习惯省略不写。",
    ),
}
