"""Export of a fitted estimator as ONNX, with an input for each column, run by onnxruntime; and as C for a device.

python examples/export_to_onnx.py
"""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from chainrule.estimators import MLPClassifier

X, y = load_wine(return_X_y=True, as_frame=True)
cultivar = np.array(["Barbera", "Barolo", "Grignolino"])[y]
train_rows, test_rows, train_classes, test_classes = train_test_split(X, cultivar, random_state=0, stratify=y)
scale = StandardScaler().set_output(transform="pandas").fit(train_rows)
model = MLPClassifier((16,), max_iter=400, tol=1e-3, random_state=0).fit(scale.transform(train_rows), train_classes)

with tempfile.TemporaryDirectory() as folder:
    (path,) = model.export("onnx", f"{folder}/wine.onnx")
    session = onnxruntime.InferenceSession(path)
    inputs = [each.name for each in session.get_inputs()]
    print("inputs:", ", ".join(inputs[:4]), "and", len(inputs) - 4, "more")
    print("outputs:", ", ".join(each.name for each in session.get_outputs()))

    table = scale.transform(test_rows)
    columns = {name: table[name].to_numpy()[:, None] for name in table}
    label, probabilities = session.run(None, columns)
    print("accuracy:", f"{np.mean(label == test_classes):.3f}")
    print("largest difference from the estimator:", f"{np.abs(probabilities - model.predict_proba(table)).max():.1e}")

    row = {name: column[:1] for name, column in columns.items()}
    print("one row:", session.run(["label"], row)[0][0])

    (header,) = model.export("c", f"{folder}/wine.h", train=True)
    text = Path(header).read_text()
    print("in C:", ", ".join(name for name in ("wine_predict", "wine_gradients", "wine_train") if f"{name}(" in text))
