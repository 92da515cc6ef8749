"""The audit: the count beside fvcore, ptflops and PyTorch's stock counter, each with its error explained."""

from ablate.cost.audit.run import TOOLS, Tool, audit
from ablate.cost.audit.table import MODES, AuditRow, AuditTable, Mode, Reading

__all__ = ["MODES", "TOOLS", "AuditRow", "AuditTable", "Mode", "Reading", "Tool", "audit"]
