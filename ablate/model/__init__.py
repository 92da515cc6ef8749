"""From a network on paper to `nn.Module`."""

from ablate.model.backbone import Backbone, build, total_stride
from ablate.model.chain import Part, PartKind, build_part, parts
from ablate.model.timm_models import build_timm, own_size, timm_stride

__all__ = [
    "Backbone",
    "Part",
    "PartKind",
    "build",
    "build_part",
    "build_timm",
    "own_size",
    "parts",
    "timm_stride",
    "total_stride",
]
