"""What the commands say, in English and Chinese, in one table. `{name}` marks where a value goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import click

Language: TypeAlias = Literal["en", "zh"]
Command = TypeVar("Command", bound=Callable[..., Any])

_SENTENCES: dict[str, tuple[str, str]] = {
    # demo
    "network": (
        "The network: {inputs} inputs, {hidden} hidden units, {outputs} output; each layer is linear, then σ.",
        "网络：{inputs} 个输入，{hidden} 个隐藏单元，{outputs} 个输出；每层先线性变换，再经 σ。",
    ),
    "network code": ("Its loss, as NumPy code:", "它的损失函数（NumPy 代码）："),
    "training xor": (
        "Training on XOR: {epochs} full-batch epochs at rate {rate}, seed {seed}",
        "在异或（XOR）上训练：全批量 {epochs} 轮，学习率 {rate}，随机种子 {seed}",
    ),
    "epoch": ("epoch {epoch}", "第 {epoch} 轮"),
    "end": ("end", "结束"),
    "mean squared error": ("mean squared error {value}", "均方误差 {value}"),
    "predictions": ("Predictions", "预测"),
    "prediction": ("{a} xor {b} → {value}  (right: {right})", "{a} xor {b} → {value}（正确值 {right}）"),
    "times": (
        "Time: {native} in native code (and {compiling} to compile it), {reference} on the reference engine",
        "用时：本机代码 {native}（另编译 {compiling}），参考引擎 {reference}",
    ),
    "scaled": (
        "(NumPy, node by node; scaled from {epochs} epochs): {factor} times as long.",
        "（NumPy 逐节点计算；由 {epochs} 轮推算），为前者的 {factor} 倍。",
    ),
    "interrupted run": ("Interrupted after {epochs} epochs.", "在 {epochs} 轮后中断。"),
    "progress": ("training", "训练中"),
    # demo and derive
    # train
    "table": (
        "{path}: {rows} rows, {features} features, target {target!r}.",
        "{path}：{rows} 行，{features} 个特征，目标列为 {target!r}。",
    ),
    "classification": ("Classification into {count} classes: {classes}.", "分类问题，共 {count} 类：{classes}。"),
    "because text": ("(The target holds text.)", "（目标列是文本。）"),
    "because few": (
        "(The target holds few distinct whole numbers; --task regression treats them as quantities.)",
        "（目标列只有少数几个不同的整数；若它们是数量，请加 --task regression。）",
    ),
    "regression": ("Regression: the target holds numbers.", "回归问题：目标列是数值。"),
    "and more": ("and {count} more", "等（另有 {count} 个）"),
    "network train": (
        "Network {sizes}, {epochs} epochs in batches of {batch} at rate {rate}, seed {seed}.",
        "网络 {sizes}，训练 {epochs} 轮，每批 {batch} 行，学习率 {rate}，随机种子 {seed}。",
    ),
    "trained": (
        "Trained on {rows} rows in {seconds}; loss {first} → {last}.",
        "用 {rows} 行训练，耗时 {seconds}；损失 {first} → {last}。",
    ),
    "loss grew": ("The loss grew: give a smaller --rate.", "损失不降反升：请减小 --rate。"),
    "held out": ("On the {rows} rows held out:", "在留出的 {rows} 行上："),
    "accuracy": ("accuracy", "准确率"),
    "r2": ("R²", "R²"),
    "rmse": ("RMSE", "均方根误差"),
    "the network": ("this network", "该网络"),
    "always class": ("always {name!r}, the commonest class", "总是预测最多的一类 {name!r}"),
    "always mean": ("always the mean, {value}", "总是预测平均值 {value}"),
    "not better": (
        "The network does no better than that; the features may say nothing of the target, or try other settings.",
        "网络并不比它更好；可能这些特征与目标无关，也可以换一组设置再试。",
    ),
    "saved": ("Saved to {path}.", "已保存到 {path}。"),
    "interrupted train": (
        "Interrupted after {epochs} of {planned} epochs; what was learnt is kept.",
        "在第 {epochs} 轮（共 {planned} 轮）后中断；已学到的参数予以保留。",
    ),
    # predict
    "wrote": ("{rows} predictions of {target!r} written to {path}.", "已将 {target!r} 的 {rows} 个预测写入 {path}。"),
}


def say(language: Language, key: str, **values: object) -> str:
    """The sentence `key` in `language`, with `values` in the places of its marks."""
    return _SENTENCES[key][0 if language == "en" else 1].format(**values)


def default_language(environment: Mapping[str, str] | None = None) -> Language:
    """Chinese where the locale of messages is, else English."""
    variables = os.environ if environment is None else environment
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if variables.get(name):
            return "zh" if variables[name].lower().startswith("zh") else "en"
    return "en"


def language_option(command: Command) -> Command:
    """`--lang en|zh`, given to the command as `lang`."""
    return click.option(
        "--lang",
        type=click.Choice(["en", "zh"]),
        default=default_language,
        help="Language of the output; by default that of the locale.",
    )(command)
