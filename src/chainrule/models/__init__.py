"""Models that last: programs and what is learnt in one safetensors file, read without trusting it."""

from chainrule.models.errors import DescriptionError, ModelError
from chainrule.models.model import Model, Prediction
from chainrule.models.programs import program_from_json, program_to_json

__all__ = ["DescriptionError", "Model", "ModelError", "Prediction", "program_from_json", "program_to_json"]
