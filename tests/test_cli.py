"""The command line as scripts and people use it: its figures, its messages, its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ablate.cli import compare, costs, results, show, status, studies  # noqa: F401  (they register commands)
from ablate.cli.app import app
from ablate.cost import count
from ablate.study.shipped import shipped_studies

Command = Callable[..., Any]
ROOT = Path(__file__).parent.parent
COMMANDS = sorted(
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
)
HEAVY = ("torch", "timm", "matplotlib", "seaborn", "pandas", "optuna", "sympy", "sklearn")

MIXER = '''
"""A mixer of the user's."""

from torch import nn

import blocks


@blocks.register("mixer", "user_mixer")
class UserMixer(nn.Module):
    """A projection, then a depthwise convolution."""

    def __init__(self, dim: int, *, kernel: int = 3):
        super().__init__()
        self.project = nn.Conv2d(dim, dim, 1, bias=False)
        self.spread = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim, bias=False)

    def forward(self, x):
        return self.spread(self.project(x))
'''


@pytest.fixture
def mixer(tmp_path: Path, fresh_blocks: Callable[[], None]) -> Path:
    path = tmp_path / "user_mixer.py"
    path.write_text(MIXER)
    return path


# Help


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['ablate', '--help']\n"
        "from ablate.cli import main\n"
        "try: main()\n"
        f"finally: print('LOADED', [name for name in {HEAVY} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "LOADED []" in shown
    assert all(name in shown for name in COMMANDS)


def test_commands() -> None:
    wanted = "run check show cost blocks status report search schema match diff contract convert"
    assert {*wanted.split(), "prune", "merge", "compare"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(ablate: Command, name: str) -> None:
    shown = ablate(name, "--help")
    assert shown.code == 0
    assert "Example:" in shown.out
    assert f"ablate {name}" in shown.out.partition("Example:")[2]


# Figures that others script against


@pytest.mark.parametrize(
    ("model", "macs", "tolerance"),
    [
        ("deit_small_patch16_224", 4_598_882_304, 0),
        ("resnet50", 4.089e9, 0.0005e9),
        ("swin_tiny_patch4_window7_224", 4.491e9, 0.0005e9),
        ("pvt_v2_b0", 0.566e9, 0.0005e9),
    ],
)
def test_known_models(ablate: Command, model: str, macs: float, tolerance: float) -> None:
    cost = json.loads(ablate("cost", f"timm:{model}", "--resolution", 224, "--json").out)
    assert abs(cost["macs"] - macs) <= tolerance
    assert cost["flops"] == 2 * cost["macs"]
    assert cost["resolution"] == 224
    assert cost["uncounted"] == []
    # float32 parameters, and up to 2 % of buffers
    assert 1 <= cost["memory"]["weights"] / (4 * cost["params"]) < 1.02
    assert cost["stages"]


def test_cost_of_a_layout(ablate: Command) -> None:
    options = ("--widths", "64,128,320,512", "--depths", "2,2,2,2", "--json")
    small, larger = (
        json.loads(ablate("cost", "alternate(conv, key_only)", "--resolution", size, *options).out)
        for size in (224, 448)
    )
    assert {"params", "macs", "flops", "resolution", "uncounted", "memory", "stages"} <= set(small)
    assert sum(stage["params"] for stage in small["stages"]) == small["params"] == larger["params"]
    assert sum(stage["macs"] for stage in small["stages"]) == small["macs"]
    # both mixers are linear in the tokens; only the classifier does not grow
    assert larger["macs"] - 512_000 == 4 * (small["macs"] - 512_000)
    for kernel in ("fused", "math"):
        assert {"inference_peak", "saved_activations", "training_peak"} <= set(small["memory"][kernel])


@pytest.mark.parametrize("options", [("timm:resnet18",), ("conv", "--norm", "batch")], ids=" ".join)
def test_batch_norm_on_a_single_value(ablate: Command, options: tuple[str, ...]) -> None:
    """At 32 px the last features are 1 x 1: PyTorch would not train on one such image, but it has a cost."""
    single, double = (
        json.loads(ablate("cost", *options, "--resolution", 32, "--batch", batch, "--json").out)
        for batch in (1, 2)
    )
    assert single["macs"] > 0
    for kernel in ("fused", "math"):
        saved = [record["memory"][kernel]["saved_activations"] for record in (single, double)]
        assert 1.8 < saved[1] / saved[0] <= 2


def test_blocks(ablate: Command) -> None:
    by_name = {block["name"]: block for block in json.loads(ablate("blocks", "--json").out)}
    assert {"key_only", "softmax", "sra", "window", "linear", "conv", "mbconv", "convnext", "pool"} <= set(
        by_name
    )
    assert by_name["softmax"]["macs"] == "4*C**2*N + 2*C*N**2"
    assert by_name["softmax"]["order"] == "O(N^2)"
    sizes = {name: block["summary_size"] for name, block in by_name.items() if block["summary_size"]}
    assert sizes["softmax"] == {"dim": 64, "num_heads": 2, "tokens": 784, "numbers": 2 * 64 * 784}
    assert (sizes["key_only"]["numbers"], sizes["pool"]["numbers"]) == (64, 0)
    assert by_name["basic"]["summary_size"] is None
    assert "N" in by_name["key_only"]["macs"]
    assert "N**" not in by_name["key_only"]["macs"]
    assert by_name["key_only"]["order"] == "O(N)"
    assert {"name": "size", "type": "int", "default": 7} in by_name["window"]["arguments"]
    assert by_name["pool"]["macs"] == "0"
    assert all(block["uncounted"] == [] and isinstance(block["params"], str) for block in by_name.values())


def test_count_any_module() -> None:
    layers = [
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    ]
    with torch.device("meta"):
        module = nn.Sequential(*layers)
    cost = count(module, resolution=32)
    assert cost.macs == 32 * 32 * 27 * 8 + 80
    assert cost.params == 27 * 8 + 90
    assert cost.uncounted == ()


def test_a_matched_study_s_layout_costs_what_the_study_measures(ablate: Command, tmp_path: Path) -> None:
    file = tmp_path / "equal.yaml"
    file.write_text(
        "input: {resolution: 32, channels: 1, classes: 10}\n"
        "defaults: {stem: overlap(stride=2), widths: [32, 64], depths: [1, 1]}\n"
        "layouts: {a: conv, b: softmax}\n"
        "match: {params: 100k, tolerance: 1%}\n"
    )
    for name in "ab":
        cost = json.loads(
            ablate(
                "cost", name, "--study", file, "--json", "--resolution", 32, "--channels", 1, "--classes", 10
            ).out
        )
        assert abs(cost["params"] - 100_000) <= 1_000


# Mistakes

MANY = """\
study: mistakes
input: {resolution: 224, chanels: 3}
defaults: {widths: [64, 128], depths: [1, 1]}
layouts:
  a: alternate(conv, sofmax)
  b: conv(kernel=four)
  c: {layout: conv, widths: [64, 128, 256]}
  d: timm:resnet5O
measure:
  complexity: {resolutions: [224, -3]}
  accuracy: {dataset: digit}
report: {baseline: q}
"""
PLACES = {
    "2:26": "did you mean 'channels'?",
    "3:39": "`depths` has 2 values, but `widths` has 3",
    "5:22": "unknown block 'sofmax'; did you mean 'softmax'?",
    "6:18": "argument 'kernel' of 'conv' must be a whole number, got four",
    "8:11": "timm has no model 'resnet5O'; did you mean 'resnet50'?",
    "10:35": "expected at least 1, got -3",
    "11:23": "unknown dataset 'digit'; did you mean 'digits'?",
    "12:20": "unknown layout 'q'; known: a, b, c, d",
}


def test_all_mistakes_of_a_file_are_shown(ablate: Command, tmp_path: Path) -> None:
    file = tmp_path / "mistakes.yaml"
    file.write_text(MANY)
    shown = ablate("check", file)
    assert shown.code == 2
    assert shown.out == ""
    assert "Traceback" not in shown.err
    complaints = [line for line in shown.err.splitlines() if line.startswith(str(file))]
    assert len(complaints) == len(PLACES)
    for line, (place, message) in zip(complaints, PLACES.items(), strict=True):
        assert line.startswith(f"{file}:{place}: ")
        assert message in line


@pytest.mark.parametrize("name", ["run", "check", "show", "status", "search"])
def test_a_bad_file_never_starts_anything(ablate: Command, tmp_path: Path, name: str) -> None:
    file, out = tmp_path / "mistakes.yaml", tmp_path / "out"
    file.write_text(MANY)
    shown = ablate(name, file, *(["--out", out] if name not in ("check", "show") else []))
    assert shown.code == 2
    assert "sofmax" in shown.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(
            "layouts: {a: conv}\nmeasure: {accuracy: {dataset: digit}}\n",
            ":2:31: unknown dataset 'digit'; did you mean 'digits'?",
            id="unknown dataset",
        ),
        pytest.param(
            "layouts: {a: conv}\nmeasure: {throughput: {device: cdua}}\n",
            ":2:32: unknown device 'cdua'",
            id="unknown device",
        ),
        pytest.param(
            "layouts: {a: conv}\nmatch: {params: 1k}\n",
            "'a' cannot have 1k parameters",
            id="match out of reach",
        ),
        pytest.param("layouts: {a: conv}\nblocks: [no.py]\n", ":2:10: there is no file", id="no block file"),
        pytest.param("layouts: {a: 'timm:resnet5O'}\n", "did you mean 'resnet50'?", id="timm model"),
        pytest.param("layouts: {a: conv\n", ":2:1: not YAML", id="not YAML"),
        pytest.param("", "the file is empty", id="empty"),
    ],
)
def test_a_mistake(ablate: Command, tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    shown = ablate("check", file)
    assert shown.code == 2
    assert shown.err.startswith(str(file))
    assert complaint in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(("check", "{tmp}"), "is a folder", id="folder"),
        pytest.param(("check", "{tmp}/none.yaml"), "no file", id="no file"),
        pytest.param(("run", "quickstrat"), "did you mean 'quickstart'?", id="unknown study"),
        pytest.param(("report", "{tmp}"), "no ledger.sqlite", id="no ledger"),
        pytest.param(("cost", "alternate(conv, sofmax)"), "did you mean 'softmax'?", id="unknown block"),
        pytest.param(("cost", "timm:resnet5O"), "did you mean 'resnet50'?", id="unknown timm model"),
        pytest.param(("cost", "conv", "--widths", "64,x"), "whole numbers", id="bad list"),
        pytest.param(
            ("cost", "conv", "--widths", "8,16,32", "--depths", "1,2"), "2 values", id="unequal lists"
        ),
        pytest.param(("cost", "softmx", "--study", "quickstart"), "no layout 'softmx'", id="unknown layout"),
        pytest.param(("contract", "sofmax"), "did you mean 'softmax'?", id="contract of nothing"),
        pytest.param(("blocks", "--blocks", "{tmp}/none.py"), "there is no file", id="no block file"),
        pytest.param(("match", "conv", "--params", "12"), "cannot have 12 parameters", id="no such size"),
        pytest.param(("match", "conv", "--params", "many"), "many", id="no quantity"),
        pytest.param(("diff", "conv", "sofmax"), "did you mean 'softmax'?", id="diff with nothing"),
    ],
)
def test_wrong_arguments(ablate: Command, tmp_path: Path, arguments: tuple[str, ...], complaint: str) -> None:
    shown = ablate(*(text.format(tmp=tmp_path) for text in arguments))
    assert shown.code == 2
    assert complaint in shown.err
    assert "Traceback" not in shown.err


def test_exit_codes_of_the_process(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "mistakes.yaml"
    file.write_text(MANY)
    bad, good = command("check", file), command("schema")
    out, err = bad.communicate()
    assert bad.returncode == 2
    assert "did you mean 'softmax'?" in err
    assert "Traceback" not in err + out
    assert json.loads(good.communicate()[0])["title"]
    assert good.returncode == 0


# Studies and blocks


@pytest.mark.parametrize("name", sorted(shipped_studies()))
def test_shipped_studies_are_valid(ablate: Command, name: str) -> None:
    checked = ablate("check", name)
    assert "cells" in checked.out
    if name == "imagenet" and checked.code:  # the one study whose data no machine has by itself
        assert (checked.code, "where is ImageNet?" in checked.err) == (2, True)
    else:
        assert checked.code == 0, checked.err


def test_parts_have_no_formulas(ablate: Command) -> None:
    ended = ablate("blocks", "--kind", "norm", "--latex")
    assert (ended.code, "--latex go with formulas" in ended.err) == (2, True)


def test_status_before_the_first_run(ablate: Command, tmp_path: Path) -> None:
    counts = json.loads(ablate("status", "scaling", "--out", tmp_path, "--json").out)
    assert set(counts) == {"done", "failed", "stale", "missing"}
    assert counts["missing"] > 0
    assert counts["done"] == counts["failed"] == counts["stale"] == 0
    assert not any(tmp_path.iterdir())


def test_a_block_of_the_user_s(ablate: Command, mixer: Path) -> None:
    by_name = {
        block["name"]: block for block in json.loads(ablate("blocks", "--json", "--blocks", mixer).out)
    }
    assert by_name["user_mixer"]["params"] == "C**2 + 9*C"
    assert by_name["user_mixer"]["macs"] == "C**2*N + 9*C*N"
    assert by_name["user_mixer"]["arguments"] == [{"name": "kernel", "type": "int", "default": 3}]
    assert by_name["user_mixer"]["summary"] == "A projection, then a depthwise convolution."
    tested = ablate("contract", "user_mixer(kernel=5)", "--blocks", mixer, "--json")
    assert tested.code == 0
    assert all(verdict["ok"] for verdict in json.loads(tested.out))
    mistaken = ablate("contract", "user_mixer(kernl=5)", "--blocks", mixer)
    assert mistaken.code == 2
    assert "did you mean 'kernel'?" in mistaken.err


def test_a_block_that_breaks_the_contract(ablate: Command, mixer: Path) -> None:
    mixer.write_text(MIXER.replace("self.spread(self.project(x))", "self.spread(x)"))
    tested = ablate("contract", "user_mixer", "--blocks", mixer)
    assert tested.code == 1
    assert "no gradient for project.weight" in tested.out


# What is installed


def test_the_package_says_where_its_command_and_its_studies_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["scripts"]["ablate"] == "ablate.cli:main"
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["ablate", "blocks"]
    assert wheel["force-include"] == {"studies": "ablate/studies"}
    assert (ROOT / "ablate/published/cost.csv").is_file()
