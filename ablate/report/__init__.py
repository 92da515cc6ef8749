"""From a study's ledger to tables, figures and one self-contained page. Imports no torch.

`write_report` is the entrance; the drawing libraries are imported only when it is called.
"""

from __future__ import annotations

from typing import Any

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    if name == "write_report":
        from ablate.report.write import write_report

        return write_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
