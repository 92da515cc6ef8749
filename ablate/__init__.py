"""Architecture ablation and complexity analysis for vision backbones."""

from ablate.layout import Layout, Network, TimmModel
from ablate.study import Study, load_study

__version__ = "0.1.0"
__all__ = ["Layout", "Network", "Study", "TimmModel", "__version__", "load_study"]
