"""Image sets with boxes or masks: one file a set, a register of their names, and checks before training."""

from ablate.data.dense.register import dense_names, load_dense, split_name
from ablate.data.dense.samples import DenseDataset, DenseSplit, DetectionSample, SegmentationSample, Task

__all__ = [
    "DenseDataset",
    "DenseSplit",
    "DetectionSample",
    "SegmentationSample",
    "Task",
    "dense_names",
    "load_dense",
    "split_name",
]
