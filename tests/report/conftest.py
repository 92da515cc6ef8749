"""Made-up studies for the report's tests. None of these numbers was measured."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from ablate.measurements.register import measurement
from ablate.measurements.values import Failure
from ablate.report.results import Results
from ablate.run.facts import Fact, StudyFact, TrialRecord
from ablate.run.records import Provenance, Record

MIXERS = {"key_only": "key_only", "softmax": "softmax", "window": "window(size=7)", "linear": "linear"}
LAYOUTS = {f"alternate-{name}": f"alternate(conv, {call})" for name, call in MIXERS.items()} | {
    f"graft3-{name}": f"graft(conv, {call}, from=3)" for name, call in MIXERS.items()
}
RESOLUTIONS = (224, 384, 512, 768, 1024)
SPEED = {"key_only": 1.0, "softmax": 1.6, "window": 1.22, "linear": 1.004}
PROVENANCE = {
    "torch": "2.15.0",
    "timm": "1.0.31",
    "ablate": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux-6.1-x86_64",
    "processor": "Made-up CPU",
    "device": "Made-up CPU",
    "cores": 2,
    "threads": 1,
    "load_average": 0.4,
    "git_commit": "0123456789abcdef",
    "git_dirty": False,
    "command": "ablate run study.yaml",
}


def _stages(macs: int, params: int) -> list[dict[str, Any]]:
    shares = (
        ("stem", 0.03),
        ("stage1", 0.22),
        ("stage2", 0.24),
        ("stage3", 0.31),
        ("stage4", 0.19),
        ("head", 0.01),
    )
    return [
        {
            "name": name,
            "macs": round(macs * share),
            "params": round(params * share),
            "elementwise": round(macs * share / 50),
        }
        for name, share in shares
    ]


def _peak(name: str, resolution: int, kernel: str, mode: str) -> int:
    tokens = (resolution / 4) ** 2
    per_token = 2400 if mode == "inference" else 9800
    quadratic = 16 * tokens**2 / 16 if kernel == "math" and "softmax" in name else 0
    quadratic += 900 * tokens if kernel == "math" and "window" in name else 0
    return round(tokens * per_token * (1.15 if "alternate" in name else 1.0) + quadratic)


def _complexity(name: str, resolution: int) -> dict[str, Any]:
    tokens = (resolution / 4) ** 2
    macs = round(2.1e9 * tokens / 3136 * (1.05 if "alternate" in name else 1.0))
    macs += round(2 * 64 * tokens**2 / 6) if "softmax" in name else 0
    params = 13_100_000 + 7 * len(name)
    peaks = {
        kernel: {f"{mode}_peak": _peak(name, resolution, kernel, mode) for mode in ("inference", "training")}
        for kernel in ("fused", "math")
    }
    return {
        "resolution": resolution,
        "params": params,
        "macs": macs,
        "flops": 2 * macs,
        "training_macs": 3 * macs - 118_013_952,
        "elementwise": macs // 40,
        "bytes": macs // 9,
        "activations": macs // 300,
        "uncounted": [],
        "memory": {
            "weights": 4 * params,
            "gradients": 4 * params,
            "optimizer": 8 * params,
            **peaks,
            "device_kernel": "fused",
        },
        "stages": _stages(macs, params),
        "blocks": [],
    }


def make_frame(
    layouts: Sequence[str] = tuple(LAYOUTS),
    *,
    resolutions: Sequence[int] = RESOLUTIONS,
    seeds: int = 5,
    kinds: Sequence[str] = ("complexity", "memory", "throughput", "accuracy"),
) -> pd.DataFrame:
    """A finished study in the form of `Ledger.frame()`."""
    rng = random.Random(0)
    records = [
        {
            "layout": name,
            "kind": kind,
            "condition": condition,
            "status": "done",
            "reason": "",
            "values": values,
            "provenance": PROVENANCE,
            "seconds": 1.5,
            "created": "2026-01-02T03:04:05+00:00",
            "key": f"{index}",
        }
        for index, (name, kind, condition, values) in enumerate(_cells(layouts, resolutions, seeds, rng))
        if kind in kinds
    ]
    return pd.DataFrame(records)


def _cells(
    layouts: Sequence[str], resolutions: Sequence[int], seeds: int, rng: random.Random
) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    for resolution in resolutions:
        for name in layouts:
            yield name, "complexity", {"resolution": resolution}, _complexity(name, resolution)
    for resolution in resolutions[:3]:
        for mode in ("inference", "training"):
            for kernel in ("fused", "math"):
                for name in layouts:
                    peak = _peak(name, resolution, kernel, mode)
                    weights = 4 * 13_100_000
                    real = round(peak * 1.013) if kernel == "fused" and resolution < 512 else None
                    yield (
                        name,
                        "memory",
                        {
                            "resolution": resolution,
                            "mode": mode,
                            "kernel": kernel,
                            "batch": 1,
                            "measured": True,
                        },
                        {
                            "weights": weights,
                            "gradients": weights,
                            "optimizer": 2 * weights,
                            "saved_activations": peak // 2,
                            "peak": peak,
                            "measured_peak": real,
                            "device_kernel": "fused",
                        },
                    )
    for resolution in resolutions[:3]:
        for name in layouts:
            speed = SPEED.get(name.partition("-")[2], 1.0)
            ratio = speed * (1 if "alternate" in name else 0.93)
            latency = 812.0 * ratio * (resolution / 224) ** 2 * rng.uniform(0.998, 1.002)
            low, high = (1.0, 1.0) if name == layouts[0] else (ratio - 0.013, ratio + 0.011)
            yield (
                name,
                "throughput",
                {
                    "resolution": resolution,
                    "mode": "inference",
                    "precision": "fp32",
                    "batch": 32,
                    "processes": 5,
                    "rounds": 3,
                    "threads": 1,
                    "compile": False,
                    "device": "cpu",
                },
                {
                    "latency_ms": latency,
                    "low_ms": latency * 0.97,
                    "high_ms": latency * 1.04,
                    "images_per_s": 32e3 / latency,
                    "process_ms": [latency * 0.98, latency, latency * 1.02],
                    "ratio": ratio,
                    "ratio_low": low,
                    "ratio_high": high,
                    "ratio_to": layouts[0],
                    "tie": low <= 1 <= high,
                    "samples": [],
                },
            )
    for name in layouts:
        for seed in range(seeds):
            top1 = (
                90.1
                + (0.9 if "alternate" in name else 0)
                + (0.35 if "softmax" in name else 0)
                + rng.gauss(0, 0.16)
            )
            yield (
                name,
                "accuracy",
                {
                    "seed": seed,
                    "dataset": "fashion-mnist",
                    "epochs": 5.0,
                    "recipe": "short",
                    "batch": 128,
                    "lr": None,
                    "resolution": 28,
                    "precision": "bf16",
                    "subset": None,
                },
                {
                    "top1": top1,
                    "test_loss": 0.29 + rng.gauss(0, 0.004),
                    "train_loss": 0.61,
                    "images_seen": 300_000,
                    "images_per_s": 1350.0,
                    "curve": [],
                },
            )


def fail(frame: pd.DataFrame, status: str, reason: str, **where: Any) -> pd.DataFrame:
    """The frame with the cells failed whose layout, kind and condition entries are these."""
    frame = frame.copy()
    for index in frame.index:
        entries = {
            "layout": frame.at[index, "layout"],
            "kind": frame.at[index, "kind"],
            **frame.at[index, "condition"],
        }
        if all(entries.get(key) == value for key, value in where.items()):
            frame.at[index, "status"], frame.at[index, "reason"], frame.at[index, "values"] = (
                status,
                reason,
                {},
            )
            if status in ("missing", "stale"):
                frame.at[index, "provenance"] = {}
    return frame


def open_results(
    frame: pd.DataFrame,
    *,
    study: str = "s",
    baseline: str | None = None,
    texts: Mapping[str, str] | None = None,
    facts: Sequence[Fact] = (),
    **more: Any,
) -> Results:
    """The results of a made-up study, as a ledger would give them."""
    records = [_record(row) for row in frame.to_dict("records")]
    about = StudyFact(study, baseline=baseline, layouts=dict(texts or {}), **more)
    return Results(records, about, facts)


def _record(row: Mapping[Any, Any]) -> Record[Any, Any]:
    entry = measurement(row["kind"])
    known = {name: value for name, value in row["condition"].items() if name in entry.condition.model_fields}
    condition = entry.condition.model_validate({k: v for k, v in known.items() if v is not None})
    status, done = row["status"], row["status"] == "done"
    planned = status in ("missing", "stale")
    return Record(
        row["layout"],
        row["kind"],
        condition,
        str(row.get("key", "")),
        "done" if done else status if planned else "failed",
        values=entry.values.from_json(row["values"]) if done else None,
        failure=None if done or planned else Failure(status, row["reason"]),
        provenance=None if planned else Provenance.from_json(row.get("provenance") or {}),
        seconds=row.get("seconds"),
        created=row.get("created"),
    )


@pytest.fixture(scope="session")
def opened() -> Callable[..., Results]:
    """Opens a made-up study as a ledger would give it."""
    return open_results


@pytest.fixture(scope="session")
def study_of() -> Callable[..., pd.DataFrame]:
    """The maker of made-up studies."""
    return make_frame


@pytest.fixture(scope="session")
def failing() -> Callable[..., pd.DataFrame]:
    """Turns finished cells into failed ones."""
    return fail


@pytest.fixture(scope="session")
def full_study() -> pd.DataFrame:
    """Eight layouts, five seeds, with failed, stale and missing cells among them."""
    frame = make_frame()
    frame = fail(
        frame,
        "oom",
        "RuntimeError: out of memory",
        layout="alternate-softmax",
        kind="throughput",
        resolution=512,
    )
    frame = fail(frame, "diverged", "loss is nan at step 41", layout="graft3-linear", kind="accuracy", seed=2)
    frame = fail(frame, "missing", "", layout="graft3-window", kind="accuracy")
    return fail(frame, "stale", "", layout="graft3-softmax", kind="memory", resolution=512, kernel="math")


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """What the made-up layouts' names stand for."""
    return dict(LAYOUTS)


@pytest.fixture(scope="session")
def trials() -> list[TrialRecord]:
    """A made-up search."""
    rng = random.Random(1)
    records = []
    for number in range(60):
        macs = rng.uniform(0.2e9, 0.7e9)
        accuracy = 84 + 8 * (macs / 0.7e9) ** 0.4 + rng.gauss(0, 0.8)
        feasible = macs < 0.6e9
        records.append(
            TrialRecord(
                number,
                f"trial-{number}",
                "done" if feasible else "infeasible",
                feasible,
                False,
                "alternate(conv, key_only)",
                metrics={"macs": macs, "accuracy": accuracy, "params": 3e6},
            )
        )
    return records
