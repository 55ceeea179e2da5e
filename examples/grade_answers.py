"""Hand-written backward passes, checked line by line: a right one, and two common mistakes.

python examples/grade_answers.py
"""

from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr


def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """A two-layer network with a squared error."""
    z1 = X @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    return 0.5 * np.sum((z2 - y) ** 2)


reference = cr.derive(loss, X="n d", y="n o", W1="d h", b1="h", W2="h o", b2="o")

ANSWER = """
import numpy as np

def backward(X, y, W1, b1, W2, b2):
    z1 = X @ W1 + b1
    a1 = np.tanh(z1)
    d2 = a1 @ W2 + b2 - y
    dW2 = a1.T @ d2
    db2 = d2.sum(axis=0)
    d1 = d2 @ W2.T * (1 - a1**2)
    dW1 = X.T @ d1
    db1 = d1.sum(axis=0)
    return dW1, db1, dW2, db2
"""

for title, answer in {
    "right": ANSWER,
    "a mean for a sum": ANSWER.replace("db1 = d1.sum(axis=0)", "db1 = d1.mean(axis=0)"),
    "the derivative at the wrong place": ANSWER.replace("1 - a1**2", "1 - z1**2"),
}.items():
    Path("answer.py").write_text(answer, encoding="utf-8")
    grade = cr.grade("answer.py:backward", against=reference)
    print(f"== {title}: {'right' if grade.right else 'wrong'}")
    lines = str(grade).splitlines()
    first = next((k for k, line in enumerate(lines) if line.startswith("✗")), len(lines))
    print("\n".join(lines[first : first + 3]))
