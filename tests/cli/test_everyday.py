"""Everyday use: version, help, completion, quiet, the workers' log, and sizes that come from a study."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablate.cli.terminal import notices
from ablate.run.executors.log import _files

Command = Callable[..., Any]
STUDY = """\
input: {resolution: 32, channels: 1, classes: 7}
defaults: {stem: overlap(stride=2), widths: [16, 32], depths: [1, 1], head_dim: 16, mlp_ratio: 2}
layouts: {a: softmax, b: conv}
measure: {complexity: {resolutions: [32]}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    return path


def test_version(ablate: Command) -> None:
    shown = ablate("--version")
    assert (shown.code, shown.out.strip()) == (
        0,
        f"ablate-vision {importlib.metadata.version('ablate-vision')}",
    )


def test_bare_command_prints_help(ablate: Command) -> None:
    bare, asked = ablate(), ablate("--help")
    assert bare.code == asked.code == 0
    assert bare.out.strip() == asked.out.strip()
    assert "Commands" in bare.out


def test_completion_knows_commands_and_shipped_studies() -> None:
    def complete(words: str, count: int) -> str:
        script = "import sys; sys.argv = ['ablate']; from ablate.cli import main; main()"
        asked = {"_ABLATE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(count)}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, **asked}
        )
        return done.stdout

    assert "status" in complete("ablate sta", 1).split()
    assert "quickstart" in complete("ablate run qui", 2).split()
    assert "own-block" in complete("ablate new own", 2).split()


def test_quiet_leaves_out_warnings(ablate: Command, tmp_path: Path) -> None:
    path = tmp_path / "warned.yaml"
    path.write_text(STUDY.replace("a: softmax", "a: softmax conv"))  # a cycle of 2 in stages of 1
    try:
        loud, quiet = ablate("check", path), ablate("-q", "check", path)
    finally:
        notices.quiet = False
    assert "warning" in loud.err
    assert quiet.err == ""
    assert quiet.out == loud.out


def test_worker_log(ablate: Command, tmp_path: Path, fresh_blocks: Callable[[], None]) -> None:
    log, path = tmp_path / "workers.log", tmp_path / "study.yaml"
    (tmp_path / "talks.py").write_text("import os\nprint(f'talks in {os.getpid()}', flush=True)\n")
    path.write_text(STUDY + "extensions: [talks.py]\n")
    try:
        ended = ablate("-q", "-v", log, "run", path, "--out", tmp_path / "out", "--workers", 1)
    finally:
        notices.quiet = False
        _files.clear()
    assert ended.code == 0
    text = log.read_text()
    number = re.search(r"== worker (\d+), ended", text)
    assert number is not None
    assert f"talks in {number[1]}" in text
    assert f"talks in {os.getpid()}" not in text


def test_a_log_that_cannot_be_written_is_one_line(ablate: Command, study: Path, tmp_path: Path) -> None:
    ended = ablate("-v", tmp_path, "check", study)
    assert ended.code == 2
    assert ended.err.startswith(f"cannot write the workers' log {tmp_path}")


@pytest.mark.parametrize("command", ["cost", "diff", "match"])
def test_sizes_come_from_the_study(ablate: Command, study: Path, command: str) -> None:
    budget = ["--params", "20k", "--tolerance", "30%"]
    words = {"cost": ["a"], "diff": ["a", "b"], "match": ["a", *budget]}[command]

    def answer(*options: object) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(ablate(command, *words, "--study", study, "--json", *options).out)
        return shown

    def counted(shown: dict[str, Any]) -> Any:
        if command == "diff":  # times are measured, so that they differ
            return [[shown[end][key] for key in ("params", "macs")] for end in ("before", "after")]
        return shown["axes"] if command == "match" else shown

    plain = answer()
    assert plain["resolution"] == ([32, 32] if command == "diff" else 32) if command != "match" else True
    assert counted(plain) == counted(answer("--resolution", 32, "--channels", 1, "--classes", 7))
    for option in (("--resolution", 64), ("--channels", 3), ("--classes", 9)):
        assert counted(answer(*option)) != counted(plain)


def test_without_a_study_sizes_are_as_ever(ablate: Command) -> None:
    layout = ("conv", "--widths", "16,32", "--depths", "1,1", "--json")
    usual = json.loads(ablate("cost", *layout).out)
    said = json.loads(ablate("cost", *layout, "--resolution", 224, "--channels", 3, "--classes", 1000).out)
    assert usual == said


def test_parts_of_a_kind(ablate: Command) -> None:
    stems = json.loads(ablate("blocks", "--kind", "stem", "--json").out)
    assert {"overlap", "patchify"} <= {part["name"] for part in stems}
    assert all(part["kind"] == "stem" for part in stems)
    wrong = ablate("blocks", "--kind", "norms")
    assert wrong.code == 2
    assert "did you mean 'norm'?" in wrong.err


def test_warnings_that_say_the_same_are_cut(ablate: Command, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    layouts = "\n".join(f"  l{n}: {{layout: 'alternate(conv, pool)', depths: 3}}" for n in range(20))
    file.write_text(
        f"study: s\ninput: {{resolution: 16}}\ndefaults: {{widths: [8]}}\nlayouts:\n{layouts}\n  odd: "
        "{layout: 'alternate(conv, pool)', depths: 5}\nmeasure: {complexity: {}}\n"
    )
    checked = ablate("check", file)
    assert checked.code == 0, checked.err
    lines = [line for line in checked.err.splitlines() if line.startswith("warning")]
    assert len(lines) == 5
    assert lines[0].endswith("l0: stage 1: a pattern of 2 blocks does not divide the depth 3")
    assert lines[3] == "warning: a pattern of 2 blocks does not divide the depth 3: 17 more"
    assert "odd" in lines[4]


def test_warnings_of_many_kinds_are_cut(ablate: Command, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    layouts = "\n".join(
        f"  l{n}: {{layout: 'alternate(conv, pool)', depths: {2 * n + 1}}}" for n in range(12)
    )
    file.write_text(
        f"input: {{resolution: 16}}\ndefaults: {{widths: [8]}}\nlayouts:\n{layouts}\n"
        "measure: {complexity: {}}\n"
    )
    lines = [line for line in ablate("check", file).err.splitlines() if line.startswith("warning")]
    assert len(lines) == 9
    assert "l7: " in lines[7]
    assert lines[8] == "warning: 4 more, of 4 other kinds"
