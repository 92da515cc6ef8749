"""The ledger keeps every row, uses the newest with the right key, and survives a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from ablate.errors import AblateError
from ablate.run.cell import Cell, Outcome
from ablate.run.ledger import Ledger


def cell(layout: str = "a", key: str = "k1", **condition: object) -> Cell:
    return Cell(layout, "complexity", condition or {"resolution": 224}, key)


def test_a_row_is_found_again_with_its_values(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_plan([cell()])
        ledger.add(cell(), Outcome("done", {"macs": 2**60 + 1}, seconds=1.5), {"torch": "2"})
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        (row,) = ledger.frame().to_dict("records")
    assert row["status"] == "done"
    assert row["values"] == {"macs": 2**60 + 1}
    assert row["condition"] == {"resolution": 224}
    assert row["provenance"] == {"torch": "2"}
    assert row["seconds"] == 1.5


def test_statuses(tmp_path: Path) -> None:
    done, failed, missing = cell("a", "k1"), cell("b", "k2"), cell("c", "k3")
    old, new = cell("d", "k4"), cell("d", "k5")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(done, Outcome("done", {}), {})
        ledger.add(failed, Outcome("oom", {}, "too large"), {})
        ledger.add(old, Outcome("done", {"macs": 1}), {})
        ledger.set_plan([done, failed, missing, new])
        assert ledger.statuses([done, failed, missing, new]) == {
            "k1": "done",
            "k2": "failed",
            "k3": "missing",
            "k5": "stale",
        }
        frame = ledger.frame()
        assert list(frame["status"]) == ["done", "oom", "missing", "stale"]
        assert frame["values"].iloc[3] == {}, "a stale row's values are not used"
        assert ledger.stale_rows() == 1, "but it is kept"


def test_the_newest_row_with_a_key_counts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.set_plan([cell()])
        ledger.add(cell(), Outcome("timeout", {}, "slow"), {})
        ledger.add(cell(), Outcome("done", {"macs": 3}), {})
        assert ledger.frame()["values"].iloc[0] == {"macs": 3}
        assert ledger.statuses([cell()]) == {"k1": "done"}


def test_place_does_not_depend_on_the_order_of_the_condition() -> None:
    assert cell(a=1, b=2).place == cell(b=2, a=1).place
    assert cell(a=1, b=2).place != cell(a=1, b=3).place


def test_rows_before_a_kill_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from ablate.run.cell import Cell, Outcome
        from ablate.run.ledger import Ledger
        ledger = Ledger(Path({str(path)!r}))
        cell = Cell("a", "complexity", {{}}, "k1")
        ledger.set_plan([cell])
        ledger.add(cell, Outcome("done", {{"macs": 7}}), {{}})
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        assert ledger.frame()["values"].iloc[0] == {"macs": 7}


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(cell(), Outcome("done", {}), {})
    assert os.listdir(tmp_path) == ["ledger.sqlite"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is no data base, but it is long enough to look like one\n" * 100)
    with pytest.raises(AblateError, match="is not a ledger"):
        Ledger(path)


def test_facts(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.fact("study") == {}
        ledger.set_fact("study", {"name": "x"})
        ledger.set_fact("study", {"name": "y"})
        assert ledger.fact("study") == {"name": "y"}


def test_no_torch() -> None:
    script = "import ablate.run.ledger, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
