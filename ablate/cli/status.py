"""The command `status`: how far a study is, and why cells failed or are stale."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from ablate.cli.app import AsJson, Out, StudyFile, app
from ablate.cli.opening import exists, folder_of, load_matched, open_ledger

if TYPE_CHECKING:
    from ablate.run.history import Failures


@app.command()
def status(
    file: StudyFile,
    out: Out = None,
    as_json: AsJson = False,
    why: Annotated[bool, typer.Option("--why", help="Say what made each stale cell stale.")] = False,
) -> None:
    """Count the study's cells (done, stale, failed, missing) and trials; say why cells have failed.

    Example: `ablate status layouts.yaml --out results/mine --json`
    """
    from ablate.cli.terminal import print_failures, print_status, print_trials, print_why
    from ablate.errors import AblateError
    from ablate.run.facts import SearchFact
    from ablate.run.history import failures
    from ablate.run.ledger import FILE
    from ablate.run.plan import plan
    from ablate.run.records import State
    from ablate.run.why import why_stale

    study = load_matched(file, out)
    cells = plan(study)
    folder = folder_of(study, out)
    states: dict[str, State] = dict.fromkeys((cell.key for cell in cells), "missing")
    failed: list[Failures] = []
    reasons: dict[str, list[str]] = {}
    search = SearchFact()
    if folder.exists() and not folder.is_dir():
        raise AblateError(f"{folder} is a file, not a folder of results")
    if exists(folder / FILE):
        with open_ledger(folder) as ledger:
            states = ledger.states(cells)
            failed = failures(ledger, cells)
            search = ledger.read(SearchFact) or search
            if why:
                stale = [cell for cell in cells if states[cell.key] == "stale"]
                reasons = why_stale(ledger, study, stale)
    if as_json:
        counts: Counter[str] = Counter(cell_state for cell_state in states.values())
        record: dict[str, object] = {state: counts[state] for state in ("done", "failed", "stale", "missing")}
        if study.search is not None:
            record["trials"] = Counter(trial.status for trial in search.trials)
        if why:
            record["why"] = {str(cell): reasons[cell.key] for cell in cells if cell.key in reasons}
        typer.echo(json.dumps(record))
        return
    if cells or study.search is None:
        print_status(cells, states)
    if study.search is not None:
        print_trials(search.trials, study.search.trials)
    print_failures(failed)
    if why:
        print_why(cells, reasons)
