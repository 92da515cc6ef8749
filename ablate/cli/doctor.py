"""`ablate doctor`: what this machine is, how noisy it is, and what that means for times."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ablate.cli.app import AsJson, app

_STUDY = """\
input: {resolution: 64, channels: 3, classes: 10}
defaults: {widths: [32, 64], depths: [1, 1]}
layouts: {first: conv, second: conv}
measure:
  throughput: {resolutions: [64], batch: 4, processes: PROCESSES, rounds: 3, seconds: 0.5}
"""


@app.command()
def doctor(
    processes: Annotated[int, typer.Option(min=2, max=50, help="Fresh processes of the A/A test.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Print what this machine is, which kernels it takes, how noisy its times are, and what they can resolve.

    The noise is measured: two copies of one model are timed against each other as a study's layouts are.

    Example: `ablate doctor`
    """
    from ablate.cli.terminal import console
    from ablate.run.executors.base import Setup, make_executor
    from ablate.run.noise import noise
    from ablate.run.prepare import study_job
    from ablate.study.load import parse_study

    study = parse_study(_STUDY.replace("PROCESSES", str(processes)), "doctor.yaml")
    with make_executor("local", Setup(workers=1)) as executor:
        ((_, facts),) = executor.run([study_job(study, "ablate.runners.doctor:run", ())])
        measured = noise(study, executor)
    machine = facts.values or {}
    if as_json:
        typer.echo(json.dumps({"machine": machine, "noise": measured.to_json()}))
        return
    for name, value in machine.items():
        shown = "unknown" if value is None else ", ".join(value) if isinstance(value, list) else value
        if name == "free_memory" and value is not None:
            shown = f"{value / 2**30:.1f} GiB"
        console.print(f"{name.replace('_', ' ')}: {shown}", markup=False, highlight=False)
    console.print(measured.in_words(), markup=False, highlight=False)
