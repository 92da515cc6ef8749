"""Architecture ablation and complexity analysis for vision backbones."""

from ablate.layout import Layout

__version__ = "0.1.0"
__all__ = ["Layout", "__version__"]
