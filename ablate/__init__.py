"""Architecture ablation and complexity analysis for vision backbones."""

from typing import Any

from ablate.dotted import load
from ablate.layout import Layout, Network, TimmModel
from ablate.study import Study, load_study

__version__ = "0.2.0"
__all__ = ["Layout", "Network", "Study", "TimmModel", "__version__", "load_results", "load_study"]


def __getattr__(name: str) -> Any:
    """`load_results` brings pandas in, and is looked up when it is asked for."""
    if name == "load_results":
        return load("ablate.report.frame:load_results")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
