"""The one table of what is reported: where a number lies in a row, what it is called, its unit, its meaning.

Tables, figures and the list of definitions read this table; a new number is one entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["complexity", "memory", "throughput", "accuracy"]
MEBI = float(2**20)


@dataclass(frozen=True)
class Metric:
    """One reported number.

    `path` leads to it in a row's values, `column` names it (with its unit) in the CSV files, `scale` times
    the displayed number is the stored one, `unit` is the displayed unit, `digits` how many significant digits
    are shown when no error says it.
    """

    name: str
    kind: Kind
    path: tuple[str, ...]
    column: str
    label: str
    unit: str
    scale: float
    digits: int
    definition: str

    @property
    def title(self) -> str:
        """Label with unit, for a table's head or an axis: `MACs (G)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def read(self, values: Mapping[str, Any]) -> float:
        """The stored number, in its raw unit; NaN when the row does not have it."""
        found: Any = values
        for key in self.path:
            if not isinstance(found, Mapping) or found.get(key) is None:
                return float("nan")
            found = found[key]
        return float(found)


def _metric(
    kind: Kind, name: str, path: str, column: str, label: str, unit: str, scale: float, digits: int, text: str
) -> Metric:
    return Metric(name, kind, tuple(path.split(".")), column, label, unit, scale, digits, text)


def _predicted(kernel: str, quantity: str, label: str, text: str) -> Metric:
    path = f"memory.{kernel}.{quantity}"
    column = f"{quantity}_{kernel}_bytes"
    return _metric("complexity", column[:-6], path, column, f"{label}, {kernel}", "MiB", MEBI, 3, text)


_PEAK = "Most bytes alive at once above the weights and the input, predicted by following every storage"
_FUSED = "attention by a flash-like kernel, O(N)"
_MATH = "attention with its N x N matrix materialised"

METRICS: tuple[Metric, ...] = (
    _metric("complexity", "params", "params", "params", "Parameters", "M", 1e6, 4,
            "Learnable numbers of the whole model, with its classifier."),
    _metric("complexity", "macs", "macs", "macs", "MACs", "G", 1e9, 4,
            "Multiply-accumulates of matrix products and convolutions in one forward pass of one image, "
            "counted operator by operator. One MAC is two floating-point operations."),
    _metric("complexity", "flops", "flops", "flops", "FLOPs", "G", 1e9, 4,
            "Floating-point operations of the same work: exactly twice the MACs."),
    _metric("complexity", "training_macs", "training_macs", "training_macs", "Training MACs", "G", 1e9, 4,
            "MACs of a forward and backward pass of one image, without recomputation: three times the "
            "forward pass, less the layers whose input needs no gradient."),
    _metric("complexity", "elementwise", "elementwise", "elementwise_ops", "Element-wise", "G ops", 1e9, 3,
            "Element-wise and reduction operations (norms, activations, gates) of one forward pass; no "
            "MACs."),
    _metric("complexity", "bytes", "bytes", "moved_bytes", "Bytes moved", "MiB", MEBI, 3,
            "Bytes read and written by all operators of one forward pass, when every operator goes to "
            "memory."),
    _metric("complexity", "activations", "activations", "activations", "Activations", "M", 1e6, 3,
            "Elements written by the convolutions and matrix products of one forward pass."),
    _predicted("fused", "inference_peak", "Inference peak",
            f"{_PEAK}; {_FUSED}; forward pass without gradients."),
    _predicted("math", "inference_peak", "Inference peak",
            f"{_PEAK}; {_MATH}; forward pass without gradients."),
    _predicted("fused", "training_peak", "Training peak",
            f"{_PEAK}; {_FUSED}; one training step, with gradients and optimizer state."),
    _predicted("math", "training_peak", "Training peak",
            f"{_PEAK}; {_MATH}; one training step, with gradients and optimizer state."),
    _metric("memory", "weights", "weights", "weights_bytes", "Weights", "MiB", MEBI, 3,
            "Bytes of parameters and buffers."),
    _metric("memory", "gradients", "gradients", "gradients_bytes", "Gradients", "MiB", MEBI, 3,
            "Bytes of the parameters' gradients."),
    _metric("memory", "optimizer", "optimizer", "optimizer_bytes", "Optimizer", "MiB", MEBI, 3,
            "Bytes of the optimizer's state."),
    _metric("memory", "saved", "saved_activations", "saved_activations_bytes", "Saved activations", "MiB",
            MEBI, 3,
            "Bytes that the forward pass keeps for the backward pass."),
    _metric("memory", "peak", "peak", "predicted_peak_bytes", "Peak, predicted", "MiB", MEBI, 3,
            f"{_PEAK}; by kernel (fused: {_FUSED}; math: {_MATH})."),
    _metric("memory", "measured_peak", "measured_peak", "measured_peak_bytes", "Peak, measured", "MiB",
            MEBI, 3,
            "The same peak on the real device, with the same kernel: requested bytes on CUDA, the "
            "allocator's events on a CPU."),
    _metric("throughput", "latency", "latency_ms", "latency_ms", "Latency", "ms", 1.0, 3,
            "Time of one call on one batch: median over calls, then over fresh processes, with "
            "interleaved layouts. The error is half the 95 % interval between processes, the wider side "
            "of it."),
    _metric("throughput", "latency_low", "low_ms", "latency_low_ms", "Latency, low", "ms", 1.0, 3,
            "Lower end of the 95 % interval of the latency."),
    _metric("throughput", "latency_high", "high_ms", "latency_high_ms", "Latency, high", "ms", 1.0, 3,
            "Upper end of the 95 % interval of the latency."),
    _metric("throughput", "speed", "images_per_s", "images_per_second", "Throughput", "images/s", 1.0, 3,
            "Batch size divided by latency."),
    _metric("throughput", "ratio", "ratio", "latency_ratio", "Latency / baseline", "", 1.0, 3,
            "Latency divided by the baseline's, taken within rounds of the same process, so that drift "
            "cancels. Printed as a tie when its 95 % interval holds 1."),
    _metric("throughput", "ratio_low", "ratio_low", "latency_ratio_low", "Ratio, low", "", 1.0, 3,
            "Lower end of the 95 % interval of the ratio."),
    _metric("throughput", "ratio_high", "ratio_high", "latency_ratio_high", "Ratio, high", "", 1.0, 3,
            "Upper end of the 95 % interval of the ratio."),
    _metric("accuracy", "top1", "top1", "top1_percent", "Top-1", "%", 1.0, 4,
            "Share of test images whose most probable class is right, after the short schedule. Mean over"
            " seeds with its 95 % confidence interval (Student's t)."),
    _metric("accuracy", "test_loss", "test_loss", "test_loss_nats", "Test loss", "nats", 1.0, 3,
            "Mean cross-entropy on the test images."),
    _metric("accuracy", "train_loss", "train_loss", "train_loss_nats", "Training loss", "nats", 1.0, 3,
            "Training loss at the end of the schedule (with label smoothing where the recipe has it)."),
    _metric("accuracy", "images_seen", "images_seen", "images_seen", "Images seen", "", 1.0, 6,
            "Training images shown in total, the same for every layout."),
    _metric("accuracy", "training_speed", "images_per_s", "training_images_per_second", "Training speed",
            "images/s", 1.0, 3,
            "Training images per second; a by-product, not a protocol measurement."),
)  # fmt: skip

BY_NAME: Mapping[tuple[str, str], Metric] = {(metric.kind, metric.name): metric for metric in METRICS}


def of_kind(kind: str) -> tuple[Metric, ...]:
    """All metrics of one kind of cell, in the order of the table."""
    return tuple(metric for metric in METRICS if metric.kind == kind)


def metric(kind: str, name: str) -> Metric:
    """The metric with this kind and name. Raises `KeyError`."""
    return BY_NAME[kind, name]
