"""A timm model counted anew, exactly and by fvcore's price list, and the store that keeps the counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

from ablate.published.networks import network
from ablate.published.prices import ATTENTION, PriceList

_MERGES = ("reparameterize", "fuse", "switch_to_deploy")  # what timm calls to merge a part's branches
PRODUCTS = ("convolution", "product")  # what the price list shares with the count


@dataclass(frozen=True)
class Form:
    """Which form of a model is counted, and at what size."""

    model: str
    resolution: int
    merged: bool = False  # branches merged for inference (RepVGG and its kind)
    as_it_is: bool = False  # built without being told the size
    unfused: bool = False  # attention as the model writes it out itself, where it has a form for that
    classes: int | None = None  # outputs of the classifier; the model's own without


@dataclass(frozen=True)
class Recount:
    """What one form costs by this project's count and by fvcore's price list, one image."""

    form: Form
    timm: str  # version
    way: str = ""  # how it was built, see `ablate.published.networks`
    params: int = 0
    macs: int = 0
    uncounted: tuple[str, ...] = ()
    priced: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    mergeable: bool = False  # whether it has branches that merge for inference
    failed: str = ""  # why there are no figures
    seconds: float = 0.0

    @property
    def written_out(self) -> int:
        """fvcore's figure where attention is written out as two products and a softmax."""
        return sum(self.priced.values()) + self.left_out.get(ATTENTION, 0)

    @property
    def fused(self) -> int:
        """fvcore's figure where attention is one fused operator, which it passes over."""
        return sum(self.priced.values())

    @property
    def extras(self) -> dict[str, int]:
        """What the price list adds to contractions: norms, adaptive pooling, interpolation."""
        return {name: price for name, price in self.priced.items() if name not in PRODUCTS}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Recount:
        """Back from `to_json`."""
        return cls(**{**data, "form": Form(**data["form"]), "uncounted": tuple(data["uncounted"])})


def timm_version() -> str:
    """The installed version of timm."""
    from importlib.metadata import version

    return version("timm")


def recount(form: Form) -> Recount:
    """Build a form without data and count it. What goes wrong is told in `failed`, never raised."""
    start = perf_counter()
    try:
        counted = _recount(form)
    except Exception as failure:  # a model raises what it likes
        reason = f"{type(failure).__name__}: {failure}".splitlines()[0]
        counted = Recount(form, timm_version(), failed=reason)
    return replace(counted, seconds=round(perf_counter() - start, 2))


def _recount(form: Form) -> Recount:
    import torch

    from ablate.cost.count import CountingMode, run_pass

    options = {} if form.classes is None else {"num_classes": form.classes}
    device = "cpu" if form.merged else "meta"  # merging computes with the weights
    from timm.layers.config import set_fused_attn, use_fused_attn

    fused = bool(use_fused_attn())
    set_fused_attn(fused and not form.unfused)
    try:
        built = network(form.model, form.resolution, sized=not form.as_it_is, device=device, **options)
    finally:
        set_fused_attn(fused)
    module = built.module
    if form.merged:
        from timm.utils.model import reparameterize_model

        module = reparameterize_model(module).to("meta")
    image = torch.empty((1, 3, form.resolution, form.resolution), device="meta")
    mode = CountingMode()
    with (
        PriceList() as book
    ):  # "math" leaves attention a call that the price list sees; MACs do not depend on it
        run_pass(mode, module.eval(), image, training=False, kernel="math")
    return Recount(
        form,
        timm_version(),
        way=built.way,
        params=sum(parameter.numel() for parameter in module.parameters()),
        macs=mode.total.macs,
        uncounted=tuple(sorted(mode.uncounted)),
        priced=dict(book.priced),
        left_out=dict(book.left_out),
        mergeable=any(hasattr(part, name) for part in module.modules() for name in _MERGES),
    )


class Store:
    """Recounts in a file of JSON lines, one a form; those of another version of timm are not used.

    Without a file they are kept in memory alone.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self._known: dict[Form, Recount] = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file and file.exists() else ():
            try:
                item = Recount.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a run that was killed
            if item.timm == timm_version():
                self._known[item.form] = item

    def __getitem__(self, form: Form) -> Recount:
        return self._known[form]

    def get(self, form: Form) -> Recount:
        """A form's recount, made now if need be."""
        if form not in self._known:
            self._keep(recount(form))
        return self._known[form]

    def fill(self, forms: Iterable[Form], workers: int = 1) -> Iterator[Recount]:
        """Count the forms that are not known, in processes of one thread; each comes when it is kept."""
        missing = [form for form in dict.fromkeys(forms) if form not in self._known]
        if workers <= 1 or len(missing) < 2:
            for form in missing:
                yield self.get(form)
            return
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(recount, form) for form in missing]):
                yield self._keep(done.result())

    def _keep(self, item: Recount) -> Recount:
        self._known[item.form] = item
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(item.to_json()) + "\n")
        return item
