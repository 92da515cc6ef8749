"""The layout language: text and YAML to a validated `Study` of `Layout`s. Importing it imports no torch."""

from ablate.layout.call import BlockCall
from ablate.layout.errors import AblateError, LayoutError, Problem
from ablate.layout.goals import Constraint, Objective
from ablate.layout.layout import Layout
from ablate.layout.load import load_study, parse_study
from ablate.layout.quantity import format_quantity, parse_quantity
from ablate.layout.resolve import Stage
from ablate.layout.schema import study_json_schema
from ablate.layout.study import Match, Search, Study

__all__ = [
    "AblateError",
    "BlockCall",
    "Constraint",
    "Layout",
    "LayoutError",
    "Match",
    "Objective",
    "Problem",
    "Search",
    "Stage",
    "Study",
    "format_quantity",
    "load_study",
    "parse_quantity",
    "parse_study",
    "study_json_schema",
]
