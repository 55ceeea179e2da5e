"""Training that is interrupted, by Ctrl-C or a power cut, and resumed with bitwise identical results.

The same from a shell: `chainrule train table.csv --target y --save model --checkpoint-every 30`, and after the stop
`chainrule train table.csv --resume model`.

python examples/resume.py
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes

from chainrule.models import Checkpointer, Model, load_checkpoint
from chainrule.networks import Architecture, TrainingSettings, TrainingState, train
from chainrule.training import Adam

X, y = load_diabetes(return_X_y=True)
X, y = X / X.std(axis=0), (y[:, None] - y.mean()) / y.std()
network = Architecture(X.shape[1], (32,), 1, activations="tanh", dropout=(0.1,))
settings = TrainingSettings(Adam(0.003), epochs=60, batch_size=32, seed=0)

whole = train(network, network.initial(0), X, y, settings=settings)

with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "diabetes.model")
    keep = Checkpointer(path, Model.of(network, network.initial(0)), settings, seconds=None, epochs=5)

    def until_the_power_fails(state: TrainingState) -> bool:
        """Save a checkpoint every five epochs, and end training after 37."""
        keep(state)
        return state.epoch < 37

    train(network, network.initial(0), X, y, settings=settings, on_epoch=until_the_power_fails)
    checkpoint = load_checkpoint(path)
    first = checkpoint.model.predict_encoded(X[:1])[0, 0]
    print(f"the checkpoint is of epoch {checkpoint.state.epoch}, and predicts {first:.3f} for the first row")
    resumed = train(network, None, X, y, settings=checkpoint.settings, resume=checkpoint.state)

same = all(np.array_equal(resumed.params[name], array) for name, array in whole.params.items())
print(f"resumed to epoch {resumed.epoch}; bitwise identical to an uninterrupted run: {same}")
