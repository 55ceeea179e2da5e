"""Models that last: programs and what is learnt in one safetensors file, read without trusting it."""

from chainrule.models.checkpoints import (
    Checkpoint,
    Checkpointer,
    described_settings,
    load_checkpoint,
    save_checkpoint,
)
from chainrule.models.errors import DescriptionError, ModelError
from chainrule.models.inspection import Column, ModelDescription, Progress, described, inspect_model
from chainrule.models.model import Model, Prediction
from chainrule.models.programs import program_from_json, program_to_json
from chainrule.models.saving import as_model, load_model, save_model

__all__ = [
    "Checkpoint",
    "Checkpointer",
    "Column",
    "DescriptionError",
    "Model",
    "ModelDescription",
    "ModelError",
    "Prediction",
    "Progress",
    "as_model",
    "described",
    "described_settings",
    "inspect_model",
    "load_checkpoint",
    "load_model",
    "program_from_json",
    "program_to_json",
    "save_checkpoint",
    "save_model",
]
