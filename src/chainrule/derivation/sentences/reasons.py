"""The reasons of steps."""

from __future__ import annotations

REASONS: dict[str, tuple[str, str]] = {
    "given": ("given: it comes back from what follows", "已知，由后面传回"),
    "outside": ("from outside: given", "来自外部：已知"),
    "abbreviates": (
        "this occurs several times and is written by its name from here on",
        "此式多次出现，以下用记号代替",
    ),
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
    "chain rule": ("by the chain rule, {0}", "由链式法则：{0}"),
    "softmax": (
        "the Jacobian of a softmax, diag(p) − p pᵀ, is symmetric, hence its own transpose",
        "softmax 的雅可比矩阵 diag(p) − p pᵀ 是对称的，转置等于自身",
    ),
    "differentiate": (
        "{0}, differentiated with respect to one entry",
        "{0} 对单个元素求导",
    ),
}
