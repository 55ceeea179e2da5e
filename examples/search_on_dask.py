"""A search on a Dask cluster, here two processes on this machine, compared with the same search in one process.

`joblib` distributes the work, so the same code runs on Ray (`ray.util.joblib.register_ray()`, then the backend "ray")
or on a cluster of machines (`Client("scheduler:8786")`). Each fit uses one thread, so that fits do not compete for
processors; results do not depend on the number of threads.

pip install "dask[distributed]"
python examples/search_on_dask.py
"""

import logging

import joblib
from distributed import Client, LocalCluster
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.estimators import MLPClassifier


def search() -> GridSearchCV:
    """Return an unfitted search over four settings with three folds each."""
    pipeline = make_pipeline(
        StandardScaler(), MLPClassifier(early_stopping=True, max_iter=100, threads=1, random_state=0)
    )
    grid = {
        "mlpclassifier__hidden_layer_sizes": [(16,), (16, 16)],
        "mlpclassifier__learning_rate_init": [0.003, 0.01],
    }
    return GridSearchCV(pipeline, grid, cv=3)


def restarts() -> Pipeline:
    """Return an unfitted pipeline of four networks from different weights, the best of which is kept."""
    network = MLPClassifier((16,), n_restarts=4, early_stopping=True, max_iter=100, random_state=0)
    return make_pipeline(StandardScaler(), network)


def main() -> None:
    """Run both searches, and compare their results."""
    X, y = load_breast_cancer(return_X_y=True)
    workers = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.ERROR)
    with workers as cluster, Client(cluster) as client:
        with joblib.parallel_config("dask"):
            spread = search().fit(X, y)
        print(f"Dask, {len(client.ncores())} workers: {spread.best_score_:.4f} with {spread.best_params_}")
        with joblib.parallel_config("dask"):
            scores = restarts().fit(X, y)[-1].restart_scores_
        print(f"four restarts, scores {[round(score, 3) for score in scores]}")
    local = search().fit(X, y)
    print(f"one process: {local.best_score_:.4f}")
    same = [result.cv_results_["mean_test_score"].tolist() for result in (spread, local)]
    print("the same scores:", same[0] == same[1])
    print("the same restarts:", restarts().fit(X, y)[-1].restart_scores_ == scores)


if __name__ == "__main__":
    main()
