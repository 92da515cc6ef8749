"""Commands about results as a user calls them: plans, parts of a study, merging, comparing, bad folders."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

STUDY = """\
study: small
input: {resolution: 32, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [8, 16], depths: [1, 1]}
layouts:
  a: conv
  "=1+1": pool
  "$$ {_^<b>&|": softmax
measure:
  complexity: {resolutions: [16, 32]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.yaml").write_text(STUDY)
    return folder


@pytest.fixture(scope="module")
def file(folder: Path) -> Path:
    return folder / "small.yaml"


@pytest.fixture
def out(file: Path, folder: Path, ablate: Command) -> Path:
    if not (folder / "out").exists():
        assert ablate("run", file, "--out", folder / "out", "--workers", 1).code == 0
    return folder / "out"


@pytest.mark.usefixtures("undrawn")
def test_a_plan_and_a_part_of_it(ablate: Command, file: Path, tmp_path: Path) -> None:
    planned = json.loads(ablate("run", file, "--out", tmp_path / "new", "--dry-run", "--json").out)
    assert planned["to_run"] == 6
    assert planned["seconds"] == pytest.approx(sum(cell["seconds"] for cell in planned["cells"]))
    assert not (tmp_path / "new").exists()
    part = ablate("run", file, "--out", tmp_path / "new", "--layouts", "a", "--workers", 1)
    assert part.code == 0
    assert "2 cells executed, 0 reused, 0 failed, 4 not selected" in part.out
    assert "complexity: 2 of 2 cells" in part.err, "plain lines where the output is no terminal"
    after = json.loads(ablate("run", file, "--out", tmp_path / "new", "--dry-run", "--json").out)
    assert [cell["state"] for cell in after["cells"]].count("done") == 2
    shown = ablate("run", file, "--out", tmp_path / "new", "--dry-run").out
    assert "4 of 6 cells to run" in shown


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--only", "complexty"), "did you mean 'complexity'?"),
        (("--layouts", "b*"), "no layout fits 'b*'"),
        (("--executor", "slurn"), "did you mean 'slurm'?"),
        (("--executor", "slurm", "--slurm", "partiton=x"), "did you mean 'partition'?"),
    ],
)
def test_a_part_that_is_none(
    ablate: Command, file: Path, tmp_path: Path, options: tuple[str, ...], complaint: str
) -> None:
    ended = ablate("run", file, "--out", tmp_path / "new", *options)
    assert ended.code == 2
    assert complaint in ended.err


def test_names_are_text_in_every_place(out: Path) -> None:
    html = (out / "report.html").read_text()
    assert "could not be drawn" not in html
    assert "<b>&|" not in html
    rows = (out / "tables" / "main.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["a", "'=1+1", "$$ {_^<b>&|"]
    assert (
        r"\$\$ \{\_\textasciicircum{}\textless{}b\textgreater{}\&\textbar{}"
        in (out / "tables" / "main.tex").read_text()
    )


def test_status_says_why(
    ablate: Command, file: Path, out: Path, tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    changed = tmp_path / "small.yaml"
    changed.write_text(STUDY.replace("a: conv", "a: conv(kernel=5)"))
    told = json.loads(ablate("status", changed, "--out", out, "--why", "--json").out)
    assert (told["done"], told["stale"]) == (4, 2)
    assert all(reasons == ["the layout itself: stages"] for reasons in told["why"].values())
    assert "2 stale: the layout itself: stages" in ablate("status", changed, "--out", out, "--why").out


@pytest.mark.usefixtures("undrawn")
def test_prune(ablate: Command, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    small = tmp_path / "small.yaml"
    small.write_text(STUDY.replace('  "$$ {_^<b>&|": softmax\n', "").replace("[16, 32]", "[32]"))
    assert ablate("run", small, "--out", out, "--workers", 1).code == 0
    small.write_text(small.read_text().replace("a: conv", "a: conv(kernel=5)"))
    assert ablate("run", small, "--out", out, "--workers", 1).code == 0
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115  (nobody answers)
    refused = ablate("prune", out)
    assert refused.code != 0
    assert "complexity of a: 1 rows" in refused.out
    assert "1 rows removed" in ablate("prune", out, "--yes").out
    assert "every row is used" in ablate("prune", out).out
    assert json.loads(ablate("status", small, "--out", out, "--json").out)["done"] == 2


@pytest.mark.usefixtures("undrawn")
def test_merge_and_compare(ablate: Command, out: Path, tmp_path: Path) -> None:
    merged = ablate("merge", out, out, "--into", tmp_path / "both")
    assert merged.code == 0, merged.err
    assert "6 rows, 6 cells" in merged.out
    assert (tmp_path / "both" / "report.html").is_file()
    assert ablate("merge", out, out, "--into", tmp_path / "both").code == 2
    same = ablate("compare", out, tmp_path / "both", "--fail-if", "macs +1%")
    assert same.code == 0
    assert "0 differ" in same.out
    with sqlite3.connect(tmp_path / "both" / "ledger.sqlite") as connection:
        connection.execute("""UPDATE rows SET "values" = json_set("values", '$.macs', 10000000)""")
    connection.close()
    worse = ablate("compare", out, tmp_path / "both", "--fail-if", "macs +1%", "--fail-if", "params +1%")
    assert worse.code == 1
    assert "exceeds the bound: macs of a" in worse.out
    assert ablate("compare", out, tmp_path / "both").code == 0, "differences alone are no failure"
    none = ablate("compare", out, tmp_path / "both", "--fail-if", "latency +1%")
    assert none.code == 2


# Folders and ledgers that are none


@pytest.fixture
def damaged(out: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    folder = tmp_path / "damaged"
    folder.mkdir()
    whole = (out / "ledger.sqlite").read_bytes()
    (folder / "ledger.sqlite").write_bytes(
        {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"no database " * 99}[request.param]
    )
    return folder


@pytest.mark.parametrize("damaged", ["empty", "cut", "text"], indirect=True)
def test_a_damaged_ledger_is_one_line(ablate: Command, file: Path, damaged: Path) -> None:
    for command in (
        ("status", file, "--out", damaged),
        ("report", damaged),
        ("prune", damaged),
        ("compare", damaged, damaged),
        ("merge", damaged, "--into", damaged / "new"),
    ):
        ended = ablate(*command)
        assert ended.code == 2, command
        assert str(damaged) in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", ["a file", "x" * 400])
def test_a_folder_that_cannot_be_one(ablate: Command, file: Path, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    if len(name) < 100:
        place.write_text("")
    for command in (("run", file, "--out", place), ("status", file, "--out", place), ("report", place)):
        ended = ablate(*command)
        assert ended.code == 2, command
        assert len(ended.err.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_one_line(ablate: Command, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    ended = ablate("report", out)
    assert ended.code == 2
    assert "No space left on device" in ended.err


@pytest.mark.usefixtures("undrawn")
def test_a_report_is_written_from_a_ledger_that_cannot_be(ablate: Command, out: Path) -> None:
    ledger = out / "ledger.sqlite"
    ledger.chmod(stat.S_IRUSR)
    try:
        assert ablate("report", out).code == 0
    finally:
        ledger.chmod(stat.S_IRUSR | stat.S_IWUSR)


@pytest.mark.parametrize("after", [0.3, 1.0])
def test_ctrl_c_at_once_and_five_times(command: Command, file: Path, tmp_path: Path, after: float) -> None:
    process = command("run", file, "--out", tmp_path / "out")
    time.sleep(after)
    for _ in range(5):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (130, -signal.SIGINT), err  # the latter: before Python runs any of this
    assert "Traceback" not in err or "ablate/cli" not in err


# Bounds


@pytest.mark.parametrize(
    ("change", "bound"),
    [
        (("  a: conv", "  a: conv\n  'x-$p-$q-$r': 'conv(kernel=$p)'"), "20,000"),
        (("[16, 32]", str(list(range(1, 1001)))), "256"),
        (("[16, 32]", str(list(range(1, 60001)))), "262,144"),
        (("classes: 10", f"classes: 0x{'f' * 4000}"), "65536"),
        (("resolution: 32", "resolution: 1000000000"), "16384"),
    ],
)
def test_bounds_are_named_at_once(
    ablate: Command, tmp_path: Path, change: tuple[str, str], bound: str
) -> None:
    file = tmp_path / "study.yaml"
    many = ", ".join(map(str, range(1000)))
    file.write_text(
        STUDY.replace(*change) + f"vary: {{p: [{many}], q: [{many}], r: [{many}]}}\n" * ("$p" in change[1])
    )
    start = time.process_time()
    ended = ablate("check", file)
    assert time.process_time() - start < 2
    assert ended.code == 2
    assert bound in ended.err
    assert max(map(len, ended.err.splitlines())) < 2100, "long lines are cut"


@pytest.mark.parametrize("option", ["--resolution", "--batch", "--channels", "--classes"])
def test_options_have_bounds(ablate: Command, option: str) -> None:
    ended = ablate("cost", "conv", option, 10**20)
    assert ended.code == 2
    assert "less than or equal to" in ended.err
