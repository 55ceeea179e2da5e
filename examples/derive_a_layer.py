"""The backward pass of a layer of one's own, written as HTML and LaTeX, and verified.

python examples/derive_a_layer.py
"""

from pathlib import Path
from typing import Any

import chainrule as cr


def gated_layer(X: Any, W: Any, V: Any, b: Any) -> Any:
    """A gated linear unit: one half of the units decides how much of the other passes."""
    z = X @ W + b
    g = cr.sigmoid(z)
    h = X @ V
    return g * h


derivation = cr.derive(gated_layer, X="n d", W="d k", V="d k", b="k")
print(derivation.text(detail="brief"))
verification = derivation.verify()
print("every line verified:", verification.ok)

Path("gated_layer.html").write_text(derivation.html(verification=verification), encoding="utf-8")
Path("gated_layer.tex").write_text(derivation.latex(standalone=True), encoding="utf-8")
print("written: gated_layer.html, gated_layer.tex")

print()
print("at numbers:")
shown = cr.derive("sigmoid(w*x + b)", wrt=["w", "b"]).text("path", detail="brief", at={"w": 2.0, "x": 0.5, "b": -1.0})
print("\n".join(line for line in shown.splitlines() if "∂L/∂w" in line))
