"""Interchangeable parts of vision backbones: mixers, whole blocks, stems, FFNs, norms, positions, heads."""

from blocks.registry import (
    Argument,
    Call,
    Entry,
    Kind,
    Mixer,
    Mixers,
    Norm,
    UnknownPartError,
    entries,
    get,
    load_file,
    make,
    names,
    part_kind,
    register,
)

__all__ = [
    "Argument",
    "Call",
    "Entry",
    "Kind",
    "Mixer",
    "Mixers",
    "Norm",
    "UnknownPartError",
    "entries",
    "get",
    "load_file",
    "make",
    "names",
    "part_kind",
    "register",
]
