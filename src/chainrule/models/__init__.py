"""Persistent models: programs and parameters in one safetensors file, which is read without being trusted."""

from chainrule.models.checkpoints import (
    Checkpoint,
    Checkpointer,
    described_settings,
    load_checkpoint,
    save_checkpoint,
)
from chainrule.models.errors import ModelError
from chainrule.models.inspection import Column, ModelDescription, Progress, described, inspect_model
from chainrule.models.model import Model, Prediction
from chainrule.models.saving import as_model, load_model, save_model

__all__ = [
    "Checkpoint",
    "Checkpointer",
    "Column",
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
    "save_checkpoint",
    "save_model",
]
