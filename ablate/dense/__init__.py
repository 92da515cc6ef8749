"""Dense models, backbone + neck + head: RetinaNet and Semantic FPN, and what they cost without any data."""

from ablate.dense.cost import CONVENTIONS, Convention, ConventionCost, DenseMemory, Piece, dense_cost
from ablate.dense.models import RetinaNetModel, SemanticFPNModel, build_retinanet, build_semantic_fpn
from ablate.dense.pyramid import STRIDES, Pyramid, build_pyramid

__all__ = [
    "CONVENTIONS",
    "STRIDES",
    "Convention",
    "ConventionCost",
    "DenseMemory",
    "Piece",
    "Pyramid",
    "RetinaNetModel",
    "SemanticFPNModel",
    "build_pyramid",
    "build_retinanet",
    "build_semantic_fpn",
    "dense_cost",
]
