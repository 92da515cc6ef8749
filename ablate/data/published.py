"""Published sets that torchvision reads: found below `data_dir`, else in the cache, else downloaded once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablate.data.register import Request
from ablate.errors import AblateError


def opened(kind: Any, name: str, files: str, request: Request, **split: Any) -> Any:
    """torchvision's data set of this `kind` and `split`; `files` says in an error what is to be put where.

    torchvision opens files only when their MD5 is that of the published ones. Raises `AblateError` when there
    is no way to them.
    """
    for root in roots(request):
        try:
            return kind(str(root), download=False, **split)
        except RuntimeError:  # not there, or not the published bytes
            continue
    try:
        return kind(str(request.cache), download=True, **split)
    except Exception as error:  # whatever a network does
        raise AblateError(
            f"{name} is not on this machine and cannot be downloaded ({type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}). Put {files} into a folder and name that with --data-dir, "
            f"or run once with a network (torchvision downloads into {request.cache})"
        ) from error


def roots(request: Request) -> tuple[Path, ...]:
    """Where files may be: the user's folder, and the cache."""
    return (request.cache,) if request.data_dir is None else (request.data_dir, request.cache)


def notes_unless(request: Request, name: str, file: str) -> tuple[str, ...]:
    """A note that the set will be downloaded, unless `file` is there."""
    if any((root / file).exists() for root in roots(request)):
        return ()
    return (f"{name} is not on this machine; it will be downloaded into {request.cache}",)
