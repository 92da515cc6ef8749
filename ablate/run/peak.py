"""The machine's peak: measured once for a study, kept in its ledger, given to every cell that needs it."""

from __future__ import annotations

from importlib import metadata

from ablate.run.cell import Json, Outcome
from ablate.run.ledger import Ledger
from ablate.run.local import Worker
from ablate.runners.device import name_of, resolve
from ablate.runners.provenance import load_average

FACT = "machine_peak"


def machine_peak(ledger: Ledger, device: str, threads: int, timeout: float | None = None) -> Outcome:
    """The peak of a device with so many threads: the ledger's, else measured now in a fresh process.

    The values are those of `ablate.cost.roofline.MachinePeak`, with the device's name and the load average
    before it was measured. Nothing else of the study may run meanwhile. A failed outcome is not kept.
    """
    name = name_of(resolve(device))
    known = ledger.fact(FACT)
    key = f"{name}, {device}, threads={threads}, torch {metadata.version('torch')}"
    if key in known:
        return Outcome("done", known[key])
    load = load_average()
    worker = Worker(threads=threads, timeout=timeout)
    try:
        outcome = worker.run(_job(device))
    finally:
        worker.close()
    if outcome.status != "done":
        reason = f"the machine's peak could not be measured: {outcome.reason}"
        return Outcome(outcome.status, {}, reason)
    peak = outcome.values | {"name": name, "load_average": load}
    ledger.set_fact(FACT, known | {key: peak})
    return Outcome("done", peak)


def _job(device: str) -> Json:
    return {"kind": "machine_peak", "layouts": {}, "condition": {"device": device}, "block_files": []}
