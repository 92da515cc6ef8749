"""The contract holds for every shipped block, and a block that breaks a clause is told which."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import blocks
from ablate.contract import Verdict, check_contract, uncounted_operators
from ablate.errors import AblateError
from ablate.layout.call import BlockCall


@pytest.mark.parametrize("name", blocks.names("mixer", "block"))
def test_shipped_blocks_hold_to_the_contract(name: str) -> None:
    broken = [verdict for verdict in check_contract(BlockCall(name)) if not verdict.ok]
    assert not broken


BROKEN = '''
import torch
from torch import nn
import blocks


@blocks.register("mixer", "broken_{clause}")
class Broken(nn.Module):
    """Breaks one clause."""

    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(dim, dim, 1)
        self.extra = nn.Parameter(torch.zeros(dim, 1, 1))
        self.calls = 0

    def forward(self, x):
        x = self.proj(x) + self.extra
        {body}
'''
BODIES = {
    "shapes": "return x[:, :, :1]",
    "gradients": "return x - self.extra + self.extra.detach()",
    "any resolution": "self.extra = nn.Parameter(x.new_zeros(x.shape[2], 1)); return x",
    "channels-last": "return x.contiguous(memory_format=torch.contiguous_format)",
    "samples apart": "return x + x.mean(0, keepdim=True)",
    "bf16": "return x * (float('inf') if torch.is_autocast_enabled('cpu') else 1)",
    "torch.compile": "print('a side effect'); return x",
    "determinism": "self.calls += 1; return x + 1e-6 * self.calls",
    "fully counted": "return x + torch.linalg.pinv(x)[..., :1, :1]",
}


@pytest.fixture
def verdicts(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Verdict]:
    clause = request.param
    name = "".join(letter if letter.isalnum() else "_" for letter in clause)
    path = tmp_path / f"{name}.py"
    path.write_text(BROKEN.format(clause=name, body=BODIES[clause]))
    blocks.load_file(path)
    return {verdict.clause: verdict for verdict in check_contract(BlockCall(f"broken_{name}"))}


@pytest.mark.parametrize(
    ("verdicts", "clause"), [(c, c) for c in BODIES], indirect=["verdicts"], ids=list(BODIES)
)
def test_a_broken_clause_is_named(verdicts: dict[str, Verdict], clause: str) -> None:
    assert not verdicts[clause].ok
    assert verdicts[clause].detail


class Decomposed(nn.Module):
    """A mixer whose work nobody has a rule for."""

    def __init__(self, dim: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.linalg.svdvals(x).sum((-1,), keepdim=True).unsqueeze(-1) * self.scale


def test_uncounted_operators_are_named() -> None:
    blocks.register("mixer", "decomposed_for_this_test")(Decomposed)
    operators = uncounted_operators(BlockCall("decomposed_for_this_test"))
    assert any("svd" in name for name in operators)
    assert uncounted_operators(BlockCall("softmax")) == ()


def test_bad_calls_are_errors() -> None:
    with pytest.raises(AblateError, match="unknown block 'sofmax'; did you mean 'softmax'"):
        check_contract(BlockCall("sofmax"))
    with pytest.raises(AblateError, match="5 equal heads"):
        check_contract(BlockCall("softmax"), heads=5)
