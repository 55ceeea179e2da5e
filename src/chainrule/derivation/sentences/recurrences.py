"""What is said of recurrences."""

from __future__ import annotations

RECURRENCES: dict[str, tuple[str, str]] = {
    "steps": (
        "The recurrence: one step for each {0} = {1}, …, {2}, in this order.",
        "递归：对 {0} = {1}, …, {2} 依次各做一步。",
    ),
    "elements": (
        "{0}, for {1} = 1, 2, …, are the elements of {2} along its axis {3}.",
        "{0}（{1} = 1, 2, …）是 {2} 沿第 {3} 轴的各个元素。",
    ),
    "listed": ("{0} takes the values {1}.", "{0} 依次取值 {1}。"),
    "listed arrays": ("{0} is a given array for each step.", "{0} 在每一步是一个给定的数组。"),
    "made": ("{0} is the stack of {1} for {2} = {3}, …, {4}.", "{0} 由 {2} = {3}, …, {4} 的 {1} 堆叠而成。"),
    "through time": ("Backwards through the recurrence", "沿递归反向（随时间反向传播）"),
    "backwards through time": (
        "The steps are the same for each {0}, from {0} = {1} back to {0} = {2}. A state receives its gradient from "
        "outside of the recurrence and from the step after it; what is the same in all steps receives the sum over "
        "all of them.",
        "对每个 {0} 的推导都相同，从 {0} = {1} 回到 {0} = {2}。状态的梯度来自递归之外和其后的一步；"
        "各步共用的量得到各步之和。",
    ),
    "outside of step": (
        "{0} is the part of {1} that comes from outside of the step; {2} is used once more within it.",
        "{0} 是 {1} 中来自这一步之外的部分，因为 {2} 在这一步之内还要用到。",
    ),
    "for steps": ("for {0} = {1}, …, {2}", "{0} = {1}, …, {2}"),
    "part of": ("{0} is the part of {1} that comes from the recurrence.", "{0} 是 {1} 中来自递归的部分。"),
    "part of elements": (
        "{0}, whose elements are {1}, is the part of {2} that comes from the recurrence.",
        "{0} 的各元素为 {1}，是 {2} 中来自递归的部分。",
    ),
    "claim recurrence": ("what the recurrence contributes", "递归贡献的部分"),
}
