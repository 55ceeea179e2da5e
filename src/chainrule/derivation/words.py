"""The sentences of a derivation, in English and Chinese; `{0}` is replaced by a formula or a word."""

from __future__ import annotations

import re

from chainrule.derivation.document import Words
from chainrule.primitives import Notation
from chainrule.words import Language, Sentences

_SENTENCES: dict[str, tuple[str, str]] = {
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
    "given": ("given: it comes back from what follows", "已知，由后面传回"),
    "outside": ("from outside: given", "来自外部：已知"),
    "why": ("Why: {0}.", "理由：{0}。"),
    "scalar shape": ("scalar", "标量"),
    "list and": (" and ", " 和 "),
    "semicolon": ("; ", "；"),
    "results": ("Gradients", "梯度汇总"),
    "backward brief": ("Backward pass", "反向传播"),
    "abbreviates": (
        "this occurs several times and is written by its name from here on",
        "此式多次出现，以下用记号代替",
    ),
    "delta": (
        "δ is the gradient with respect to what goes into an activation: {0}.",
        "δ 表示损失对激活函数输入的梯度：{0}。",
    ),
    "delta or softmax": (
        "δ is the gradient with respect to what goes into an activation or a softmax: {0}.",
        "δ 表示损失对激活函数或 softmax 输入的梯度：{0}。",
    ),
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
    "folded terms": (
        "a term for each use; its first factor folds every chain that leads there",
        "每用到一次就有一项；每一项的首个因子已合并通向该处的所有链",
    ),
    "folds": ("{0} folds the first {1} factors: it is {2}", "{0} 合并了前 {1} 个因子，即 {2}"),
    "sum of chains": ("the chains add up", "各条链相加"),
    "from": ("from {0}: {1}", "来自 {0}：{1}"),
    "several uses": ("{0} enters {1} equations", "{0} 用到 {1} 次"),
    "two uses": ("{0} enters two equations", "{0} 用到 2 次"),
    "add up": (
        "; what a quantity receives from its uses adds up",
        "；一个量在各处得到的梯度要相加",
    ),
    "identity": ("{0} changes one for one with {1}", "{1} 变化多少，{0} 就变化多少"),
    "loss term": ("the part of {0} in {1} is {2}", "{0} 中含 {1} 的部分为 {2}"),
    "elementwise": (
        "an activation acts element by element, so its Jacobian is diagonal and its own transpose",
        "激活函数逐元素作用，雅可比矩阵是对角阵，转置等于自身",
    ),
    "elementwise brief": ("element by element", "逐元素"),
    "product": (
        "the constant factor crosses to the other side of the pairing and is transposed on the way; a left factor "
        "stays on the left, a right factor on the right",
        "常数因子移到内积另一侧时取转置：左乘仍是左乘，右乘仍是右乘",
    ),
    "product brief": ("the constant factor crosses transposed", "常数因子移到另一侧时取转置"),
    "batch": (
        "there is one matrix product for each {0}, and ᵀ transposes each of them",
        "沿 {0} 轴是彼此独立的矩阵乘法，ᵀ 分别转置每一个矩阵",
    ),
    "served": (
        "one factor is the same all along {0}, so that what it receives is summed over {0}",
        "有一个因子沿 {0} 轴共用，它得到的梯度要沿 {0} 轴求和",
    ),
    "contraction": (
        "a contraction transposes to a contraction: the letters of the changed factor and those of the result change "
        "places",
        "张量缩并的转置仍是缩并：变化的那个因子与结果互换下标",
    ),
    "factor": (
        "a constant factor element by element is a diagonal map, its own transpose",
        "逐元素乘以常数是对角映射，转置就是自身",
    ),
    "broadcast": (
        "broadcasting along {0} transposes to a sum along {0}",
        "沿 {0} 轴广播（复制）的转置是沿 {0} 轴求和",
    ),
    "broadcast brief": (
        "repeated along {0} forwards, summed along {0} backwards",
        "前向沿 {0} 轴广播（复制），反向沿 {0} 轴求和",
    ),
    "sum": (
        "a sum along {0} transposes to broadcasting along {0}: every term receives the same gradient",
        "沿 {0} 轴求和的转置是沿 {0} 轴广播：每一项得到相同的梯度",
    ),
    "sum brief": (
        "summed along {0} forwards, repeated along {0} backwards",
        "前向沿 {0} 轴求和，反向沿 {0} 轴广播（复制）",
    ),
    "mean": (
        "a mean along {0} transposes to broadcasting along {0}, divided by the count: all terms share equally",
        "沿 {0} 轴取平均的转置是除以个数再沿 {0} 轴广播：每一项均分梯度",
    ),
    "permute": (
        "exchanging axes transposes to exchanging them back",
        "交换轴的转置是把轴换回来",
    ),
    "slice": (
        "taking a part transposes to padding with zeros: what was not taken receives nothing",
        "切片的转置是补零：没有取到的元素梯度为零",
    ),
    "flip": ("reversing an axis transposes to reversing it again", "沿一个轴倒序排列，其转置仍是沿该轴倒序"),
    "spread": (
        "putting zeros around and in between transposes to taking out the elements that are not among them",
        "在四周和元素之间补零的转置是取出补零之外的元素",
    ),
    "cumulative reversed": (
        "a cumulative sum from the end transposes to one from the beginning: an entry counts in every sum up to its "
        "own place",
        "后缀和（从末尾累加）的转置是前缀和（从开头累加）：每个元素都计入它自己及之前各位置的后缀和",
    ),
    "triangle": (
        "setting the entries on one side of a diagonal to zero is its own transpose: they receive nothing",
        "把对角线一侧的元素置零，其转置是它本身：这些元素的梯度为零",
    ),
    "pad": ("padding transposes to cutting the border off", "填充的转置是切片：去掉填充的部分"),
    "concatenate": (
        "joining transposes to splitting: each part receives its own piece",
        "拼接的转置是拆分：各部分取回自己的一段",
    ),
    "gather": (
        "looking up transposes to a scatter-add, a product with one-hot rows: each gradient is added where its value "
        "was taken from; what was taken twice receives both, what was never taken nothing",
        "按下标取值的转置是散射相加（scatter-add），即与 one-hot 行相乘："
        "梯度加回取值的位置，取过两次就加两次，没取过的为零",
    ),
    "scatter": ("a scatter-add transposes to looking up", "散射相加的转置是按下标取值"),
    "where": (
        "a choice sends the gradient to what was chosen, and nothing to the other",
        "条件选择把梯度传给选中的一方，另一方为零",
    ),
    "maximum": (
        "a maximum moves with the entry that attains it, so the gradient goes there alone (equal entries share it)",
        "最大值只随取到最大的元素变化，梯度只传到那里（并列时均分）",
    ),
    "minimum": (
        "a minimum moves with the entry that attains it, so the gradient goes there alone (equal entries share it)",
        "最小值只随取到最小的元素变化，梯度只传到那里（并列时均分）",
    ),
    "logsumexp": ("the gradient of logsumexp is the softmax", "logsumexp 的梯度就是 softmax"),
    "cumulative": (
        "a cumulative sum transposes to one from the other end: an entry counts in every sum from its own place on",
        "前缀和（从开头累加）的转置是后缀和（从末尾累加）：每个元素都计入它自己及之后各位置的前缀和",
    ),
    "windows": (
        "taking windows transposes to adding them back where they overlap: an entry collects from every window that "
        "holds it",
        "取滑动窗口的转置是重叠相加：每个元素汇总所有包含它的窗口",
    ),
    "correlation input": (
        "the entry at {1} has place {0} in window {2}, whose gradient it receives times weight {0}: seen from the "
        "input, the kernel is turned round, and beyond the border there are zeros",
        "位置 {1} 的元素是窗口 {2} 的第 {0} 个元素，收到该窗口的梯度乘以权重 {0}："
        "从输入一侧看，卷积核被翻转，边界之外为零",
    ),
    "correlation kernel": (
        "weight {0} meets the entry at {2} of every window {1}, so it receives their products with the gradients, "
        "summed over all windows",
        "权重 {0} 在每个窗口 {1} 中都与位置 {2} 的元素相乘，因此它的梯度是这些元素与窗口梯度的乘积对所有窗口求和",
    ),
    "overlap": (
        "adding where windows overlap transposes to taking the windows",
        "重叠相加的转置是取滑动窗口",
    ),
    "diagonal": (
        "taking the diagonal transposes to placing it in a matrix of zeros",
        "取对角线的转置是把它放进零矩阵的对角线",
    ),
    "softmax brief": ("the Jacobian of a softmax is symmetric", "softmax 的雅可比矩阵对称"),
    "derivative": (
        "written with values that the forward pass has computed",
        "用前向传播已经算出的值表示",
    ),
    "vanishing": (
        "terms that do not contain that entry vanish",
        "不含该元素的项为零",
    ),
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
    "remark relu gate": (
        "relu′ is 1 or 0: a gradient passes unchanged where the argument is positive, and stops elsewhere.",
        "relu′ 非 1 即 0：自变量为正处梯度原样通过，其余各处梯度被截断。",
    ),
    "shapes": ("Shapes: {0}.", "形状：{0}。"),
    "shape of": (
        "{0} is {1}",
        "{0} 为 {1}",
    ),
    "is a scalar": ("{0} is a scalar", "{0} 是标量"),
    "list comma": (", ", "，"),
    "list letters": (", ", "、"),
    "list semicolon": ("; ", "；"),
    "constants": ("Constants: {0}.", "常量：{0}。"),
    "identity matrix": ("{0} is the identity matrix", "{0} 为单位矩阵"),
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
    "uniform": (
        "{0} is draw number k of independent random numbers, uniform from 0 to 1",
        "{0} 为第 k 次抽取的独立随机数，在 0 到 1 之间均匀分布",
    ),
    "abstract function": ("{0} is any differentiable function", "{0} 为任意可微函数"),
    "prime": ("{0} is the derivative of {1}", "{0} 为 {1} 的导数"),
    "primes": ("{0} is the derivative of {1} of order {2}", "{0} 为 {1} 的 {2} 阶导数"),
    "partial derivative": ("{0} is the derivative of {1} by argument {2}", "{0} 为 {1} 对第 {2} 个变量的偏导数"),
    "mixed derivative": ("{0} is the derivative of {1} by arguments {2}", "{0} 为 {1} 依次对第 {2} 个变量的偏导数"),
    "Jacobian": ("{0} is the Jacobian of {1}, {2}", "{0} 为 {1} 的雅可比矩阵，{2}"),
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
    "forward": ("Forward pass", "前向传播"),
    "differentials": ("Linearize: the differential of each equation", "线性化：每个等式的微分"),
    "backward": ("Transpose: the gradients, from the loss backwards", "转置：从损失开始反向求梯度"),
    "contents": ("Contents", "目录"),
    "shape label": ("shape: ", "形状："),
    "factors": ("The factors", "链式法则的各个因子"),
    "chains": (
        "The chains",
        "各条链",
    ),
    "direct": (
        "{0} is the direct part: what a change of {1} does where the loss itself contains it, all else held.",
        "{0} 为直接部分：损失函数本身含有 {1} 之处的贡献，其余量保持不变。",
    ),
    "because": ("because {0}", "因为 {0}"),
    "cancel": (
        "with {0} written out and simplified",
        "代入 {0} 并化简",
    ),
    "one-hot": (
        "if every row of {0} sums to one, this is {1}",
        "若 {0} 的每一行之和为 1，则等于 {1}",
    ),
    "one-hot columns": (
        "if every column of {0} sums to one, this is {1}",
        "若 {0} 的每一列之和为 1，则等于 {1}",
    ),
    "one-hot vector": ("if {0} sums to one, this is {1}", "若 {0} 的元素之和为 1，则等于 {1}"),
    "one-hot axis": ("if {0} sums to one along axis {2}, this is {1}", "若 {0} 沿轴 {2} 之和为 1，则等于 {1}"),
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
    "softmax": (
        "the Jacobian of a softmax, diag(p) − p pᵀ, is symmetric, hence its own transpose",
        "softmax 的雅可比矩阵 diag(p) − p pᵀ 是对称的，转置等于自身",
    ),
    "forward broadcast": (
        "{0} repeats the vector {1} as rows, {2} repeats {3} as columns; where the shapes leave one way to repeat, "
        "this is left unsaid, as in NumPy.",
        "{0} 把向量 {1} 复制成各行，{2} 把 {3} 复制成各列；形状只允许一种复制方式时，按 NumPy 的习惯省略不写。",
    ),
    "differentiate": (
        "{0}, differentiated with respect to one entry",
        "{0} 对单个元素求导",
    ),
    "chain rule heading": (
        "Chain rule: the gradients, from the loss backwards",
        "链式法则：从损失开始反向求梯度",
    ),
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
        "The entries of the Jacobian are the coefficients of the differential.",
        "雅可比矩阵的元素就是微分的系数。",
    ),
    "vec text": (
        " vec stacks the columns of a matrix, so that {0}; for a K with the sizes of {2} below it, {1}.",
        "vec 把矩阵的各列依次叠成一个向量，因此 {0}；下标为 {2} 的大小的 K 满足 {1}。",
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
_TABLE = Sentences(_SENTENCES)


def say(language: Language, key: str, *parts: str | Notation | Words) -> Words:
    """Return the sentence `key` with `parts` in place of its marks."""
    pieces: list[str | Notation] = []
    for piece in re.split(r"(\{\d\})", _TABLE.template(language, key)):
        if not piece:
            continue
        if re.fullmatch(r"\{\d\}", piece):
            part = parts[int(piece[1:-1])]
            pieces.extend(part if isinstance(part, tuple) else (part,))
        else:
            pieces.append(piece)
    return tuple(pieces)


def enumerated(language: Language, items: list[Words]) -> Words:
    """Return `h1, h2 and h3`."""
    if len(items) < 2:
        return join(language, items)
    return join(language, [join(language, items[:-1], "list letters"), items[-1]], "list and")


def join(language: Language, items: list[Words], separator: str = "list comma") -> Words:
    """Join phrases with commas or semicolons."""
    pieces: list[str | Notation] = []
    for place, item in enumerate(items):
        if place:
            pieces.extend(say(language, separator))
        pieces.extend(item)
    return tuple(pieces)
