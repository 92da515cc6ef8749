"""What a study measures, and under which conditions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict, StrictBool, model_validator

from ablate.layout.settings import Count, Model, Positive
from ablate.study.fields import (
    DatasetName,
    Device,
    Modes,
    Pixels,
    Precision,
    Precisions,
    Resolutions,
    Text,
)

_AT = "Sides of the square input in pixels; default: the input's resolution."


class Input(Model):
    """The images that layouts are built for."""

    resolution: Pixels = Field(default=224, description="Side of the square input in pixels.")
    channels: Count = Field(default=3, description="Channels of an image.")
    classes: Count = Field(default=1000, description="Classes of the head that is counted.")


class Complexity(Model):
    """Counted parameters, MACs, FLOPs and activations."""

    resolutions: Resolutions = Field(default=(), description=_AT)
    audit: StrictBool = Field(
        default=False, description="Also count with fvcore, ptflops and PyTorch's own counter."
    )
    scaling: StrictBool = Field(
        default=False,
        description="Also how costs grow over the resolutions: exact curves, local exponents, roofline time, "
        "and from which resolution each layout is cheaper than the baseline.",
    )

    @model_validator(mode="after")
    def _range_of_scaling(self) -> Complexity:
        if self.scaling and len(self.resolutions) < 2:
            raise ValueError("scaling needs two resolutions at least")
        return self


class Memory(Model):
    """Predicted memory by kind, and measured memory beside it."""

    resolutions: Resolutions = Field(default=(), description=_AT)
    modes: Modes = Field(
        default=("inference", "training"), description="Inference, one training step, or both."
    )
    batch: Count = Field(default=1, description="Images in a batch.")
    measured_up_to: Annotated[int, Strict(), Field(ge=0)] = Field(
        default=512, description="Also measure the peak on the device, up to this resolution; 0: never."
    )
    device: Device = Field(default="auto", description="Where the peak is measured: cpu, cuda, cuda:1, auto.")


class Throughput(Model):
    """Measured latency and images per second."""

    resolutions: Resolutions = Field(default=(), description=_AT)
    batch: Count = Field(default=32, description="Images in a batch.")
    precision: Precisions = Field(default=("fp32",), description="fp32, bf16 autocast, or both.")
    modes: Modes = Field(default=("inference",), description="Inference, one training step, or both.")
    processes: Count = Field(
        default=5, description="Fresh worker processes; the error bar is the spread between them."
    )
    rounds: Count = Field(
        default=3, description="Rounds of interleaved measurements in each process, at least."
    )
    seconds: Positive = Field(
        default=1.0, description="Seconds of measuring for each layout and process, at least."
    )
    threads: Count = Field(default=1, description="Threads of each worker.")
    compile: StrictBool = Field(default=False, description="Measure under torch.compile.")
    device: Device = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")


class Accuracy(Model):
    """Top-1 accuracy after a short schedule, over several seeds."""

    dataset: DatasetName = Field(
        description="digits, fashion-mnist, cifar10, cifar100, or the path of an image folder."
    )
    epochs: Positive = Field(
        default=5.0, description="Passes over the training images; fractions are allowed."
    )
    seeds: Count = Field(default=3, description="Number of repetitions, with seeds 0, 1, 2, ...")
    recipe: Literal["short", "adamw"] = Field(
        default="short", description="short: Muon and AdamW; adamw: the usual one."
    )
    batch: Count = Field(default=128, description="Images in a batch.")
    lr: Positive | None = Field(default=None, description="Peak learning rate; default: the recipe's.")
    tune_lr: tuple[Positive, ...] = Field(
        default=(), description="Learning rates to choose from for each layout, on a validation split."
    )
    resolution: Pixels | None = Field(
        default=None, description="Training resolution; default: the dataset's."
    )
    precision: Precision = Field(default="bf16", description="bf16 autocast or fp32.")
    augment: StrictBool | None = Field(
        default=None, description="Augment; default: when the budget is large enough."
    )
    subset: Count | None = Field(default=None, description="Use only so many training images.")
    data_dir: Text | None = Field(default=None, description="Where the dataset's files are.")
    device: Device = Field(default="auto", description="cpu, cuda, cuda:1, or auto: CUDA where there is one.")


class Measure(Model):
    """What is measured; a measurement that is left out is not made."""

    complexity: Complexity | None = Field(default=None, description="Parameters, MACs, FLOPs.")
    memory: Memory | None = Field(default=None, description="Bytes, by kind.")
    throughput: Throughput | None = Field(default=None, description="Latency and images per second.")
    accuracy: Accuracy | None = Field(default=None, description="Top-1 accuracy after a short schedule.")
