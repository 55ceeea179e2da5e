"""Models that last: programs and what is learnt in one safetensors file, read without trusting it."""

from chainrule.models.errors import DescriptionError, ModelError
from chainrule.models.programs import program_from_json, program_to_json

__all__ = ["DescriptionError", "ModelError", "program_from_json", "program_to_json"]
