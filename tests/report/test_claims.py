"""Claims: judged by what ledgers hold, through the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.report.claims import Claim, ClaimTest

pytestmark = pytest.mark.usefixtures("undrawn")

Command = Callable[..., Any]
STUDY = """\
input: {resolution: 32, channels: 1, classes: 7}
defaults: {stem: overlap(stride=2), widths: [16, 32], depths: [1, 1], head_dim: 16, mlp_ratio: 2}
layouts: {a: softmax, b: linear}
measure: {complexity: {resolutions: [32, 64]}}
claims:
  linear attention is linear:
    - macs of b at 64 < 4.02 * macs of b at 32
    - macs of a at 64 > 4.02 * macs of a at 32
  softmax is cheaper:
    - macs of a at 64 < macs of b at 64
  both are small, one of them tiny:
    - params of a < 1M
    - params of a < 1k
  better on COCO: []
"""


def test_verdicts_from_the_ledger_alone(ablate: Command, tmp_path: Path) -> None:
    study, out, page = tmp_path / "study.yaml", tmp_path / "out", tmp_path / "claims.md"
    study.write_text(STUDY)
    assert ablate("run", str(study), "--out", str(out)).code == 0
    study.unlink()
    done = ablate("claims", str(out), "--out", str(page))
    assert done.code == 0
    assert done.out.splitlines()[:4] == [
        "held: linear attention is linear",
        "failed: softmax is cheaper",
        "held in part: both are small, one of them tiny",
        "not tested: better on COCO",
    ]
    text = page.read_text()
    assert "| linear attention is linear | **held** | 2 of 2 |" in text
    assert "## Not tested\n\n- better on COCO" in text


def test_a_line_must_be_measured(ablate: Command, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("macs of a at 64 < macs of b at 64", "accuracy of a < accuracy of b"))
    done = ablate("check", str(study))
    assert done.code == 2
    assert "accuracy" in done.err


def test_a_folder_without_claims(ablate: Command, tmp_path: Path) -> None:
    done = ablate("claims", str(tmp_path))
    assert (done.code, "Traceback" in done.err) == (2, False)


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        ((), "not tested"),
        (("held", "held"), "held"),
        (("held", "not resolved"), "not resolved"),
        (("held", "failed"), "held in part"),
        (("not resolved", "failed"), "failed"),
    ],
)
def test_verdicts(states: tuple[str, ...], verdict: str) -> None:
    tests = tuple(ClaimTest("line", state, "", "study") for state in states)
    assert Claim("sentence", tests).verdict == verdict
