"""Options of executors, as the command line gives them: `KEY=VALUE`, or the name of a YAML file of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def executor_options(given: Sequence[str] | None) -> dict[str, str]:
    """All options as text; later ones win, and what is given by itself wins over a file.

    Set-up lines in a file may be a list. Raises `AblateError` for a word that is neither.
    """
    from ablate.errors import AblateError

    files: dict[str, str] = {}
    single: dict[str, str] = {}
    for word in given or ():
        key, equals, value = word.partition("=")
        if equals:
            single[key.strip().replace("-", "_")] = value
        elif Path(word).is_file():
            files |= _file(Path(word))
        else:
            raise AblateError(f"expected KEY=VALUE or the name of a file, got {word!r}")
    return files | single


def _file(path: Path) -> dict[str, str]:
    from ablate.errors import AblateError
    from ablate.study.source import read_source

    source = read_source(path)
    if source.mistakes or not isinstance(source.data, dict):
        raise AblateError(str(source.mistakes[0]) if source.mistakes else f"{path} is no mapping of options")
    options: dict[str, str] = {}
    for key, value in source.data.items():
        if isinstance(value, dict):
            raise AblateError(f"{path}: the option {key!r} is a mapping")
        lines = value if isinstance(value, list) else [value]
        options[key.replace("-", "_")] = "\n".join(map(str, lines))
    return options
