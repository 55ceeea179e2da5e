"""The texts of a report, in English and Chinese. `{name}` is replaced by a value."""

from __future__ import annotations

from typing import Final

from chainrule.words import Language, Sentences

_WORDS: Final[dict[str, tuple[str, str]]] = {
    # scores
    "accuracy": ("accuracy", "准确率"),
    "balanced accuracy": ("balanced accuracy", "平衡准确率"),
    "log loss": ("log loss", "对数损失"),
    "auc": ("AUC", "AUC"),
    "r2": ("R²", "R²"),
    "rmse": ("RMSE", "均方根误差"),
    "mae": ("mean |error|", "平均绝对误差"),
    "coverage": ("coverage", "覆盖率"),
    "loss": ("loss", "损失"),
    # predictors
    "network": ("this network", "该网络"),
    "linear": ("a linear model", "线性模型"),
    "always class": ("always {value}", "总是预测 {value}"),
    "always number": ("always {value}", "总是预测 {value}"),
    "on training rows": ("  on its training rows", "  在训练行上"),
    "held out": ("On the {rows} {rows:row/rows} held out:", "在留出的 {rows} 行上："),
    "on file": ("On {rows} {rows:row/rows} of {path}:", "在 {path} 的 {rows} 行上："),
    # verdicts
    "not better than trivial": (
        "The network does no better than that; the features may say nothing of the target, or try other settings.",
        "网络并不比它更好；可能这些特征与目标无关，也可以换一组设置再试。",
    ),
    "not better by one": (
        "By {score} the network does no better than that; by {other} it does ({network} against {trivial}).",
        "按{score}，网络并不比它更好；但按{other}则更好（{network} 对 {trivial}）。",
    ),
    "linear alone is better": (
        "The network does no better than that, but the linear model does: --hidden none gives it, or try other "
        "settings.",
        "网络并不比它更好，而线性模型更好：用 --hidden none 即可得到它，也可以换一组设置再试。",
    ),
    "worse than linear": (
        "On these rows the linear model, which is simpler, does better than the network: --hidden none gives it.",
        "在这些行上，更简单的线性模型优于网络：用 --hidden none 即可得到它。",
    ),
    "as good as linear": (
        "On these rows the linear model, which is simpler, does about as well as the network: --hidden none gives it.",
        "在这些行上，更简单的线性模型与网络相差无几：用 --hidden none 即可得到它。",
    ),
    "linear failed": (
        "The linear model came to nothing: it does worse than always answering {value}, and is no comparison.",
        "线性模型未能学成：还不如总是预测 {value}，因此不作比较。",
    ),
    "one class held": (
        "All these rows are of one class, so that nothing shows whether the network tells it from others.",
        "这些行都属于同一类，无法看出网络能否区分各类。",
    ),
    "of the median": (
        "R², RMSE, mean |error| and the errors shown are those of the median.",
        "R²、均方根误差、平均绝对误差与所示误差都是中位数的。",
    ),
    "loss divided": ("The loss is that of the target divided by {divisor}.", "损失是目标值除以 {divisor} 后的损失。"),
    "standardized": ("of the target divided by {divisor}", "目标值除以 {divisor} 后的损失"),
    # sections
    "title": ("What {target} can be predicted from", "{target} 能由什么预测"),
    "with other parts": ("{path} and {count} other parts", "{path} 与另外 {count} 个部分"),
    "with another part": ("{path} and another part", "{path} 与另一个部分"),
    "learnt from": (
        "A network for {target}, learnt from {rows} {rows:row/rows} of {data}.",
        "由 {data} 的 {rows} 行学得的 {target} 预测网络。",
    ),
    "verdict network": (
        "On {held} {held:row/rows} that it never saw, {score} is {network}; a linear model has {linear}, always "
        "answering {value} has {trivial}.",
        "在从未见过的 {held} 行上，{score}为 {network}；线性模型为 {linear}，总是预测 {value} 为 {trivial}。",
    ),
    "scores": ("Scores", "得分"),
    "curve": ("How it learnt", "学习过程"),
    "mistakes": ("Mistakes", "错误"),
    "errors": ("Errors", "误差"),
    "importance": ("What each column contributes", "各列的贡献"),
    "columns": ("Columns", "各列"),
    "search": ("Settings tried", "尝试过的设置"),
    "derivation": ("The derivation of this network", "该网络的推导"),
    "gradients": ("Gradients", "梯度"),
    "next": ("What to try next", "接下来可以试什么"),
    "settings": ("Settings", "设置"),
    "contents": ("Contents", "目录"),
    # table of columns
    "column": ("column", "列"),
    "kind": ("kind", "类型"),
    "what": ("what it holds", "内容"),
    "inputs": ("inputs", "输入"),
    "left out": ("left out", "不使用"),
    "number": ("number", "数值"),
    "category": ("category", "类别"),
    "boolean": ("yes or no", "是/否"),
    "date": ("date", "日期"),
    "constant": ("constant", "常量"),
    "identifier": ("identifier", "标识"),
    "text": ("text", "文本"),
    "dropped": ("dropped", "已去除"),
    "more columns": ("and {count} more", "另有 {count} 列"),
    # curve
    "epoch": ("epoch", "轮"),
    "training loss": ("training loss", "训练损失"),
    "validation loss": ("validation loss", "验证损失"),
    "best": ("best: epoch {epoch}", "最佳：第 {epoch} 轮"),
    "logarithmic": ("logarithmic", "对数刻度"),
    "curve said": ("Trained in {seconds}: {reason}.", "训练用时 {seconds}：{reason}。"),
    "ended finished": ("{epochs:the one epoch/all {epochs} epochs}", "完成全部 {epochs} 轮"),
    "ended converged": ("no more improvement after {epochs} {epochs:epoch/epochs}", "{epochs} 轮后不再改进"),
    "ended stopped": ("stopped after {epochs} {epochs:epoch/epochs}", "在 {epochs} 轮后停止"),
    "ended diverged": ("diverged after {epochs} {epochs:epoch/epochs}", "在 {epochs} 轮后发散"),
    "ended interrupted": ("interrupted after {epochs} {epochs:epoch/epochs}", "在 {epochs} 轮后中断"),
    "ended running": ("interrupted after {epochs} {epochs:epoch/epochs}", "在 {epochs} 轮后中断"),
    "refit": (
        "Then trained anew on all {rows} {rows:row/rows} for {epochs} {epochs:epoch/epochs}; the scores are of the "
        "network before.",
        "随后在全部 {rows} 行上重新训练 {epochs} 轮；以上得分属于此前的网络。",
    ),
    # mistakes
    "actual": ("actual", "实际"),
    "predicted": ("predicted", "预测"),
    "found": ("found", "查全率"),
    "taken for": ("taken for", "被认作"),
    "no mistakes": ("No row held out was mistaken.", "留出的行全部预测正确。"),
    "worst mistake": ("{actual} taken for {taken}: {count}", "{actual} 被认作 {taken}：{count}"),
    "residual": ("predicted − actual", "预测 − 实际"),
    "rows": ("rows", "行数"),
    "percentile": ("percentile", "百分位"),
    "percentiles": (
        "Half of the errors lie between {low} and {high}, nine in ten between {lower} and {higher}.",
        "一半的误差在 {low} 与 {high} 之间，九成在 {lower} 与 {higher} 之间。",
    ),
    "points shown": ("{shown} of {all} {all:row/rows}", "显示 {all} 行中的 {shown} 行"),
    # probabilities
    "probabilities": ("Probabilities", "概率"),
    "calibration error": (
        "They differ from what happened by {error} on average; if all were true, chance alone would give {chance}.",
        "它们与实际情况平均相差 {error}；若全部准确，仅由偶然也会相差 {chance}。",
    ),
    "trust sure": (
        "The network is too sure: it expects to be right in {confidence} of the rows, and is in {accuracy}.",
        "网络过于自信：它预期有 {confidence} 的行正确，实际为 {accuracy}。",
    ),
    "trust unsure": (
        "The network is surer of itself than it says: it expects to be right in {confidence} of the rows, and is in "
        "{accuracy}.",
        "网络过于保守：它预期有 {confidence} 的行正确，实际为 {accuracy}。",
    ),
    "trust true": (
        "On the whole they can be trusted: the network expects to be right in {confidence} of the rows, and is in "
        "{accuracy}.",
        "总体可信：网络预期有 {confidence} 的行正确，实际为 {accuracy}。",
    ),
    "trust open": (
        "So few rows do not tell whether they can be trusted: the network expects to be right in {confidence} of them, "
        "and is in {accuracy}, a difference that chance alone can make.",
        "行数太少，无法判断是否可信：网络预期有 {confidence} 的行正确，实际为 {accuracy}，这一差别仅由偶然也会出现。",
    ),
    "trust uneven": (
        "On the whole the network is right as often as it expects ({accuracy} of the rows against {confidence}), but "
        "not at every probability.",
        "总体上网络正确的比例与其预期相符（{accuracy} 对 {confidence}），但并非在每个概率上都如此。",
    ),
    "average precision": (
        "Average precision for {of}: {average}, where a random order has {share}.",
        "{of} 的平均精确率：{average}，随机排序为 {share}。",
    ),
    "probability of": ("probability of {of}", "{of} 的概率"),
    "probability of prediction": ("probability of the predicted class", "所预测类别的概率"),
    "share of": ("fraction that is {of}", "实际为 {of} 的比例"),
    "share right": ("fraction that is right", "预测正确的比例"),
    "calibration figure": (
        "Each point is about {rows} rows with similar probabilities; true ones lie on the dashed line.",
        "每个点约为 {rows} 个概率相近的行；准确的概率落在虚线上。",
    ),
    "found of": ("fraction of {of} that is found", "{of} 被找到的比例"),
    "taken wrongly": ("fraction of {other} taken for {of}", "{other} 被误认作 {of} 的比例"),
    "precision": ("precision", "精确率"),
    "roc figure": (
        "ROC: the area is {auc}; a random order lies on the dashed line.",
        "ROC 曲线：曲线下面积为 {auc}；随机排序落在虚线上。",
    ),
    "precision figure": (
        "Precision, the fraction of {of} among the rows taken for it: on average {average}; a random order lies on the "
        "dashed line.",
        "精确率，即被认作 {of} 的行中判断正确的比例：平均为 {average}；随机排序落在虚线上。",
    ),
    "mean probability": ("mean probability", "平均概率"),
    "mean of": ("mean predicted {target}", "{target} 的平均预测"),
    "dependence": ("How predictions depend on columns", "预测如何依赖各列"),
    "dependence said": (
        "The mean prediction if the column had this value in every row, the other columns staying as they are, on one "
        "scale for all columns. It says what the network does, not what would happen: where columns go together, some "
        "of these rows cannot occur.",
        "若该列在每一行都取此值而其他列不变时的平均预测，各列用同一刻度。它说明网络如何预测，而非实际会发生什么：当各列"
        "相互关联时，其中一些行不可能出现。",
    ),
    # importance
    "importance said": (
        "How much {score} drops when a column is shuffled among rows held out, with 95 % intervals.",
        "将一列在留出的行之间打乱后，{score}下降多少，附 95% 区间。",
    ),
    "importance of loss": (
        "How much {score} grows when a column is shuffled among rows held out, with 95 % intervals.",
        "将一列在留出的行之间打乱后，{score}上升多少，附 95% 区间。",
    ),
    # quantiles
    "quantile": ("quantile", "分位数"),
    "pinball": ("pinball loss", "分位数损失"),
    "of a constant": ("of a constant", "常数的损失"),
    "rows below": ("rows below", "低于它的行"),
    # search
    "hidden": ("hidden", "隐藏层"),
    "learning rate": ("learning rate", "学习率"),
    "alpha": ("alpha", "alpha"),
    "epochs": ("epochs", "轮数"),
    "validation score": ("on validation", "验证得分"),
    "kept": ("kept", "选用"),
    # settings
    "layers": ("layers", "层"),
    "parameters": ("parameters", "参数个数"),
    "activation": ("activation", "激活函数"),
    "solver": ("solver", "求解器"),
    "batch": ("rows in a batch", "每批行数"),
    "dropout": ("dropout", "随机失活"),
    "normalization": ("normalization", "归一化"),
    "class weight": ("class weights", "类别权重"),
    "seed": ("seed", "随机种子"),
    "split": (
        "{training} to train on, {choosing} to stop and choose by, {held} held out",
        "{training} 行训练，{choosing} 行用于早停与选择，{held} 行留出",
    ),
    "data": ("data", "数据"),
    "fingerprint": ("SHA-256 of the data", "数据的 SHA-256"),
    "version": ("made with", "生成工具"),
    # advice
    "advice diverged": (
        "Training diverged: {culprit} was no longer finite. Try --learning-rate {learning_rate}.",
        "训练发散：{culprit} 不再有限。可试 --learning-rate {learning_rate}。",
    ),
    "advice grew": (
        "The loss grew from {first} to {last}: give a smaller --learning-rate, such as {learning_rate}.",
        "损失由 {first} 升到 {last}：请减小 --learning-rate，例如 {learning_rate}。",
    ),
    "advice more epochs": (
        "It was still improving at its last epoch: try --epochs {epochs}.",
        "到最后一轮仍在改进：可试 --epochs {epochs}。",
    ),
    "advice overfitting": (
        "{score} is {training} on the rows it was trained on and {held} on those held out: it has learnt details that "
        "do not carry over. Try --dropout 0.2, a larger --alpha (such as {alpha}), a smaller network, or more rows.",
        "{score}在训练行上为 {training}，在留出的行上为 {held}：它记住了不能推广的细节。可试 --dropout 0.2、更大的 "
        "--alpha（例如 {alpha}）、更小的网络，或更多的数据。",
    ),
    "advice underfitting": (
        "Even on the rows it was trained on ({training}) it is no better than the linear model is there ({linear}): "
        "try a wider network (--hidden {hidden}) or other columns.",
        "即使在训练行上（{training}）也不优于线性模型在同样行上的表现（{linear}）：可试更宽的网络（--hidden "
        "{hidden}），或增加别的列。",
    ),
    "advice linear": (
        "A linear model does about as well ({linear} against {network}), and is easier to explain: --hidden none.",
        "线性模型效果相当（{linear} 对 {network}），也更易解释：--hidden none。",
    ),
    "advice linear better": (
        "A linear model does better ({linear} against {network}), and is easier to explain: --hidden none.",
        "线性模型效果更好（{linear} 对 {network}），也更易解释：--hidden none。",
    ),
    "advice rare classes": (
        "Of the rare class {name} only {recall} is found: try --class-weight balanced.",
        "稀有类别 {name} 只有 {recall} 被找到：可试 --class-weight balanced。",
    ),
    "advice unseen class": (
        "Of {name} there {count:is/are} {count} {count:row/rows} among {total}, and none among the held-out rows: how "
        "well it is found is not known; more rows of it would tell.",
        "{name} 在 {total} 行中有 {count} 行，而留出的行中一行也没有：无法得知它能否被找到；需要更多这一类的行。",
    ),
    "advice leak": (
        "{name} alone carries nearly everything: make sure that it is known when a prediction is wanted.",
        "几乎全部信息都来自 {name}：请确认在需要预测时它确实已知。",
    ),
    "advice alone": (
        "A column that alone predicts the target almost perfectly: {names}. If it is known only together with the "
        "target, leave it out: --drop {option}.",
        "以下每一列单独就能几乎完美地预测目标：{names}。若它只有在目标已知时才知道，应去掉：--drop {option}。",
    ),
    "advice few rows": (
        "With {rows} {rows:row/rows} held out, the accuracy is known to about ±{margin} only: more rows, or several "
        "seeds, would tell more.",
        "留出的只有 {rows} 行，准确率只能精确到约 ±{margin}：更多的行或多个随机种子会更可靠。",
    ),
    "advice useless": (
        "Shuffling {names}, one column at a time, costs nothing: see whether --drop {option} makes a simpler model "
        "that is as good.",
        "逐列打乱 {names} 没有损失：可试 --drop {option}，看更简单的模型是否同样好。",
    ),
    "advice search": (
        "Search for better settings, as in --time 60, or among your own, as in --hidden 32 --hidden 64,64; the best on "
        "validation is kept.",
        "可搜索更好的设置，例如 --time 60，或从给出的几组中选，例如 --hidden 32 --hidden 64,64；保留验证最好的一组。",
    ),
    "advice interrupted": (
        "Training was interrupted: chainrule train {data} --resume {path} goes on.",
        "训练被中断：chainrule train {data} --resume {path} 可继续。",
    ),
    "advice text": (
        "{names} left out as free text: a column made of it, such as its length or a word in it, could help.",
        "{names} 因是自由文本而未使用：可由它构造新列，例如长度或是否含某个词。",
    ),
}

say = Sentences(_WORDS)


def table_name(path: str, others: int, lang: Language = "en") -> str:
    """Name a table, which consists of the part at `path` and of parts of other processes.

    >>> table_name("a.csv", 0), table_name("a.csv", 1), table_name("a.csv", 2)
    ('a.csv', 'a.csv and another part', 'a.csv and 2 other parts')
    """
    if not others:
        return path
    return say(lang, "with another part" if others == 1 else "with other parts", path=path, count=others)


def score_text(name: str, value: float) -> str:
    """Format a score; shares are in percent.

    >>> score_text("accuracy", 0.9667), score_text("r2", 0.4567), score_text("rmse", 54.321), score_text("mae", 13863.2)
    ('96.7%', '0.457', '54.32', '13,863')
    """
    if not abs(value) < float("inf"):
        return "–"
    if name in ("accuracy", "balanced accuracy", "coverage"):
        return f"{value:.1%}"
    if name in ("r2", "auc", "log loss") and abs(value) < 1e4:
        return f"{value:.3f}"
    return amount_text(value)


def amount_text(value: float) -> str:
    """Format a number in the units of the target: `54.32`, `13,863` or `1.2e+12`."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:,.4g}"


def number_text(value: float) -> str:
    """Format a number briefly: `3.142` or `1.2e+09`."""
    return f"{value:.4g}"
