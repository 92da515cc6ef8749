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
from ablate.search.store import REASON, STOPPED, is_feasible
from ablate.statistics.front import not_beaten
from ablate.study.goals import Objective
from ablate.study.search import Search
from ablate.study.study import Study

COLUMNS = (
    "number", "name", "status", "feasible", "repeats", "text", "widths", "depths", "reason",
)  # fmt: skip


def pareto_front(trials: pd.DataFrame, objectives: Sequence[Objective]) -> pd.DataFrame:
    """The feasible networks that no other feasible one beats, best in the first objective first.

    One row per network: one that was proposed again is taken from its first trial. `a` beats `b` when it is
    nowhere worse and somewhere better.
    """
    usable = trials[(trials["status"] == "done") & ~trials["repeats"].astype(bool)]
    if usable.empty:
        return usable
    signs = [1.0 if goal.direction == "minimize" else -1.0 for goal in objectives]
    points = usable[[goal.metric for goal in objectives]].to_numpy(dtype=float) * signs
    kept = not_beaten(points.tolist())
    kept.sort(key=lambda i: tuple(points[i]))
    return usable.iloc[kept].reset_index(drop=True)


def trial_records(trials: Iterable[FrozenTrial], layouts: Mapping[str, Layout]) -> list[TrialRecord]:
    """One record per settled trial; `layouts` are the networks by their names.

    `status` is `done`, `infeasible`, `failed` or `stopped`; `repeats` marks a network of an earlier trial, as
    two searches in one storage can have; `spread` is the standard deviation over seeds. What is not known is
    missing.
    """
    records = []
    seen: set[str] = set()
    for trial in trials:
        name = str(trial.user_attrs["name"])
        feasible = is_feasible(trial)
        broken = [text for text, excess in trial.constraints.items() if excess > 0]
        records.append(
            TrialRecord(
                number=trial.number,
                layout=name,
                status=_status(trial),
                feasible=feasible,
                repeats=name in seen,
                text=_definition(layouts[name], trial),
                widths=" ".join(map(str, layouts[name].widths)),
                depths=" ".join(map(str, layouts[name].depths)),
                metrics=dict(trial.user_attrs["metrics"]),
                spread=trial.user_attrs.get("spread"),
                reason=trial.user_attrs.get(REASON, "; ".join(f"not {text}" for text in broken)),
                rungs={int(images): value for images, value in trial.user_attrs.get("rungs", {}).items()},
            )
        )
        seen.add(name)
    return records


def _definition(layout: Layout, trial: FrozenTrial) -> str:
    """The pattern, and what else was chosen for the layout as a whole."""
    chosen = {
        "ffn": str(layout.settings.ffn),
        "stem": str(layout.settings.stem),
        "downsample": str(layout.settings.downsample),
        "norm": str(layout.settings.norm),
        "mlp_ratio": str(trial.params.get("mlp_ratio", "")),
        "head_dim": str(trial.params.get("head_dim", "")),
    }
    keys = {key.partition(".")[0] for key in trial.params}
    return "; ".join([layout.text, *(f"{key} {value}" for key, value in chosen.items() if key in keys)])


def _status(trial: FrozenTrial) -> str:
    if REASON in trial.user_attrs:
        return "failed"
    if not is_feasible(trial):
        return "infeasible"
    return "stopped" if STOPPED in trial.user_attrs else "done"


def trial_frame(records: Iterable[TrialRecord]) -> pd.DataFrame:
    """One row per trial: the fields of `TrialRecord`, the layout as `name`, a column a quantity."""
    rows = []
    for record in records:
        row = record.to_json()
        row["name"] = row.pop("layout")
        rungs = {f"accuracy_at_{images}": value for images, value in row.pop("rungs").items()}
        metrics = row.pop("metrics")
        rows.append(row | rungs | metrics)
    frame = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
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
