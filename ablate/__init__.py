"""Architecture ablation and complexity analysis for vision backbones."""

from ablate.layout import Layout
from ablate.study import Study, load_study

__version__ = "0.1.0"
__all__ = ["Layout", "Study", "__version__", "load_study"]
