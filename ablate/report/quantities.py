"""The quantities that are followed over resolutions: how they are called, in which unit they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ablate.report.metrics import MEBI


@dataclass(frozen=True)
class Quantity:
    """`scale` times the displayed number is the stored one; `stored` is the stored number's unit."""

    label: str
    unit: str
    scale: float
    stored: str

    @property
    def title(self) -> str:
        """Label with unit."""
        return f"{self.label} ({self.unit})"


LATENCY = "latency"
QUANTITIES: Mapping[str, Quantity] = {
    "macs": Quantity("MACs", "G", 1e9, "MACs"),
    "inference_fused": Quantity("Inference peak, fused", "MiB", MEBI, "bytes"),
    "inference_math": Quantity("Inference peak, math", "MiB", MEBI, "bytes"),
    "training_fused": Quantity("Training peak, fused", "MiB", MEBI, "bytes"),
    "training_math": Quantity("Training peak, math", "MiB", MEBI, "bytes"),
    "roofline_ms": Quantity("Roofline time", "ms", 1.0, "ms"),
    LATENCY: Quantity("Latency, measured", "ms", 1.0, "ms"),
}
"""In the order in which tables show them."""
