"""What timm publishes about its models, and the exact count beside it.

The figures (cost, speed, ImageNet accuracy) are copies of tables in `results/` of
huggingface/pytorch-image-models at commit aa4b5850 (2026-08-08), which stands under the Apache License 2.0;
only columns that are used are kept.
"""

from ablate.published.record import DEVICES, Figure, accuracies, figures, speeds

__all__ = ["DEVICES", "Figure", "accuracies", "figures", "speeds"]
