"""One job -> its values: the counted ones in the driver, the measured ones inside a worker process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import blocks
from ablate.layout.layout import Layout
from ablate.layout.network import Network
from ablate.layout.settings import LayoutSettings
from ablate.run.cell import Cell, Json, Outcome
from ablate.runners.device import available_memory, resolve
from ablate.study.study import Study

Progress = Callable[[float], None]


def counted(study: Study, cell: Cell) -> Outcome:
    """The exact cost of a complexity cell."""
    from ablate.cost import layout_cost

    try:
        cost = layout_cost(
            study.layouts[cell.layout],
            cell.condition["resolution"],
            channels=study.input.channels,
            classes=study.input.classes,
        )
        return Outcome("done", cost.to_json())
    except Exception as error:  # one cell's failure never ends a study
        return Outcome("error", {}, f"{type(error).__name__}: {error}")


def perform(job: Json, progress: Progress) -> Json:
    """Run a job sent by the driver and return the cell's values."""
    for file in job["block_files"]:
        blocks.load_file(Path(file))
    layouts = {
        name: Layout.from_settings(LayoutSettings.model_validate(settings), name, check=False)
        for name, settings in job["layouts"].items()
    }
    return _PERFORM[job["kind"]](layouts, job["condition"], job, progress)


def _machine_peak(layouts: dict[str, Network], condition: Json, job: Json, progress: Progress) -> Json:
    from ablate.cost.roofline import machine_peak

    return asdict(machine_peak(str(resolve(condition["device"]))))


def _scaling(layouts: dict[str, Network], condition: Json, job: Json, progress: Progress) -> Json:
    """Curves and crossovers of the first layout against the last one, the baseline, with the study's peak."""
    from ablate.cost.compare.scaling import scaling
    from ablate.cost.roofline import MachinePeak

    peak = {key: job["peak"][key] for key in ("macs_per_second", "bytes_per_second", "device", "threads")}
    layout, *_ = found = list(layouts.values())
    return scaling(
        layout,
        found[-1],
        condition["resolutions"],
        peak=MachinePeak(**peak),
        channels=job["channels"],
        classes=job["classes"],
        timed=condition["timed_resolutions"],
        timed_batch=condition["timed_batch"],
    ) | {"peak": job["peak"]}


def _audit(layouts: dict[str, Network], condition: Json, job: Json, progress: Progress) -> Json:
    from ablate.cost.audit import audit
    from ablate.cost.audit.published import compare_published, published

    (layout,) = layouts.values()
    table = audit(
        lambda: layout.build(job["classes"], job["channels"], resolution=condition["resolution"]),
        condition["resolution"],
        channels=job["channels"],
        mode=condition["mode"],
        training=condition["training"],
        name=layout.name,
    )
    # a published figure belongs to the forward pass, at its own resolution: it is compared once
    first = condition["mode"] == "as-called" and not condition["training"]
    figures = [figure for figure in published() if first and f"timm:{figure.model}" == layout.text]
    return table.to_json() | {"published": [row.to_json() for row in compare_published(figures)]}


def _memory(layouts: dict[str, Network], condition: Json, job: Json, progress: Progress) -> Json:
    """Predicted memory, and beside it a measured peak where the condition names a device that has room."""
    from ablate.cost import layout_cost
    from ablate.runners.memory import measure_memory

    (layout,) = layouts.values()
    resolution, mode, kernel = condition["resolution"], condition["mode"], condition["kernel"]
    channels, classes, batch = job["channels"], job["classes"], condition["batch"]
    memory = layout_cost(layout, resolution, channels=channels, classes=classes, batch=batch).memory
    training = mode == "training"
    values = {
        "weights": memory["weights"],
        "gradients": memory["gradients"] if training else 0,
        "optimizer": memory["optimizer"] if training else 0,
        "saved_activations": memory[kernel]["saved_activations"] if training else 0,
        "peak": memory[kernel]["training_peak" if training else "inference_peak"],
        "device_kernel": memory["device_kernel"],
        "measured_peak": None,
        "not_measured": "the condition asks for none",
    }
    if "device" not in condition:
        return values
    needed, room = values["weights"] + values["peak"], available_memory(resolve(condition["device"]))
    if room is not None and needed > 0.8 * room:
        return values | {"not_measured": f"needs {needed:,} bytes of the {room:,} that are free"}
    measured = measure_memory(
        layout.build(classes, channels, resolution=resolution),
        resolution,
        channels=channels,
        batch=batch,
        mode=mode,
        kernel=kernel,
        device=condition["device"],
    )
    return values | {"measured_peak": measured.peak, "not_measured": "", "measured": measured.to_json()}


def _throughput(layouts: dict[str, Network], condition: Json, job: Json, progress: Progress) -> Json:
    """One process's samples of all layouts, interleaved; a layout that cannot be built is named as failed."""
    from ablate.runners.throughput import ThroughputCondition, measure_process, reason

    models, failed = {}, {}
    for name, layout in layouts.items():
        try:
            size = condition["resolution"]
            models[name] = layout.build(job["classes"], job["channels"], resolution=size)
        except Exception as error:
            failed[name] = reason(error)
    protocol = ThroughputCondition(**condition, channels=job["channels"])
    samples = measure_process(models, protocol, process=job["process"], on_round=progress)
    return replace(samples, failed=failed | samples.failed).to_json()


def _accuracy(layouts: dict[str, Network], condition: Json, job: Json, progress: Progress) -> Json:
    """One training run of one layout; its stem and head take the data set's channels and classes."""
    from ablate.data import load
    from ablate.runners.accuracy import AccuracyProtocol, train

    (layout,) = layouts.values()
    protocol = {key: condition[key] for key in ("epochs", "seed", "recipe", "batch", "lr", "precision")}
    protocol |= {"augment": condition["augment"], "device": condition["device"]}
    protocol |= {"tune_lr": tuple(condition["tune_lr"])}
    dataset = load(
        condition["dataset"],
        data_dir=condition["data_dir"],
        resolution=condition["resolution"],
        subset=condition["subset"],
    )
    result = train(
        lambda: layout.build(len(dataset.classes), dataset.channels, resolution=dataset.resolution),
        dataset,
        AccuracyProtocol(**protocol),
        lambda done, total: progress(done / total),
    )
    return result.to_json()


_PERFORM: dict[str, Callable[[dict[str, Network], Json, Json, Progress], Json]] = {
    "machine_peak": _machine_peak,
    "scaling": _scaling,
    "audit": _audit,
    "memory": _memory,
    "throughput": _throughput,
    "accuracy": _accuracy,
}
