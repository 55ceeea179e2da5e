"""Programs and nodes as JSON, the encoding of model files and of derivations; what is read is validated."""

from chainrule.interchange.limits import AXES, check_node
from chainrule.interchange.programs import NodeTable, program_from_json, program_to_json, type_as_json
from chainrule.interchange.sizes import SIZE

__all__ = [
    "AXES",
    "SIZE",
    "NodeTable",
    "check_node",
    "program_from_json",
    "program_to_json",
    "type_as_json",
]
