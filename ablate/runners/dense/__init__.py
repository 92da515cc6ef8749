"""Training and judging dense models: detection with RetinaNet, segmentation with Semantic FPN."""
