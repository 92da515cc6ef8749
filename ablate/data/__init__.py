"""Image sets for short-schedule accuracy: in memory as one uint8 tensor, as a stream, or drawn.

A set is registered with `ablate.data.register.dataset`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ablate.data.call import DatasetCall, check_name
from ablate.data.load import inspect, load, names
from ablate.data.register import Request, entries
from ablate.data.summary import Summary

if TYPE_CHECKING:
    from ablate.data.dataset import Dataset, Splits
    from ablate.data.splits import IGNORED, DrawnSplit, Split, StreamSplit, TensorSplit, drawn_once

_LATER = {  # what needs torch is imported when it is asked for: a study file is checked without it
    "ablate.data.dataset": ("Dataset", "Splits"),
    "ablate.data.splits": ("IGNORED", "DrawnSplit", "Split", "StreamSplit", "TensorSplit", "drawn_once"),
}

__all__ = [
    "IGNORED", "Dataset", "DatasetCall", "DrawnSplit", "Request", "Split", "Splits", "StreamSplit", "Summary",
    "TensorSplit", "check_name", "drawn_once", "entries", "inspect", "load", "names",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    for module, names_there in _LATER.items():
        if name in names_there:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
