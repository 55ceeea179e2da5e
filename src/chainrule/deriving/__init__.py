"""Derivations: `derive`, and its result, which can be printed, verified and written as source."""

from chainrule.deriving.calls import derive
from chainrule.deriving.derivations import Derivation
from chainrule.deriving.errors import DerivationError
from chainrule.deriving.functions import function_sizes
from chainrule.deriving.further import FurtherDerivation
from chainrule.deriving.parameters import CONSTANT_NAMES, DATA_NAMES, inputs_named

__all__ = [
    "CONSTANT_NAMES",
    "DATA_NAMES",
    "Derivation",
    "DerivationError",
    "FurtherDerivation",
    "derive",
    "function_sizes",
    "inputs_named",
]
