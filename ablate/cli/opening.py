"""What the commands open: studies, results, executors."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ablate.errors import AblateError

if TYPE_CHECKING:
    from ablate.run.executors.base import Executor
    from ablate.run.ledger import Ledger
    from ablate.study.study import Study


def load_file(file: str) -> Study:
    """The study of a file, or the shipped one of this name. Raises `LayoutError` with all of its mistakes."""
    from ablate.study.load import load_study
    from ablate.study.shipped import find_study

    return load_study(find_study(file))


def load_matched(file: str, out: Path | None = None) -> Study:
    """The study with its layouts at the budgets that it asks for."""
    study = load_file(file)
    return at_budgets(study, folder_of(study, out))


def at_budgets(study: Study, folder: Path) -> Study:
    """The study with its layouts at their budgets, as the results in the folder have them or found anew."""
    from ablate.run.prepare import known_match, matched

    if not study.matches:
        return study
    with contextlib.suppress(AblateError), open_ledger(folder) as ledger:
        known = known_match(study, ledger)
        if known is not None:
            return known
    with make("local", 1, None, None) as executor:
        return matched(study, executor)


def make(
    name: str, workers: int | None, timeout: float | None, folder: Path | None, slurm: list[str] | None = None
) -> Executor:
    """The executor of this name. Raises `AblateError` for one that is not known, and for wrong options."""
    from ablate.cli.options import executor_options
    from ablate.run.executors.base import Setup, make_executor

    return make_executor(name, Setup(workers, timeout, folder, executor_options(slurm)))


def folder_of(study: Study, out: Path | None) -> Path:
    """Where a study's results are."""
    return out if out is not None else Path("results") / study.name


def open_ledger(folder: Path, *, write: bool = False) -> Ledger:
    """The ledger of a folder of results. Raises `AblateError` where there is none."""
    from ablate.run.ledger import FILE, Ledger

    if not exists(folder / FILE):
        raise AblateError(
            f"{folder} has no {FILE}: no results yet; make them with: ablate run FILE --out {folder}"
        )
    return Ledger(folder / FILE, read_only=not write)


def exists(path: Path) -> bool:
    """Whether there is a file; a name that no file can have has none."""
    try:
        return path.is_file()
    except OSError:
        return False
