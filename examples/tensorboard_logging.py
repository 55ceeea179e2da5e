"""Logging of loss and score of every epoch to TensorBoard, with a callback of scikit-learn.

For another logger replace `add_scalar`, for example with `mlflow.log_metric("accuracy", score, step)`.
Show the curves with `tensorboard --logdir runs`.

pip install "scikit-learn>=1.9" tensorboardX
python examples/tensorboard_logging.py [FOLDER]
"""

import sys
import warnings
from typing import Any

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from tensorboardX import SummaryWriter

from chainrule.estimators import MLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)  # 30 epochs are intended


class TensorBoard:
    """Logs the progress of a fit at the end of each epoch; `held_out` are rows for the score."""

    def __init__(self, folder: str, held_out: tuple[Any, Any]) -> None:
        self.folder, self.held_out = folder, held_out

    def setup(self, estimator: Any, context: Any) -> None:
        self.writer = SummaryWriter(self.folder)

    def teardown(self, estimator: Any, context: Any) -> None:
        self.writer.close()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        pass

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> None:
        if context.task_name == "epoch" and fitted_estimator is not None:
            self.writer.add_scalar("loss", fitted_estimator.loss_, context.task_id)
            self.writer.add_scalar("accuracy", fitted_estimator.score(*self.held_out), context.task_id)


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
folder = sys.argv[1] if len(sys.argv) > 1 else "runs/digits"
model = MLPClassifier((32,), max_iter=30, random_state=0).set_callbacks(TensorBoard(folder, (X_test, y_test)))
model.fit(X_train, y_train)
print(f"{model.n_iter_} epochs, test accuracy {model.score(X_test, y_test):.3f}; curves are in {folder}")
