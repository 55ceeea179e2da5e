"""Free text is encoded by hashed trigrams, as scikit-learn has them, and exported or refused."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.feature_extraction.text import HashingVectorizer
from support.exported import load

from chainrule.estimators import TabularRegressor
from chainrule.exports import ExportError
from chainrule.tables import FrameSource, LeftOut, Preprocessing, Text, prepare, trigrams
from chainrule.tables.trigrams import hashed

TEXTS = ["Hello  World", "a", "", "Ünïcode\t名前 x\u00a0y", "ab cd " * 5, "\u2003q İstanbul \U0001f600"]


@pytest.mark.parametrize("size", [4, 100, 256])
def test_counts_are_those_of_scikit_learn(size: int) -> None:
    reference = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 3), n_features=size)
    np.testing.assert_array_equal(hashed(TEXTS, size), reference.transform(TEXTS).toarray())


def test_a_model_of_texts_is_exported_to_python_and_refused_elsewhere(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = np.array(["fine", "awful", "Great", "poor", "taste", "smell", "ünd"])
    table = pd.DataFrame({"review": [" ".join(random.choice(words, 6)) for _ in range(160)], "x": range(160)})
    table.loc[7, "review"] = None
    table["x"] = random.standard_normal(160)
    score = table["review"].fillna("").str.count("Great") - table["review"].fillna("").str.count("poor")
    few = partial(TabularRegressor, (8,), ensemble=1, learning_rate=0.02, random_state=0)
    assert [type(each) for each in Preprocessing.fit(table).left_out] == [LeftOut]
    letters = [" ".join("".join(random.choice(list("abcdefghij"), 5)) for _ in range(5)) for _ in range(160)]
    noise = pl.DataFrame({"review": letters, "z": random.standard_normal(160)})
    ready = prepare(FrameSource(noise), "z", kinds={"review": "text"}, held_out=0.0)
    assert isinstance(ready.preprocessing.features[0], Text)
    # Rows that took part in their own prediction would be told their targets.
    assert np.corrcoef(ready.X[:, 0], ready.y)[0, 1] < 0.3
    assert np.corrcoef(ready.preprocessing.encode(noise)[:, 0], ready.y)[0, 1] > 0.5
    chance = few(max_epochs=1, refit=False).fit(table, random.permutation(score))
    assert chance.columns_["review"].endswith("do not predict the target")

    model = few(max_epochs=60).fit(table, score)
    assert model.columns_["review"] == "text"
    preprocessing = model.to_model().preprocessing
    assert preprocessing is not None
    assert isinstance(preprocessing.features[0], Text)
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
    assert model.score(table, score) > 0.8
    path, _ = model.export("numpy", tmp_path / "net.py")
    cells = {name: table[name].tolist() for name in table.columns}
    np.testing.assert_allclose(load(Path(path)).predict(cells), model.predict(table), rtol=1e-4, atol=1e-4)
    for to, name in (("onnx", "net.onnx"), ("c", "net.h")):
        with pytest.raises(ExportError, match="column 'review' holds free text"):
            model.export(to, tmp_path / name)


def repeated(words: int, told: bool) -> FrameSource:
    """Rows with one of 60 texts of so many words, of which one decides the target, if `told`."""
    random = np.random.default_rng(3)
    fillers = ["box", "house", "paper", "window", "garden", "street", "morning", "kitchen"]
    texts = [
        " ".join(random.permutation([*random.choice(fillers, words - 2), f"a{k}", ("awful", "splendid")[k % 2]]))
        for k in range(60)
    ]
    chosen = random.integers(0, 60, 400)
    noise = random.normal(size=400)
    y = noise + (6 * (chosen % 2) if told else 0)
    return FrameSource(pl.DataFrame({"said": [texts[k] for k in chosen], "x": random.normal(size=400), "y": y}))


@pytest.mark.parametrize(
    ("words", "told", "kind", "reason"),
    [
        (6, True, "text", "sentences, 60 different ones"),
        (4, True, "text", "sentences, 60 different ones"),
        (6, False, "category", "sentences, 60 different ones; the rare ones share a column"),
        (3, True, "category", "60 different values"),
        (2, True, "category", "60 different values"),
    ],
)
def test_sentences_that_repeat_are_texts_if_their_words_say_something(
    words: int, told: bool, kind: str, reason: str
) -> None:
    ready = prepare(repeated(words, told), "y")
    found = {finding.name: finding for finding in ready.findings}["said"]
    assert (ready.preprocessing.by_column["said"].kind, found.reason[: len(reason)]) == (kind, reason)
    doubtful = "'said' has levels of several words; --kind said=text encodes it by its words" in ready.notes
    assert doubtful == (words == 3)


def test_sentences_are_levels_where_there_is_no_target() -> None:
    assert Preprocessing.fit(repeated(6, True), leave_out=["y"]).by_column["said"].kind == "category"


def test_counts_do_not_depend_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = ["red  Apple", None, "x" * 100, "", "an apple, é", "red"]
    at_once = hashed(cells, 8)
    monkeypatch.setattr(trigrams, "_AT_ONCE", 3)
    monkeypatch.setattr(trigrams, "_REMEMBERED", 3)
    np.testing.assert_array_equal(hashed(cells, 8), at_once)
    np.testing.assert_array_equal([hashed([cell], 8)[0] for cell in cells], at_once)
