"""The studies that come with the suite: found by name, from a checkout or from an installed package."""

from __future__ import annotations

from pathlib import Path

from ablate.errors import AblateError, did_you_mean

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_studies() -> dict[str, Path]:
    """Name -> file of every study that comes with the suite."""
    installed, checkout = _PACKAGE / "studies", _PACKAGE.parent / "studies"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def study_name(path: Path) -> str:
    """What a user calls this file: the name of a shipped study, else the path."""
    names = [name for name, shipped in shipped_studies().items() if shipped == path.resolve()]
    return names[0] if names else str(path)


def find_study(name: str) -> Path:
    """The file that `name` means: a path, or the name of a shipped study.

    Raises `AblateError` when there is neither.
    """
    path = Path(name)
    if path.is_file():
        return path
    shipped = shipped_studies()
    if name in shipped:
        return shipped[name]
    if path.is_dir():
        raise AblateError(f"{name} is a folder; give the YAML file of a study")
    raise AblateError(
        f"no file {name!r}, and no study of this name comes with ablate{did_you_mean(name, list(shipped))}"
    )
