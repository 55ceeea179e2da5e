"""Rare classes: `class_weight` and the focal loss, which scikit-learn's perceptron lacks.

python examples/imbalanced_classes.py
"""

from typing import Any

from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.estimators import MLPClassifier

X, y = make_classification(
    4000, 12, n_informative=6, weights=[0.95], flip_y=0.02, class_sep=0.8, random_state=1
)  # one row in twenty is of class 1
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)

settings: dict[str, Any] = {"hidden_layer_sizes": (32,), "early_stopping": True, "random_state": 0}
models = {
    "as it is": MLPClassifier(**settings),
    "balanced": MLPClassifier(**settings, class_weight="balanced", scoring="balanced_accuracy"),
    "focal loss": MLPClassifier(**settings, loss="focal", gamma=2.0, class_weight={0: 1, 1: 8}),
}
print(f"{'':<12}{'balanced accuracy':>18}{'recall of the rare class':>26}")
for name, model in models.items():
    predicted = make_pipeline(StandardScaler(), model).fit(X_train, y_train).predict(X_test)
    balanced, recall = balanced_accuracy_score(y_test, predicted), recall_score(y_test, predicted)
    print(f"{name:<12}{balanced:>18.3f}{recall:>26.3f}")
