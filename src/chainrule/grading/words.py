"""The texts of a grade, in English and Chinese; `{name}` is replaced by a value."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.grading.diagnosis import Diagnosis
from chainrule.words import Language, Sentences

_SENTENCES: dict[str, tuple[str, str]] = {
    "is": ("{name} is {meaning}.", "{name} 就是 {meaning}。"),
    "as forward": ("{name} is as in the forward pass.", "{name} 与前向传播一致。"),
    "is that": ("This is {meaning}.", "这就是 {meaning}。"),
    "consequence": (
        "Wrong only because of line {line}; nothing else is the matter here.",
        "只因第 {line} 行有误而出错；这一行本身没有问题。",
    ),
    "consequence open": (
        "Wrong because of line {line}; whether by itself as well shows when that is mended.",
        "因第 {line} 行有误而出错；改正后才能看出这一行本身是否正确。",
    ),
    "also": ("Wrong by itself as well:", "这一行本身也有错："),
    "right": (
        "Right: the answer agrees with {against} in {names}.",
        "正确：与 {against} 的 {names} 一致。",
    ),
    "wrong": ("Wrong: the first mistake is in line {line}.", "有误：第一处错误在第 {line} 行。"),
    "gradients wrong": ("Wrong: {names}.", "错误：{names}。"),
    "gradients right": ("Right: {names}.", "正确：{names}。"),
    "gradients missing": ("Missing: {names}.", "缺少：{names}。"),
    "everywhere": (
        "Every gradient is {factor} times what it should be: the loss that was differentiated is another by this "
        "factor (½ or not, sum or mean).",
        "所有梯度都是正确值的 {factor} 倍：所微分的损失与题目相差这个系数（有无 ½，求和还是求平均）。",
    ),
    "every direction": (
        "Every update goes uphill: gradient descent subtracts the gradient; it adds where the error is y − a.",
        "所有更新都沿着损失上升的方向：梯度下降应减去梯度；若误差写成 y − a，则应加上。",
    ),
    "distribution": (
        "This holds where the targets of each sample sum to 1, as one-hot rows do.",
        "前提是每个样本的目标之和为 1（例如独热编码）。",
    ),
    "epsilon": (
        "What is right is so up to the small number that the reference adds ({numbers}).",
        "所谓正确，是忽略题目中为数值稳定而加的小量（{numbers}）。",
    ),
    "one-hot": (
        "This holds where the targets are one-hot: a single 1 for each sample, and 0 elsewhere.",
        "前提是目标为独热编码：每个样本只有一个 1，其余为 0。",
    ),
    "indicator": ("This holds where the targets are 0 or 1.", "前提是目标取值为 0 或 1。"),
    "masked": ("This holds where every entry of {names} is 0 or 1.", "前提是 {names} 的每个元素为 0 或 1。"),
    "lacks": (
        "In {name} what reaches it through {paths} is missing.",
        "{name} 中缺少经由 {paths} 传来的部分。",
    ),
    "lacks term": ("In {name} a term is missing: {after}.", "{name} 中缺少一项：{after}。"),
    "instead": (
        "Instead, line {line} could be changed: {code}",
        "也可以改第 {line} 行：{code}",
    ),
    "unexplained": (
        "No single change of a line explains this.",
        "没有哪一行的单独改动能解释这个错误。",
    ),
    "other shape": (
        "{name} has the shape {found}, and {symbol} has {needed}: an update by it is right, as NumPy adds the axis.",
        "{name} 的形状是 {found}，而 {symbol} 的是 {needed}：NumPy 会补上这个轴，因此用它更新是对的。",
    ),
    "exchanged": (
        "Two gradients are exchanged: {found} stands here, and {needed} in line {line}.",
        "两个梯度互换了：这里算的是 {found}，而第 {line} 行算的是 {needed}。",
    ),
    "exchanged with": ("Exchanged with line {line}.", "与第 {line} 行互换了。"),
    # mistakes
    "updated": (
        "{before} has been updated already, in line {update}: the gradient needs its value before the update. Update "
        "after all gradients are computed.",
        "{before} 在第 {update} 行已被更新：梯度要用更新之前的值。应先算出全部梯度，再更新。",
    ),
    "mask": (
        "The mask is wrong: {before}, where {after} belongs.",
        "掩码有误：写的是 {before}，应为 {after}。",
    ),
    "index": (
        "The index is wrong: {before}, where {after} belongs.",
        "下标有误：写的是 {before}，应为 {after}。",
    ),
    "rounds": (
        "The rounds of the loop are wrong: {before}, where {after} belongs.",
        "循环的范围有误：写的是 {before}，应为 {after}。",
    ),
    "repeated": (
        "Where an index occurs more than once, {before} += adds only the last value: np.add.at adds all of them.",
        "下标重复出现时，{before} += 只加上最后一个值；np.add.at 会把每个值都加上。",
    ),
    "target": (
        "The value is assigned to {before}; {after}, which is read later, stays as it was.",
        "该值赋给了 {before}；而后面读取的 {after} 没有更新。",
    ),
    "applied": (
        "The activation itself is applied to the gradient, where the factor {after} belongs: its derivative, taken at "
        "the values of the forward pass.",
        "此处对梯度使用了激活函数本身，而应乘以 {after}，即它在前向值处的导数。",
    ),
    "brackets": (
        "Brackets are missing: {before} should be {after}.",
        "缺少括号：{before} 应为 {after}。",
    ),
    "transposed": ("A transpose is missing or too many.", "转置有误（少了或多了一次转置）。"),
    "transposed from": ("Transposed: {before} stands where {after} belongs.", "转置有误：{before} 应为 {after}。"),
    "order": ("The factors of the matrix product are in the wrong order.", "矩阵乘积中因子的次序有误。"),
    "order from": (
        "The factors of the matrix product are in the wrong order: {before} should be {after}.",
        "矩阵乘积中因子的次序有误：{before} 应为 {after}。",
    ),
    "outer": (
        "An inner product stands where the outer product belongs: {before} should be {after}.",
        "此处应为外积，而写成了内积：{before} 应为 {after}。",
    ),
    "outer of": (
        "An inner product, {before}, stands where an outer product belongs.",
        "{before} 是内积，此处应为外积。",
    ),
    "missing sum": ("A sum is missing.", "缺少求和。"),
    "missing sum over": (
        "The sum over axis {after} (the {after axis} entries there) is missing: what was repeated in the forward pass "
        "adds up in the backward pass.",
        "缺少对第 {after} 轴（长度 {after axis}）的求和：前向中重复使用的量，反向时要把各份贡献相加。",
    ),
    "missing sum all": ("The sum over all entries is missing.", "缺少对全部元素的求和。"),
    "missing sum batch": (
        "The sum over the batch (axis {after}, of size {after axis}) is missing: every sample contributes to this "
        "gradient.",
        "缺少对批量的求和（第 {after} 轴，长度 {after axis}）：每个样本都对这个梯度有贡献。",
    ),
    "extra sum": ("There is a sum too many: {before}.", "多了一次求和：{before}。"),
    "axis": (
        "The sum runs over the wrong axis: {before}, where {after} belongs.",
        "求和的轴不对：写的是 {before}，应为 {after}。",
    ),
    "axis forgotten": (
        "The axis is forgotten: axis={after} belongs there.",
        "漏写了 axis：应为 axis={after}。",
    ),
    "axis all": (
        "The sum runs over axis {before} alone; it belongs over all entries.",
        "只对第 {before} 轴求和；应对全部元素求和。",
    ),
    "axis named": (
        "The wrong axis: {before} (of size {before axis}), where {after} (of size {after axis}) belongs.",
        "轴不对：写的是 {before}（长度 {before axis}），应为 {after}（长度 {after axis}）。",
    ),
    "factor": ("A factor is wrong.", "系数有误。"),
    "factor of": (
        "A factor is wrong: the value is {factor} times what it should be.",
        "系数有误：所得的值是正确值的 {factor} 倍。",
    ),
    "factor from": ("A factor is wrong: {before} should be {after}.", "系数有误：{before} 应为 {after}。"),
    "factor on": (
        "A factor is wrong: {before} should be multiplied by {after}.",
        "系数有误：{before} 应乘以 {after}。",
    ),
    "sign": ("The sign is wrong (a factor −1).", "符号有误（相差因子 −1）。"),
    "sign from": ("The sign is wrong: {before} should be {after}.", "符号有误：{before} 应为 {after}。"),
    "sign of": ("The sign is wrong in {before}.", "{before} 中的符号有误。"),
    "elementwise": (
        "Element by element where a matrix product belongs: {before}.",
        "此处应为矩阵乘积，而写成了逐元素相乘：{before}。",
    ),
    "matrix product": (
        "A matrix product where an element-by-element product belongs: {before}.",
        "此处应为逐元素相乘，而写成了矩阵乘积：{before}。",
    ),
    "missing derivative": (
        "The derivative of the activation, {right}, is missing.",
        "缺少激活函数的导数 {right}。",
    ),
    "extra derivative": (
        "The derivative of the activation, {right}, is there once too often.",
        "激活函数的导数 {right} 多乘了一次。",
    ),
    "derivative": (
        "The derivative of the activation is wrong; {right} belongs there.",
        "激活函数的导数有误；此处应为 {right}。",
    ),
    "derivative of": (
        "The activation itself, {before}, stands where its derivative belongs: {after}.",
        "{before} 是激活函数本身，而此处应为它的导数：{after}。",
    ),
    "softmax": (
        "Softmax has no derivative element by element: every entry of {softmax} depends on every score, and s (1 − s) "
        "is the diagonal of its Jacobian alone.",
        "softmax 的导数不是逐元素的：{softmax} 的每个元素都依赖所有得分，s (1 − s) 只是雅可比矩阵的对角线。",
    ),
    "derivative for": (
        "{before} itself stands where the derivative of the activation belongs: {after}.",
        "{before} 处应为激活函数的导数：{after}。",
    ),
    "missing derivative, factor": (
        "The derivative of the activation, {right}, is missing; with it, the value is {factor} times what it should "
        "be.",
        "缺少激活函数的导数 {right}；补上之后，所得的值仍是正确值的 {factor} 倍。",
    ),
    "missing paths": (
        "What reaches it through {paths} is missing.",
        "缺少经由 {paths} 传来的部分。",
    ),
    "derivative at": (
        "The derivative of the activation is taken at {at}; it belongs at {instead}.",
        "激活函数的导数在 {at} 处取值；应在 {instead} 处取值。",
    ),
    "operand": ("The wrong operand: {before}, where {after} belongs.", "运算对象有误：{before} 应为 {after}。"),
    "missing operand": ("The factor {after} is missing.", "缺少因子 {after}。"),
    "extra operand": ("The factor {before} does not belong here.", "多了因子 {before}。"),
    "missing term": ("A term is missing: {after}.", "缺少一项：{after}。"),
    "missing term added": (
        "The value is overwritten where it should be added to (+=).",
        "此处应累加（+=），而写成了覆盖。",
    ),
    "missing statement": ("A line is missing beside this one: {after}", "这一行旁边缺少一行：{after}"),
    "missing term subtracted": (
        "The value is overwritten where it should be subtracted from (-=).",
        "此处应从原值中减去（-=），而写成了覆盖。",
    ),
    "extra term": ("The term {before} does not belong here.", "多了一项 {before}。"),
    "power": ("The power is wrong: {before} should be {after}.", "幂次有误：{before} 应为 {after}。"),
    "shape": ("The shape is wrong.", "形状有误。"),
    "shape is": ("The shape is wrong: {found}, where {needed} belongs.", "形状有误：得到 {found}，应为 {needed}。"),
    "shape broadcasts": (
        "The values are right and the shape is not: {found}, where the parameter has {needed}; "
        "an update would be broadcast.",
        "数值正确而形状不对：得到 {found}，而参数的形状是 {needed}；更新参数时会发生广播。",
    ),
    "direction": (
        "The update goes in the wrong direction: {before} should be {after}.",
        "更新方向有误：{before} 应为 {after}。",
    ),
    "rate": ("The learning rate is missing or too often there.", "学习率缺失或多乘了一次。"),
    "rate missing": ("The learning rate is missing.", "缺少学习率。"),
    "other": ("This is not what it should be.", "结果与应有的值不符。"),
    # classes, hints, steps
    "verdict right": ("right", "正确"),
    "verdict wrong": ("wrong", "有误"),
    "verdict none": ("no verdict", "无法评分"),
    "column answer": ("answer", "答案"),
    "column verdict": ("verdict", "结果"),
    "column line": ("line", "行"),
    "column mistake": ("mistake", "错误"),
    "column count": ("count", "人数"),
    "cohort": ("{right} of {count} answers are right.", "{count} 份答案中有 {right} 份正确。"),
    "hint": (
        "Line {line} is the first that is wrong; what is above it is right.",
        "第 {line} 行是第一处有误的地方；它之前的各行都没有问题。",
    ),
    "hint unknown": (
        "Wrong: {names}; the lines that are confirmed above are right.",
        "错误：{names}；上面已确认的各行是正确的。",
    ),
    "so far": ("Right so far: {names}.", "目前正确：{names}。"),
    "nothing so far": ("No gradient is right so far.", "目前还没有正确的梯度。"),
    "next": ("Next: {name}.", "下一步：{name}。"),
    "next begun": (
        "Next: {name}. Line {line}, {own}, is not that yet.",
        "下一步：{name}。第 {line} 行的 {own} 还不是它。",
    ),
    "mend first": ("First mend line {line}: {name} is not right yet.", "先改正第 {line} 行：{name} 还不对。"),
    "unasked": (
        "No gradient is asked by {names}, taken as data; wrt asks for it.",
        "未要求对 {names} 的梯度（视为数据）；可用 wrt 指定。",
    ),
    "would pass": (
        "If only these are asked, name them: --wrt {names}.",
        "如果只需要这些梯度，请指定 --wrt {names}。",
    ),
    "two": ("Two mistakes are in this line.", "这一行有两处错误。"),
    "misfit": (
        "The shapes do not fit in {misfit}: {left} and {right}.",
        "{misfit} 的形状不匹配：{left} 与 {right}。",
    ),
    "fails": ("{problem}.", "{problem}。"),
    "needed": ("{name} should be {needed}.", "{name} 应为 {needed}。"),
    "needed formula": ("{name} should be {needed} = {formula}.", "{name} 应为 {needed} = {formula}。"),
    "that needed": ("It should be {needed}.", "应为 {needed}。"),
    "that needed formula": ("It should be {needed} = {formula}.", "应为 {needed} = {formula}。"),
    "code": ("It would be right as: {code}", "改为如下写法即正确：{code}"),
    "single": (
        "For one sample it is right; for a batch it is not.",
        "对单个样本是对的，对一批样本则不对。",
    ),
}

say = Sentences(_SENTENCES)
_FIRST_MISTAKE = "updated"
_LAST_MISTAKE = "other"


def mistake_sentences() -> dict[str, tuple[str, str]]:
    """Return the sentences on mistakes, in English and Chinese, by their keys."""
    keys = list(_SENTENCES)
    return {key: _SENTENCES[key] for key in keys[keys.index(_FIRST_MISTAKE) : keys.index(_LAST_MISTAKE) + 1]}


_TITLES: dict[str, tuple[str, str]] = {
    "updated": ("updated before use", "先更新后使用"),
    "mask": ("wrong mask", "掩码有误"),
    "index": ("wrong index", "下标有误"),
    "rounds": ("rounds of a loop", "循环范围有误"),
    "brackets": ("brackets missing", "缺少括号"),
    "applied": ("activation for its derivative", "用激活函数代替了导数"),
    "repeated": ("repeated indices", "下标重复"),
    "target": ("wrong variable assigned", "赋值对象有误"),
    "transposed": ("transpose", "转置有误"),
    "order": ("order of a matrix product", "矩阵乘积次序有误"),
    "outer": ("inner product for outer product", "应为外积"),
    "missing sum": ("sum missing", "缺少求和"),
    "extra sum": ("sum too many", "多了一次求和"),
    "axis": ("wrong axis", "轴不对"),
    "factor": ("factor", "系数有误"),
    "sign": ("sign", "符号有误"),
    "direction": ("direction of the update", "更新方向有误"),
    "rate": ("learning rate", "学习率有误"),
    "elementwise": ("elementwise for a matrix product", "应为矩阵乘积"),
    "matrix product": ("matrix product for elementwise", "应为逐元素相乘"),
    "missing derivative": ("derivative of the activation missing", "缺少激活函数的导数"),
    "extra derivative": ("derivative of the activation too many", "多乘了激活函数的导数"),
    "derivative": ("wrong derivative of the activation", "激活函数的导数有误"),
    "operand": ("wrong operand", "运算对象有误"),
    "missing operand": ("factor missing", "缺少因子"),
    "extra operand": ("factor too many", "多了因子"),
    "missing term": ("term missing", "缺少一项"),
    "extra term": ("term too many", "多了一项"),
    "power": ("power", "幂次有误"),
    "shape": ("shape", "形状有误"),
    "exchanged": ("gradients exchanged", "梯度互换"),
    "other": ("another mistake", "其他错误"),
}


def mistake_title(language: Language, name: str, diagnosis: Diagnosis) -> str:
    """Return the kind of a mistake and the quantity in which it is, to count similar ones under whatever names."""
    title = _TITLES[diagnosis.kind][language == "zh"]
    where = diagnosis.quantity or diagnosis.needed or name
    return f"{title} ({where})" if where else title


def diagnosis_text(language: Language, name: str, diagnosis: Diagnosis) -> list[str]:
    """Return the sentences on a wrong line."""
    values = dict(diagnosis.values)
    said = [say(language, _key(diagnosis.kind, values), **values)]
    said += [say(language, _key(kind, more), **more) for kind, more in diagnosis.further]
    if diagnosis.further:
        said.insert(0, say(language, "two"))
    if "problem" in values:
        said.insert(0, say(language, "fails", problem=values["problem"].rstrip(".")))
    if "misfit" in values:
        said.insert(0, say(language, "misfit", **values))
    if diagnosis.needed:
        key = ("" if name else "that ") + "needed" + (" formula" if diagnosis.formula else "")
        said.append(say(language, key, name=name, needed=diagnosis.needed, formula=diagnosis.formula))
    if diagnosis.code:
        said.append(say(language, "code", code=diagnosis.code))
    if "other" in values:
        said.append(say(language, "instead", line=values["other line"], code=values["other"]))
    if diagnosis.single:
        said.append(say(language, "single"))
    return said


_ASSIGNMENTS = {"+=": "missing term added", "-=": "missing term subtracted"}


def _key(kind: str, values: Mapping[str, str]) -> str:
    """Return the most specific sentence for which all values are known."""
    before, after = values.get("before", ""), values.get("after", "")
    if kind in ("transposed", "order", "sign") and before and after and after not in ("−",):
        return f"{kind} from"
    if kind == "sign" and before:
        return "sign of"
    if kind == "exchanged" and "found" not in values:
        return "exchanged with"
    if kind == "missing sum":
        if after == "None":
            return "missing sum all"
        axis = values.get("after axis", "")
        return (
            "missing sum" if not axis else ("missing sum batch" if values.get("batch") == axis else "missing sum over")
        )
    if kind == "axis" and before == "None":
        return "axis forgotten"
    if kind == "axis" and after == "None":
        return "axis all"
    if kind == "outer" and not after:
        return "outer of"
    if kind == "missing term" and " " in after and "=" in after:
        return "missing statement"
    if kind == "axis" and values.get("before axis") and values.get("after axis"):
        return "axis named"
    if kind == "factor":
        if values.get("factor"):
            return "factor of"
        if values.get("on"):
            return "factor on"
        return "factor from" if before and after else "factor"
    if kind == "derivative" and "softmax" in values:
        return "softmax"
    if kind == "derivative" and "at" in values:
        return "derivative at"
    if kind == "derivative" and "plain" in values:
        return "derivative for"
    if kind == "derivative" and "right" not in values and after:
        return "derivative of"
    if kind == "missing derivative" and values.get("factor"):
        return "missing derivative, factor"
    if kind == "missing term" and "paths" in values:
        return "missing paths"
    if kind == "missing term" and after in _ASSIGNMENTS:
        return _ASSIGNMENTS[after]
    if kind == "shape" and "found" in values:
        return "shape broadcasts" if "broadcast" in values else "shape is"
    return kind
