"""A folder that looks like ImageNet: three classes of small images that differ in colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("imagenet")
    random = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 3)):
        for label in range(3):
            folder = root / split / f"n{label:08}"
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 80, (40, 48, 3), dtype=np.uint8)
                pixels[..., label] += 150
                Image.fromarray(pixels).save(folder / f"{number}.JPEG")
    return root
