"""The study that the documentation of the language shows."""

import pytest

EXAMPLE = """\
study: alternate-vs-graft
input: {resolution: 224, channels: 3, classes: 1000}
defaults:                       # of every layout below
  stem: overlap
  widths: [64, 128, 320, 512]
  depths: [2, 2, 4, 2]
  head_dim: 64
  mlp_ratio: [8, 8, 4, 4]
  ffn: conv
vary:
  mixer: [key_only, softmax, window(size=7), linear]
layouts:
  alternate-$mixer: alternate(conv, $mixer)
  graft3-$mixer: graft(conv, $mixer, from=3)
  mine:
    stages: "[conv conv key_only]*2 | conv key_only | key_only | softmax"
    widths: [48, 96, 240, 384]
  swin-t: timm:swin_tiny_patch4_window7_224
match: {params: 13.1M, tolerance: 1%, by: width}
measure:
  complexity: {resolutions: [224, 384, 512, 768, 1024]}
  memory: {resolutions: [224, 384, 512], modes: [inference, training]}
  throughput: {resolutions: [224], batch: 32, precision: [fp32, bf16]}
  accuracy: {dataset: fashion-mnist, epochs: 5, seeds: 5}
report: {baseline: alternate-key_only}
"""


@pytest.fixture
def example() -> str:
    return EXAMPLE
