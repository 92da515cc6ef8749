"""The ledger keeps every row, uses the newest with the right key, and survives a kill."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ablate.errors import AblateError
from ablate.measurements.memory import MemoryCondition, MemoryValues
from ablate.run.facts import StudyFact
from ablate.run.history import prune, unused_rows
from ablate.run.ledger import Ledger
from ablate.run.records import Cell, Outcome, Provenance, digest, failed, plain

VALUES = MemoryValues(weights=2**60 + 1, gradients=0, optimizer=0, saved_activations=0, peak=7)
DONE = Outcome(VALUES.to_json(), seconds=1.5)
HERE = Provenance(torch="2")


def cell(layout: str = "a", key: str = "k1", resolution: int = 224) -> Cell:
    condition = MemoryCondition(resolution=resolution, mode="inference", kernel="fused")
    return Cell(layout, "memory", condition, key, digest([layout, "memory", plain(condition)]))


def test_a_row_is_found_again_with_its_values(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_plan([cell()])
        ledger.add(cell(), DONE, HERE)
    with Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger:
        (record,) = ledger.records()
    assert record.status == "done"
    assert record.values == VALUES
    assert record.condition == cell().condition
    assert record.provenance == HERE
    assert record.seconds == 1.5


def test_states(tmp_path: Path) -> None:
    done, bad, missing = cell("a", "k1"), cell("b", "k2"), cell("c", "k3")
    old, new = cell("d", "k4"), cell("d", "k5")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(done, DONE, HERE)
        ledger.add(bad, failed("oom", "too large"), HERE)
        ledger.add(old, DONE, HERE)
        ledger.set_plan([done, bad, missing, new])
        states = ledger.states([done, bad, missing, new])
        assert states == {"k1": "done", "k2": "failed", "k3": "missing", "k5": "stale"}
        records = ledger.records()
        assert [record.status for record in records] == ["done", "oom", "missing", "stale"]
        assert records[1].reason == "too large"
        assert records[3].values is None, "a stale row's values are not used"
        assert unused_rows(ledger) == {("d", "memory"): 1}, "but it is kept"
        assert prune(ledger) == 1
        assert ledger.states([new]) == {"k5": "missing"}


def test_the_newest_row_with_a_key_counts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_plan([cell()])
        ledger.add(cell(), failed("timeout", "slow"), HERE)
        ledger.add(cell(), DONE, HERE)
        assert ledger.records()[0].values == VALUES
        assert ledger.states([cell()]) == {"k1": "done"}


def test_rows_before_a_kill_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from ablate.measurements.complexity import ComplexityCondition
        from ablate.run.ledger import Ledger
        from ablate.run.records import Cell, Provenance, failed
        ledger = Ledger(Path({str(path)!r}))
        cell = Cell("a", "complexity", ComplexityCondition(resolution=8), "k1", "p1")
        ledger.set_plan([cell])
        ledger.add(cell, failed("oom", "full"), Provenance())
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        assert ledger.records()[0].reason == "full"


def test_rows_that_can_wait_are_committed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ablate.run.ledger.time.monotonic", lambda: now[0])
    path = tmp_path / "ledger.sqlite"

    def committed() -> int:
        with Ledger(path, read_only=True) as other:
            return len(other.ask("SELECT id FROM rows"))

    ledger = Ledger(path)
    for number, wanted in enumerate([1, 1, 1]):  # the first at once
        ledger.add(cell(key=f"k{number}"), DONE, HERE, at_once=False)
        assert committed() == wanted
    now[0] += 0.3
    ledger.add(cell(key="k3"), DONE, HERE, at_once=False)
    assert committed() == 4
    ledger.add(cell(key="k4"), DONE, HERE, at_once=False)
    assert committed() == 4
    ledger.add(cell(key="k5"), DONE, HERE)
    assert committed() == 6
    ledger.add(cell(key="k6"), DONE, HERE, at_once=False)
    assert len(ledger.ask("SELECT id FROM rows")) == 7, "the ledger itself sees all"
    ledger.close()
    assert committed() == 7


def test_a_read_only_ledger_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.set_plan([cell()])
    before = path.read_bytes()
    path.chmod(0o444)
    with Ledger(path, read_only=True) as ledger:
        assert [record.state for record in ledger.records()] == ["missing"]
        with pytest.raises(AblateError, match="readonly"):
            ledger.add(cell(), DONE, HERE)
    assert path.read_bytes() == before


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(cell(), DONE, HERE)
    assert os.listdir(tmp_path) == ["ledger.sqlite"]


@pytest.mark.parametrize("damage", ["text", "cut", "middle", "empty table", "other tables", "a folder"])
def test_a_damaged_file_is_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.set_plan([cell(str(number), f"k{number}") for number in range(400)])
        for number in range(400):
            ledger.add(cell(str(number), f"k{number}"), DONE, HERE)
    data = path.read_bytes()
    if damage == "text":
        path.write_text("this is no data base, but it is long enough to look like one\n" * 100)
    elif damage == "cut":
        path.write_bytes(data[: len(data) // 3])
    elif damage == "middle":
        path.write_bytes(data[:8192] + b"\xff" * (len(data) - 12288) + data[-4096:])
    elif damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute(
                "CREATE TABLE rows (id INTEGER)" if damage == "empty table" else "CREATE TABLE x (y)"
            )
    for read_only in (True, False):
        with pytest.raises(AblateError) as error:
            read_all(path, read_only)
        assert "\n" not in str(error.value)


def read_all(path: Path, read_only: bool) -> None:
    with Ledger(path, read_only=read_only) as ledger:
        ledger.records()
        ledger.states([cell()])


def test_facts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.read(StudyFact) is None
        ledger.write(StudyFact("x", baseline="a"))
        ledger.write(StudyFact("y", layouts={"a": "conv"}))
        assert ledger.read(StudyFact) == StudyFact("y", layouts={"a": "conv"})


def test_half_of_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.write(StudyFact("a\udc80b \u00e9"))
        assert ledger.read(StudyFact) == StudyFact("a?b \u00e9")


@pytest.mark.parametrize(
    ("column", "stored"),
    [('"values"', "null"), ("provenance", "7"), ("provenance", "[1]"), ('"values"', "[]")],
)
def test_a_row_of_another_kind_of_data_is_one_line(tmp_path: Path, column: str, stored: str) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_plan([cell()])
        ledger.add(cell(), DONE, HERE)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as damaged:
        damaged.execute(f"UPDATE rows SET {column} = ?", (stored,))
    with (
        Ledger(tmp_path / "ledger.sqlite", read_only=True) as ledger,
        pytest.raises(AblateError, match=r"is damaged: .*; move it away to begin anew") as told,
    ):
        ledger.records()
    assert "\n" not in str(told.value)
    assert "http" not in str(told.value)


def test_a_fact_of_another_kind_of_data_is_one_line(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.write(StudyFact("x"))
        ledger.change("UPDATE facts SET value = ?", [("[1]",)])
        with pytest.raises(AblateError, match="is damaged: "):
            ledger.read(StudyFact)


def test_no_torch() -> None:
    script = "import ablate.run.ledger, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_ledger_of_version_1_is_read_as_it_is_and_brought_forward_when_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.set_plan([cell()])
        ledger.add(cell(), DONE, HERE)
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE rows DROP COLUMN made_of")
        connection.execute("DROP TABLE parts")
        connection.execute("PRAGMA user_version=1")
    connection.close()
    with Ledger(path, read_only=True) as ledger:
        assert not ledger.keeps_parts
        assert ledger.records()[0].values == VALUES
    with Ledger(path) as ledger:
        ledger.add(cell("b", "k2"), DONE, HERE, {"h": {"kind": "memory"}})
        assert ledger.ask("SELECT value FROM parts") == [('{"kind": "memory"}',)]
        assert ledger.states([cell()]) == {"k1": "done"}
