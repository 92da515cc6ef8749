"""A dispatch mode that follows every live storage: how many bytes a program holds, without asking a
device."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ablate.cost.operators.classes import tensors
from ablate.cost.operators.faithful import execute


class StorageTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all storages that operators made while the mode was entered and that are still alive.

    Storages that exist already are not seen, unless an operator returns a view of them: name those (weights,
    inputs) to `exclude`. Memory that a kernel takes and gives back inside one operator is invisible, and so
    is what an allocator adds by rounding.
    """

    def __init__(self, exclude: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.current = 0
        self.peak = 0
        self.peak_apart = 0  # the peak without the storage that was `set_apart`
        self._apart = -1
        self._excluded = {st._cdata: st for st in (tensor.untyped_storage() for tensor in exclude)}
        self._live: dict[int, tuple[int, weakref.ref[torch.UntypedStorage]]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = execute(func, args, kwargs or {})
        if isinstance(out, torch.Tensor):
            self._follow(out)
        elif out is not None:
            for tensor in tensors(out):
                self._follow(tensor)
        self._measure()
        return out

    def set_apart(self, tensor: torch.Tensor) -> int:
        """From now on keep a second peak, without this tensor's storage; returns the storage's name."""
        self._apart = tensor.untyped_storage()._cdata
        self.reset_peak()
        return self._apart

    def exclude(self, tensor: torch.Tensor) -> None:
        """Follow this tensor's storage no longer."""
        storage = tensor.untyped_storage()
        self._excluded[storage._cdata] = storage
        if storage._cdata in self._live:
            self._forget(storage._cdata)

    def reset_peak(self) -> None:
        """Forget the peaks so far: they start again from what is alive now."""
        self.peak = self.peak_apart = 0
        self._measure()

    def bytes_of(self, storage: int) -> int:
        """Bytes of a storage (named by its `_cdata`) if it is followed and alive, else 0."""
        return self._live[storage][0] if storage in self._live else 0

    def _measure(self) -> None:
        self.peak = max(self.peak, self.current)
        self.peak_apart = max(self.peak_apart, self.current - self.bytes_of(self._apart))

    def _follow(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._excluded:
            return
        known = self._live.get(key)
        if known is not None:
            if known[0] != size:  # resized in place
                self.current += size - known[0]
                self._live[key] = (size, known[1])
            return
        self._live[key] = (size, weakref.ref(storage, lambda _: self._forget(key)))
        self.current += size

    def _forget(self, key: int) -> None:
        if key in self._live:
            self.current -= self._live.pop(key)[0]
