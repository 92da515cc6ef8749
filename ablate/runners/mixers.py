"""The mixers of layouts, as a job: what they say about themselves, and their summary sizes."""

from __future__ import annotations

from typing import Any

import blocks
from ablate.layout.layout import Layout
from ablate.measurements.base import Progress, Task
from ablate.model.chain import map_sizes, parts


def run(task: Task[Any], progress: Progress) -> dict[str, Any]:
    """The mixers of every layout at `resolution` pixels. Raises what blocks raise."""
    known = {}
    for done, (name, layout) in enumerate(task.layouts.items(), start=1):
        known[name] = mixers_of(layout, task.channels, task.condition["resolution"])
        progress(done / len(task.layouts))
    return {"mixers": known}


def mixers_of(layout: Layout, channels: int, resolution: int) -> list[dict[str, Any]]:
    """The mixers of one layout, in the order in which they first occur, with the numbers of their stages."""
    chain = parts(layout, channels, resolution=resolution)
    mixers: dict[str, dict[str, Any]] = {}
    sizes: dict[str, dict[int, int | None]] = {}
    for (name, part), (height, width) in zip(chain, map_sizes(chain, resolution), strict=True):
        if part.kind != "block":
            continue
        text, entry = str(part.call), blocks.get(part.call.name, "mixer", "block")
        stage = int(name.partition(".")[0].removeprefix("stage"))
        size = entry.summary_size(part.dim, part.heads, height * width, **part.call.kwargs)
        mixers[text] = {"block": text, "family": entry.family, "caveat": entry.caveat}
        sizes.setdefault(text, {})[stage] = size
    return [
        {**mixers[text], "stages": list(by_stage), "sizes": list(by_stage.values())}
        for text, by_stage in sizes.items()
    ]
