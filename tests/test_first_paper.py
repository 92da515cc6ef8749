"""The tutorial's commands run as they stand, on its own study with shorter trainings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "first-paper.md"
SHORTER = {
    "epochs: 5, seeds: 5": "epochs: 1, seeds: 2, subset: 64",
    "processes: 3, rounds: 2, seconds: 0.5": "processes: 2, rounds: 1, seconds: 0.05",
}


def commands() -> list[list[str]]:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [shlex.split(line.removeprefix("$ ")) for block in blocks for line in block.splitlines()]


def study() -> str:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for long, short in SHORTER.items():
        assert long in text
        text = text.replace(long, short)
    return str(text)


@pytest.mark.long
def test_the_commands_run_and_leave_what_the_page_says(
    ablate: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for program, *arguments in commands():
        assert program == "ablate"
        ended = ablate(*arguments)
        assert ended.code == 0, f"{arguments}: {ended.out}{ended.err}"
        if arguments[0] == "new":
            assert Path("my_mixer.py").is_file()
            Path("paper.yaml").write_text(study())
    latex = re.findall(r"(?:input|includegraphics\S*)\{(results/paper/.*?)\}", PAGE.read_text())
    assert len(latex) == 3
    for name in (*latex, "results/paper/report.html", "numbers.csv"):
        assert Path(name).stat().st_size > 0
    assert r"\toprule" in Path("results/paper/tables/main.tex").read_text()
