"""Messages about valid files that this version does not support."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.malformed_models import Whole, checkpointed, put

from chainrule.models import ModelError, inspect_model, load_checkpoint, load_model
from chainrule.models import saving as saving_module
from chainrule.words import MissingDependencyError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole.made(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("program", "nodes", -1, "apply"), "Fourier", "'Fourier', a primitive that this version does not have"),
        (("preprocessing", "features", 0, "kind"), "sound", "sound"),
        (("target", "task"), "ranking", "'ranking'"),
        (("weather",), "fair", "unknown entry 'weather'"),
    ],
)
@pytest.mark.parametrize("version", ["99.0", None])
def test_what_another_version_wrote_is_not_called_damaged(
    whole: Whole, tmp_path: Path, place: tuple[Any, ...], value: Any, said: str, version: str | None
) -> None:
    path = tmp_path / "model.safetensors"

    def change(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        put(*place, value=value)(description, tensors)
        if version:
            description["versions"]["chainrule"] = version

    whole.changed(change, path)
    for load in (load_model, load_checkpoint, inspect_model):
        with pytest.raises(ModelError) as caught:
            load(str(path))
        assert "damaged" not in str(caught.value)
        assert said in str(caught.value)
        assert ("was written by version 99.0 of chainrule" if version else "this version of chainrule") in str(
            caught.value
        )


def test_a_checkpoint_that_is_not_read_is_told_and_the_model_in_it_predicts(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    whole.changed(put("checkpoint", "settings", "solver", "is", value="Sophia"), path)
    with pytest.raises(ModelError, match=r"written by this version .* does not go on: settings\.solver .*'Sophia'"):
        load_checkpoint(str(path))
    found = inspect_model(str(path))
    assert found.progress is None
    assert "'Sophia'" in found.unread
    load_model(str(path))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "model.safetensors")
    checkpointed(path)

    def lacking(data: object) -> None:
        raise MissingDependencyError("install it with pip install 'chainrule[tables]'")

    monkeypatch.setattr(saving_module, "target_from_json", lacking)
    with pytest.raises(MissingDependencyError, match=r"chainrule\[tables\]"):
        load_model(path)
