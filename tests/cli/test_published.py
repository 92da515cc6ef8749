"""`ablate audit timm` and `ablate choose` as commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ablate.cli import published
from ablate.cli.app import app
from ablate.errors import AblateError

assert published  # importing it registers the commands

RUNNER = CliRunner()


def run(*words: str) -> str:
    result = RUNNER.invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_audit_of_one_model(tmp_path: Path) -> None:
    words = ("audit", "timm", "--only", "lcnet_050", "--workers", "1", "--out", str(tmp_path))
    (row,) = json.loads(run(*words, "--json"))
    assert row["model"] == "lcnet_050"
    assert row["macs"] > 0
    assert not (tmp_path / "README.md").exists()  # a part of the record does not replace the page
    assert "lcnet_050" in run(*words)


def test_choose_with_a_layout() -> None:
    layout = ("--layout", "alternate(conv, key_only)", "--widths", "32,64,160,256", "--depths", "2,2,2,2")
    words = ("choose", "--macs", "1G", "--params", "10M", "--memory", "64MiB", "--device", "rtx-4090")
    data = json.loads(run(*words, "--show", "3", *layout, "--json"))
    assert len(data["models"]) == 3
    assert all(m["macs"] <= 1e9 and m["params"] <= 1e7 and m["memory"] <= 2**26 for m in data["models"])
    assert data["layout"]["below"]["macs"] < data["layout"]["macs"] <= data["layout"]["above"]["macs"]
    assert "top1" not in data["layout"]
    text = run(*words, "--show", "3", *layout)
    assert data["models"][0]["model"] in text
    assert "accuracy is not compared" in " ".join(text.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--device", "rtx-409"), "did you mean 'rtx-4090'"),
        (("--macs", "1X"), "--macs: unknown unit"),
        (("--memory", "64Mib"), "--memory: unknown unit"),
        (("--params", "0"), "--params: a budget is larger than nothing"),
    ],
    ids=["device", "macs", "memory", "params"],
)
def test_bad_values_are_told_in_one_line(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(AblateError, match=message) as caught:
        run("choose", *words)
    assert "\n" not in str(caught.value)
