"""The sentences of the commands, in English and Chinese. `{name}` marks a value."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from chainrule.words import LANGUAGE_VARIABLE, LANGUAGES, Language, Sentences, checked_language, chosen

Command = TypeVar("Command", bound=Callable[..., Any])

_SENTENCES: dict[str, tuple[str, str]] = {
    # all commands
    "error": ("error: {message}", "错误：{message}"),
    "interrupted": ("interrupted", "已中断"),
    "usage": ("Usage: ", "用法："),
    "section": ("{title}:", "{title}："),
    "between notes": ("; ", "；"),
    # demo
    "network": (
        "The network: {inputs} inputs, {hidden} hidden units, {outputs} output; each layer is linear, then σ.",
        "网络：{inputs} 个输入，{hidden} 个隐藏单元，{outputs} 个输出；每层先线性变换，再经 σ。",
    ),
    "network code": ("Its loss, as NumPy code:", "它的损失函数（NumPy 代码）："),
    "training xor": (
        "Training on XOR: {epochs} full-batch epochs at learning rate {learning_rate}, seed {seed}",
        "在异或（XOR）上训练：全批量 {epochs} 轮，学习率 {learning_rate}，随机种子 {seed}",
    ),
    "epoch": ("epoch {epoch}", "第 {epoch} 轮"),
    "end": ("end", "结束"),
    "mean squared error": ("mean squared error {value}", "均方误差 {value}"),
    "predictions": ("Predictions", "预测"),
    "prediction": ("{a} xor {b} → {value}  (right: {right})", "{a} xor {b} → {value}（正确值 {right}）"),
    "times": (
        "Time: {native} in native code (and {compiling} to compile it); the same loop in plain NumPy takes {numpy} "
        "here, {factor} times as long.",
        "用时：本机代码 {native}（另编译 {compiling}）；同样的循环用普通 NumPy 需要 {numpy}，是前者的 {factor} 倍。",
    ),
    "interrupted run": ("Interrupted after {epochs} {epochs:epoch/epochs}.", "在 {epochs} 轮后中断。"),
    "progress": ("training", "训练中"),
    # explore
    "page opened": ("The page is open in the browser: {path}", "页面已在浏览器中打开：{path}"),
    "page written": ("The page is in {path}; open it in a browser.", "页面已写入 {path}，请用浏览器打开。"),
    "page served": ("The page is at {url} (Ctrl-C ends it)", "页面位于 {url}（按 Ctrl-C 结束）"),
    "server ended": ("ended", "已结束"),
    "site written": (
        "{count} {count:file/files} are written; open {path} in a browser.",
        "已写入 {count} 个文件，请用浏览器打开 {path}。",
    ),
    # demo and derive
    # train
    "table": (
        "{path}: {rows} {rows:row/rows}, {features} {features:feature/features}, target {target!r}.",
        "{path}：{rows} 行，{features} 个特征，目标列为 {target!r}。",
    ),
    "classification": ("Classification into {count} classes: {classes}.", "分类问题，共 {count} 类：{classes}。"),
    "because": ("({reason})", "（{reason}）"),
    "because few": (
        "(The target holds few distinct whole numbers; --task regression treats them as quantities.)",
        "（目标列只有少数几个不同的整数；若它们是数量，请加 --task regression。）",
    ),
    "regression because": ("Regression: {reason}.", "回归问题：{reason}。"),
    "regression": ("Regression: the target holds numbers.", "回归问题：目标列是数值。"),
    "and more": ("and {count} more", "等（另有 {count} 个）"),
    "note": ("Note: {note}.", "注意：{note}。"),
    "network train": (
        "Network {sizes}, {solver} at learning rate {learning_rate}, batches of {batch}, at most {epochs} "
        "{epochs:epoch/epochs}, seed {seed}.",
        "网络 {sizes}，{solver}，学习率 {learning_rate}，每批 {batch} 行，最多 {epochs} 轮，随机种子 {seed}。",
    ),
    "network whole": (
        "Network {sizes}, {solver} on all rows at once, at most {epochs} {epochs:iteration/iterations}, seed {seed}.",
        "网络 {sizes}，{solver}，每次使用全部行，最多 {epochs} 次迭代，随机种子 {seed}。",
    ),
    "search": (
        "{count} combinations of settings; the best on validation is kept.",
        "共 {count} 组设置，保留验证得分最好的一组。",
    ),
    "search in time": (
        "A search of about {time} among {count} combinations of settings; the best on validation is kept.",
        "在 {count} 组设置中搜索约 {time}，保留验证得分最好的一组。",
    ),
    "rows parted": (
        "{training} {training:row/rows} to train on, {choosing} to stop and choose by, {held} held out.",
        "{training} 行用于训练，{choosing} 行用于早停与选择，{held} 行留出。",
    ),
    "rows parted, file": (
        "{training} {training:row/rows} to train on, {choosing} to stop and choose by; all {held} of {path} are "
        "scored.",
        "{training} 行用于训练，{choosing} 行用于早停与选择；{path} 的全部 {held} 行用于评分。",
    ),
    "rows parted in two, file": (
        "{training} {training:row/rows} to train on; all {held} of {path} are scored.",
        "{training} 行用于训练；{path} 的全部 {held} 行用于评分。",
    ),
    "rows parted in two": (
        "{training} {training:row/rows} to train on, {held} held out.",
        "{training} 行用于训练，{held} 行留出。",
    ),
    "doing reading": ("reading: {rows} {rows:row/rows}", "读取：{rows} 行"),
    "doing predicting": ("predicting: {rows} {rows:row/rows}", "预测：{rows} 行"),
    "doing scoring": ("scoring: {rows} {rows:row/rows}", "评分：{rows} 行"),
    "doing encoding": ("encoding: {rows} {rows:row/rows}", "编码：{rows} 行"),
    "loss": ("loss", "损失"),
    "on validation": ("on validation", "验证"),
    "trained": ("Trained in {seconds}: {why}.", "训练用时 {seconds}：{why}。"),
    "held out": ("On the {rows} {rows:row/rows} held out:", "在留出的 {rows} 行上："),
    "on file": ("On {rows} {rows:row/rows} of {path}:", "在 {path} 的 {rows} 行上："),
    "saved": ("Saved to {path}.", "已保存到 {path}。"),
    "page": ("Report written to {path}.", "报告已写入 {path}。"),
    "interrupted train": (
        "Interrupted after {epochs} of {planned} {planned:epoch/epochs}; what was learnt is kept.",
        "在第 {epochs} 轮（共 {planned} 轮）后中断；已学到的参数予以保留。",
    ),
    "interrupted at once": (
        "Interrupted before the first epoch was done: this network has learnt nothing.",
        "在第一轮完成之前中断：该网络尚未学到任何东西。",
    ),
    "interrupted search": (
        "The search was interrupted; of the combinations so far the best is kept.",
        "搜索被中断；保留迄今最好的一组设置。",
    ),
    "interrupted whole": (
        "Training anew on all rows was interrupted; the network that the scores are of is kept.",
        "在全部行上重新训练时被中断；保留以上得分所属的网络。",
    ),
    # inspect
    "the network": ("this network", "该网络"),
    "linear": ("a linear model", "线性模型"),
    "trivial": ("always the same", "总是同一预测"),
    "training rows": ("  on its training rows", "  在训练行上"),
    "model of classes": (
        "{path}: predicts {target!r}, one of {count} classes ({classes}), from {columns} {columns:column/columns}.",
        "{path}：由 {columns} 列预测 {target!r}，共 {count} 类（{classes}）。",
    ),
    "model of numbers": (
        "{path}: predicts {target!r}, a number, from {columns} {columns:column/columns}.",
        "{path}：由 {columns} 列预测数值 {target!r}。",
    ),
    "model of arrays": (
        "{path}: predicts {outputs} {outputs:number/numbers} from {inputs}; it takes arrays, not tables.",
        "{path}：由 {inputs} 个数预测 {outputs} 个数；输入为数组而非表格。",
    ),
    "row network": ("network", "网络"),
    "row loss": ("loss", "损失"),
    "row parameters": ("parameters", "参数个数"),
    "row data": ("data", "数据"),
    "row trained": ("trained", "训练时间"),
    "row versions": ("versions", "版本"),
    "row file": ("file", "文件"),
    "row checkpoint": ("checkpoint", "检查点"),
    "bytes": ("{size} {size:byte/bytes}", "{size} 字节"),
    "progress of": (
        "{epoch} of {epochs} {epochs:epoch/epochs} in {seconds}; resume with --resume {path}",
        "已完成 {epochs} 轮中的 {epoch} 轮，用时 {seconds}；可用 --resume {path} 继续",
    ),
    "progress whole": (
        "{epoch} {epoch:epoch/epochs} done; train more with --resume {path} --epochs {more}",
        "{epoch} 轮已完成；可用 --resume {path} --epochs {more} 增加轮数",
    ),
    "columns used": ("Columns:", "各列："),
    "columns left out": ("Left out in training:", "训练时未使用："),
    "scores held out": ("Scores on rows held out:", "在留出行上的得分："),
    # export
    "exported": ("{path} written ({size} {size:byte/bytes}).", "已写入 {path}（{size} 字节）。"),
    # predict
    "wrote": (
        "{rows} {rows:prediction/predictions} of {target!r} written to {path}.",
        "已将 {target!r} 的 {rows} 个预测写入 {path}。",
    ),
}

say = Sentences(_SENTENCES)


def default_language(environment: Mapping[str, str] | None = None) -> Language:
    """Return the language of CHAINRULE_LANG, else Chinese if the locale of messages is Chinese, else English."""
    variables = os.environ if environment is None else environment
    if variables.get(LANGUAGE_VARIABLE):
        return checked_language(variables[LANGUAGE_VARIABLE], LANGUAGE_VARIABLE)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if variables.get(name):
            return "zh" if variables[name].lower().startswith("zh") else "en"
    return "en"


def language_option(command: Command) -> Command:
    """The option `--lang en|zh`, passed to the command as `lang`."""
    return _language_option(expose_value=True)(command)


def message_language_option(command: Command) -> Command:
    """The option `--lang en|zh` of a command whose output has no words: it sets the language of help and errors."""
    return _language_option(expose_value=False)(command)


def _language_option(expose_value: bool) -> Callable[[Command], Command]:
    return click.option(
        "--lang",
        type=click.Choice(LANGUAGES),
        default=lambda: chosen() or default_language(),
        expose_value=expose_value,
        help="Language of output, help and errors; by default CHAINRULE_LANG, or that of the locale.",
    )
