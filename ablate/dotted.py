"""Objects by dotted name: how a lower floor reaches one above it when it is called, and not before."""

from __future__ import annotations

import importlib
from typing import Any


def load(name: str) -> Any:
    """What `"package.module:attribute"` names, imported on demand.

    Raises `ValueError` for a name of another form, and what the import raises.
    """
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise ValueError(f"expected 'package.module:attribute', got {name!r}")
    return getattr(importlib.import_module(module), attribute)
