"""Exact costs: MACs, parameters, element-wise work, bytes and memory, counted without a device."""

from ablate.cost.count import Count, Tally, count
from ablate.cost.formula.find import Formula, formulas
from ablate.cost.formula.latex import complexity_table_latex
from ablate.cost.layouts import LayoutCost, Row, layout_cost
from ablate.cost.memory.predict import Prediction, predict_memory
from ablate.cost.memory.trace import Memory, trace_memory
from ablate.cost.operators.kernel import KERNELS, Kernel, attention_kernel, device_kernel
from ablate.cost.operators.rules import register_macs
from ablate.cost.parts import PartCost
from ablate.cost.roofline import MachinePeak, arithmetic_intensity, machine_peak, roofline_seconds

__all__ = [
    "KERNELS",
    "Count",
    "Formula",
    "Kernel",
    "LayoutCost",
    "MachinePeak",
    "Memory",
    "PartCost",
    "Prediction",
    "Row",
    "Tally",
    "arithmetic_intensity",
    "attention_kernel",
    "complexity_table_latex",
    "count",
    "device_kernel",
    "formulas",
    "layout_cost",
    "machine_peak",
    "predict_memory",
    "register_macs",
    "roofline_seconds",
    "trace_memory",
]
