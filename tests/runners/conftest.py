"""What short trainings on digits share."""

from collections.abc import Iterator

import pytest
import torch

from ablate.data import Dataset, load


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")
