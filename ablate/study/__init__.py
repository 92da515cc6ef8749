"""The study file: YAML to a validated `Study` of layouts and measurements. Importing it imports no torch."""

from ablate.study.goals import Constraint, Objective
from ablate.study.load import load_study, parse_study
from ablate.study.schema import study_json_schema
from ablate.study.study import Match, Search, Study

__all__ = [
    "Constraint",
    "Match",
    "Objective",
    "Search",
    "Study",
    "load_study",
    "parse_study",
    "study_json_schema",
]
