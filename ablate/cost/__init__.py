"""Exact costs: MACs, parameters, element-wise work, bytes and memory, counted without a device."""

from ablate.cost.count import Count, Tally, count
from ablate.cost.kernel import KERNELS, Kernel, attention_kernel, device_kernel
from ablate.cost.rules import register_macs

__all__ = [
    "KERNELS",
    "Count",
    "Kernel",
    "Tally",
    "attention_kernel",
    "count",
    "device_kernel",
    "register_macs",
]
