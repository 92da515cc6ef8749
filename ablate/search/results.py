"""What a search leaves behind: a frame of its trials, the Pareto front, and the best layouts as a study."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial
from ruamel.yaml import YAML

from ablate.layout.layout import Layout
from ablate.run.facts import TrialRecord
from ablate.search.store import REASON, is_feasible
from ablate.study.goals import Objective
from ablate.study.study import Search, Study

COLUMNS = (
    "number", "name", "status", "feasible", "repeats", "text", "widths", "depths", "reason",
)  # fmt: skip


def pareto_front(trials: pd.DataFrame, objectives: Sequence[Objective]) -> pd.DataFrame:
    """The feasible networks that no other feasible one beats, best in the first objective first.

    One row per network: one that was proposed again is taken from its first trial. `a` beats `b` when it is
    nowhere worse and somewhere better.
    """
    usable = trials[(trials["status"] == "done") & ~trials["repeats"].astype(bool)]
    signs = [1.0 if goal.direction == "minimize" else -1.0 for goal in objectives]
    points = usable[[goal.metric for goal in objectives]].to_numpy(dtype=float) * signs
    beaten = [bool(((points <= point).all(axis=1) & (points < point).any(axis=1)).any()) for point in points]
    kept = [i for i, is_beaten in enumerate(beaten) if not is_beaten]
    kept.sort(key=lambda i: tuple(points[i]))
    return usable.iloc[kept].reset_index(drop=True)


def trial_records(trials: Iterable[FrozenTrial], layouts: Mapping[str, Layout]) -> list[TrialRecord]:
    """One record per settled trial; `layouts` are the networks by their names.

    `status` is `done`, `infeasible` or `failed`; `repeats` marks a network that an earlier trial proposed;
    `spread` is the standard deviation over seeds. What is not known is missing.
    """
    records = []
    seen: set[str] = set()
    for trial in trials:
        name = str(trial.user_attrs["name"])
        failed, feasible = REASON in trial.user_attrs, is_feasible(trial)
        broken = [text for text, excess in trial.constraints.items() if excess > 0]
        records.append(
            TrialRecord(
                number=trial.number,
                layout=name,
                status="failed" if failed else "done" if feasible else "infeasible",
                feasible=feasible,
                repeats=name in seen,
                text=layouts[name].text,
                widths=" ".join(map(str, layouts[name].widths)),
                depths=" ".join(map(str, layouts[name].depths)),
                metrics=dict(trial.user_attrs["metrics"]),
                spread=trial.user_attrs.get("spread"),
                reason=trial.user_attrs.get(REASON, "; ".join(f"not {text}" for text in broken)),
            )
        )
        seen.add(name)
    return records


def trial_frame(trials: Iterable[FrozenTrial], layouts: Mapping[str, Layout]) -> pd.DataFrame:
    """One row per settled trial: the fields of `TrialRecord`, the layout as `name`, a column a quantity."""
    rows = []
    for record in trial_records(trials, layouts):
        row = record.to_json()
        row["name"] = row.pop("layout")
        rows.append(row | row.pop("metrics"))
    frame = pd.DataFrame(rows)
    for name in {name for row in rows for name in row} - set(COLUMNS):
        frame[name] = frame[name].astype(float)
    return frame


def best_study(study: Study, search: Search, layouts: Mapping[str, Layout], path: Path) -> str:
    """These layouts as the text of a study file at `path`, with the measurements of the search's study.

    Layouts are written out in full, so that no defaults of the searched file are needed.
    """
    measure = study.measure.model_dump(mode="json", exclude_none=True)
    document: dict[str, Any] = {
        "study": f"{study.name}-best",
        "input": study.input.model_dump(mode="json"),
        "layouts": {name: layout.to_yaml_dict() for name, layout in layouts.items()},
        "measure": measure or {"complexity": {"resolutions": [study.input.resolution]}},
    }
    if study.extensions:
        folder = path.resolve().parent
        document["extensions"] = [
            Path(os.path.relpath(file.resolve(), folder)).as_posix() for file in study.extensions
        ]
    buffer = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    yaml.dump(document, buffer)
    goals = ", ".join(map(str, search.objectives))
    bounds = ", ".join(map(str, search.constraints))
    header = f"# The Pareto front that `ablate search` found: {goals}{f'; {bounds}' if bounds else ''}.\n"
    return header + buffer.getvalue()
