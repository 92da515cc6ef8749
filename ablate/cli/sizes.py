"""The input that a layout is counted for: an option, else the study's, else 224 px and ImageNet's classes."""

from __future__ import annotations

from typing import Annotated, TypedDict

import typer


class Sizes(TypedDict):
    """Side in pixels, channels and classes."""

    resolution: int
    channels: int
    classes: int


def _help(text: str, name: str, default: int) -> str:
    return f"{text} (default: the {name} of --study, else {default})."


InputResolution = Annotated[
    int | None,
    typer.Option(min=1, max=16384, help=_help("Height and width of the input in pixels", "resolution", 224)),
]
InputChannels = Annotated[
    int | None, typer.Option(min=1, max=4096, help=_help("Channels of the input", "channels", 3))
]
InputClasses = Annotated[
    int | None, typer.Option(min=1, max=65536, help=_help("Outputs of the classifier", "classes", 1000))
]


def read_sizes(context: typer.Context) -> Sizes:
    """The input of a command with layouts: what its options say, else what the study of `--study` says.

    Raises `AblateError` when there is no such study, or when it has mistakes.
    """
    from ablate.measurements.fields import Input

    study = context.params.get("study")
    given = Input()
    if study is not None:
        from ablate.study.load import load_study
        from ablate.study.shipped import find_study

        given = load_study(find_study(study)).input

    def size(name: str) -> int:
        option = context.params.get(name)
        return int(getattr(given, name) if option is None else option)

    return {"resolution": size("resolution"), "channels": size("channels"), "classes": size("classes")}
