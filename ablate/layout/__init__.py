"""The layout language: text and settings to a resolved `Layout`. Importing it imports no torch."""

from ablate.errors import AblateError, LayoutError, Problem
from ablate.layout.call import BlockCall
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.resolve import Stage
from ablate.layout.sizes import format_quantity, parse_quantity
from ablate.layout.timm_model import TimmModel

__all__ = [
    "AblateError",
    "BlockCall",
    "Layout",
    "LayoutError",
    "Network",
    "Problem",
    "Stage",
    "TimmModel",
    "format_quantity",
    "parse_quantity",
]
