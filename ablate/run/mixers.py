"""What a study's parts say about themselves: their caveats, and how much a mixer can know of an image."""

from __future__ import annotations

from dataclasses import replace

import blocks
from ablate.layout.layout import Layout
from ablate.model.chain import map_sizes, parts
from ablate.run.facts import MixerFact, MixerRecord
from ablate.study.study import Study


def caveats(study: Study) -> tuple[str, ...]:
    """`key_only: a reconstruction ...`: the caveats of all parts that the layouts use, each once."""
    known: dict[str, None] = {}
    for layout in _layouts(study):
        for kinds, call in layout.parts_used():
            if caveat := blocks.get(call.name, *kinds).caveat:
                known.setdefault(f"{call.name}: {caveat}.")
    return tuple(known)


def mixer_fact(study: Study) -> MixerFact:
    """Every mixer with its summary sizes; layouts that use it at the same sizes share a record."""
    resolution = study.input.resolution
    rows: dict[MixerRecord, MixerRecord] = {}
    for layout in _layouts(study):
        for row in _of_layout(layout, study.input.channels, resolution):
            known = rows.get(row, row)
            rows[row] = replace(known, layouts=(*known.layouts, layout.name))
    return MixerFact(tuple(rows.values()), resolution)


def _layouts(study: Study) -> list[Layout]:
    return [layout for layout in study.layouts.values() if isinstance(layout, Layout)]


def _of_layout(layout: Layout, channels: int, resolution: int) -> list[MixerRecord]:
    """The mixers of one layout, in the order in which they first occur, without its name."""
    chain = parts(layout, channels, resolution=resolution)
    seen: dict[str, dict[int, int | None]] = {}
    entries: dict[str, blocks.Entry] = {}
    for (name, part), (height, width) in zip(chain, map_sizes(chain, resolution), strict=True):
        if part.kind != "block":
            continue
        entry, text = blocks.get(part.call.name, "mixer", "block"), str(part.call)
        entries[text] = entry
        stage = int(name.partition(".")[0].removeprefix("stage"))
        size = entry.summary_size(part.dim, part.heads, height * width, **part.call.kwargs)
        seen.setdefault(text, {})[stage] = size
    return [
        MixerRecord(
            text,
            entries[text].family,
            entries[text].caveat,
            stages=tuple(sizes),
            sizes=tuple(sizes.values()),
        )
        for text, sizes in seen.items()
    ]
