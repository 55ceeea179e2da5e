"""A lesson of two pages on backpropagation, in English or Chinese, to print or to put on a web site.

Everything in it is derived when it is written: change the network, and the lesson changes with it.

python examples/lesson.py [en|zh]
"""

import sys
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr

WORDS = {
    "en": {
        "title": "Backpropagation in two pages",
        "chain": "1. The chain rule",
        "chain text": "A composition is differentiated piece by piece, and the derivatives are multiplied.",
        "network": "2. A network of two layers",
        "network text": "Each layer is a composition too. Going back through them, every matrix is transposed once.",
        "numbers": "3. With numbers",
        "numbers text": "One row through a network of one unit in each layer; every value stands behind its line.",
        "exercise": "4. Exercise",
        "exercise text": "Derive the same for tanh in place of σ, and compare: chainrule grade answer.py:backward …",
    },
    "zh": {
        "title": "两页讲完反向传播",
        "chain": "1. 链式法则",
        "chain text": "复合函数逐段求导，再把各段的导数相乘。",
        "network": "2. 两层网络",
        "network text": "每一层也是一个复合函数。从后往前经过它们，每个矩阵转置一次。",
        "numbers": "3. 代入数字",
        "numbers text": "一行数据通过每层一个单元的网络；每一行后面写着它的值。",
        "exercise": "4. 练习",
        "exercise text": "把 σ 换成 tanh 再推导一遍，然后比较：chainrule grade answer.py:backward …",
    },
}


def network(x: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """The two-layer network with a squared error, for one column."""
    z1 = W1 @ x + b1
    a1 = cr.sigmoid(z1)
    z2 = W2 @ a1 + b2
    return 0.5 * np.sum((z2 - y) ** 2)


def unit(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    """The same with one unit a layer."""
    z1 = w1 * x
    a1 = cr.sigmoid(z1)
    z2 = w2 * a1
    return 0.5 * (z2 - y) ** 2


lang: Any = sys.argv[1] if len(sys.argv) > 1 else "en"
words = WORDS[lang]
parts = {
    "chain": cr.derive("f(g(x))").html("path", lang, detail="brief", standalone=False),
    "network": cr.derive(network, wrt=["W1", "b1", "W2", "b2"], x="d", y="o", W1="h d", b1="h", W2="o h", b2="o").html(
        "matrix", lang, detail="brief", standalone=False
    ),
    "numbers": cr.derive(unit, wrt=["w1", "w2"], x="", y="", w1="", w2="").html(
        "path", lang, detail="brief", standalone=False, at={"x": 1.0, "y": 0.0, "w1": 0.5, "w2": 2.0}
    ),
    "exercise": "",
}
body = "".join(
    f"<h2>{escape(words[key])}</h2>\n<p>{escape(words[key + ' text'])}</p>\n{part}\n" for key, part in parts.items()
)
page = f"""<!DOCTYPE html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{escape(words["title"])}</title>
<style>body {{ max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font-family: Georgia, serif; line-height: 1.5 }}
h2 {{ margin: 1.2em 0 .2em }} p {{ margin: .2em 0 }} .chainrule header, .chainrule h1 {{ display: none }}
body .chainrule h2 {{ font-size: 1em; margin: .7em 0 .1em; padding: 0; border: 0 }}
body .chainrule .equations {{ margin: .3em 0; row-gap: .2em }}
body .chainrule .box {{ margin: .4em 0; padding: 0 .8em }}
@page {{ size: A4; margin: 12mm }}
@media print {{ body {{ margin: 0; font-size: 9.5pt; max-width: none }} .equations, .box {{ break-inside: avoid }} }}
</style></head>
<body><h1>{escape(words["title"])}</h1>
{body}</body></html>
"""
path = Path(f"lesson.{lang}.html")
path.write_text(page, encoding="utf-8")
print(f"written: {path}")
