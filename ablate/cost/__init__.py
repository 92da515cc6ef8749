"""Exact costs: MACs, parameters, element-wise work, bytes and memory, counted without a device."""

from ablate.cost.count import Count, Tally, count
from ablate.cost.kernel import KERNELS, Kernel, attention_kernel, device_kernel
from ablate.cost.layouts import LayoutCost, Row, layout_cost
from ablate.cost.memory import Memory, trace_memory
from ablate.cost.parts import PartCost, part_cost
from ablate.cost.rules import register_macs

__all__ = [
    "KERNELS",
    "Count",
    "Kernel",
    "LayoutCost",
    "Memory",
    "PartCost",
    "Row",
    "Tally",
    "attention_kernel",
    "count",
    "device_kernel",
    "layout_cost",
    "part_cost",
    "register_macs",
    "trace_memory",
]
