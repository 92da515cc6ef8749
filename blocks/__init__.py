"""Interchangeable parts of vision backbones: token mixers, whole blocks, stems, FFNs and norms."""

from blocks.registry import Argument, Entry, Kind, UnknownPartError, entries, get, load_file, names, register

__all__ = [
    "Argument",
    "Entry",
    "Kind",
    "UnknownPartError",
    "entries",
    "get",
    "load_file",
    "names",
    "register",
]
