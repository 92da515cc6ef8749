"""Architecture ablation and complexity analysis for vision backbones."""
