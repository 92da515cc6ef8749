"""Image sets for short-schedule accuracy: small ones as one uint8 tensor, large ones as a stream."""

from ablate.data.dataset import Dataset, Split, StreamSplit, TensorSplit
from ablate.data.load import load, names

__all__ = ["Dataset", "Split", "StreamSplit", "TensorSplit", "load", "names"]
