"""The layout language: text and YAML to a validated `Study` of `Layout`s. Importing it does not import torch."""

from ablate.layout.call import BlockCall
from ablate.layout.errors import AblateError, LayoutError, Problem
from ablate.layout.layout import Layout
from ablate.layout.resolve import Stage

__all__ = ["AblateError", "BlockCall", "Layout", "LayoutError", "Problem", "Stage"]
