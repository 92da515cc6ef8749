"""What code in one cell can change for the next: looked at after every cell, and put back."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, fields

import torch
from torch.nn.modules import module as hooks

_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
    "_global_parameter_registration_hooks",
    "_global_module_registration_hooks",
    "_global_buffer_registration_hooks",
)


@dataclass(frozen=True)
class GlobalState:
    """The state of a process that measurements depend on."""

    default_dtype: torch.dtype
    default_device: torch.device
    grad_enabled: bool
    deterministic: bool
    matmul_precision: str
    mkldnn: bool
    attention_fastpath: bool
    module_hooks: int
    threads_running: int
    working_directory: str


def global_state() -> GlobalState:
    """The state as it stands."""
    return GlobalState(
        default_dtype=torch.get_default_dtype(),
        default_device=torch.get_default_device(),
        grad_enabled=torch.is_grad_enabled(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        matmul_precision=torch.get_float32_matmul_precision(),
        mkldnn=bool(torch.backends.mkldnn.enabled),
        attention_fastpath=torch.backends.mha.get_fastpath_enabled(),
        module_hooks=sum(len(getattr(hooks, name, ())) for name in _HOOKS),
        threads_running=threading.active_count(),
        working_directory=_directory(),
    )


def changes(before: GlobalState, after: GlobalState) -> tuple[str, ...]:
    """What differs, in words; fewer threads are no change."""
    differing = []
    for field in fields(GlobalState):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "threads_running" and new <= old:
            continue
        if old != new:
            differing.append(f"{field.name.replace('_', ' ')} from {old} to {new}")
    return tuple(differing)


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
