"""The Typer application and the options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ablate.layout.call import BlockCall
    from ablate.layout.network import Network

app = typer.Typer(
    name="ablate",
    help="Architecture ablation and complexity analysis for vision backbones.",
    invoke_without_command=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"ablate-vision {version('ablate-vision')}")
        except PackageNotFoundError:
            typer.echo("ablate-vision, not installed")
        raise typer.Exit


@app.callback()
def everywhere(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bars, no warnings: results and errors alone.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option("--verbose", "-v", metavar="FILE", help="Append what worker processes print to FILE."),
    ] = None,
) -> None:
    """Architecture ablation and complexity analysis for vision backbones."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        return
    from ablate.cli.terminal import notices

    notices.quiet = quiet
    if log is not None:
        from ablate.run.executors.log import keep_log

        keep_log(log)


def _studies(begun: str) -> list[str]:
    """Shipped studies and files that a shell may complete a study's name to."""
    from ablate.study.shipped import shipped_studies

    names = [name for name in shipped_studies() if name.startswith(begun)]
    place = Path(begun)
    folder = place if begun.endswith("/") else place.parent
    files = [*folder.glob("*.yaml"), *folder.glob("*.yml"), *(f"{d}/" for d in folder.glob("*/"))]
    return [*names, *(str(file) for file in files if str(file).startswith(begun))]


LayoutText = Annotated[
    str,
    typer.Argument(
        metavar="LAYOUT",
        help="A rule or pattern such as 'alternate(conv, key_only)', timm:NAME, or with --study a name.",
    ),
]
StudyFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="A study's YAML file, or a shipped study's name.", autocompletion=_studies
    ),
]
# the bounds of a study file: ablate.measurements.fields, ablate.layout.settings
Resolution = Annotated[int, typer.Option(min=1, max=16384, help="Height and width of the input in pixels.")]
Channels = Annotated[int, typer.Option(min=1, max=4096, help="Channels of the input.")]
Classes = Annotated[int, typer.Option(min=1, max=65536, help="Outputs of the classifier.")]
Batch = Annotated[int, typer.Option(min=1, max=65536, help="Images at once, for the memory.")]
BlockFiles = Annotated[
    list[Path] | None, typer.Option("--blocks", help="A Python file with blocks of your own; it is run.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the results (default: results/STUDY).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


# Options that describe a layout, beside its text; every command with a layout takes them.
_LAYOUT_OPTIONS: dict[str, Any] = {
    "widths": Annotated[str | None, typer.Option(help="Channels of each stage: 64,128,320,512.")],
    "depths": Annotated[str | None, typer.Option(help="Blocks of each stage: 2,2,2,2.")],
    "heads": Annotated[str | None, typer.Option(help="Attention heads, one number or one per stage.")],
    "head_dim": Annotated[str | None, typer.Option(help="Channels per head aimed at, without --heads.")],
    "mlp_ratio": Annotated[str | None, typer.Option(help="FFN expansion, one number or one per stage.")],
    "stem": Annotated[str | None, typer.Option(help="Stem, such as 'overlap(stride=2)'.")],
    "downsample": Annotated[str | None, typer.Option(help="Part before stages 2, 3, ...: 'overlap'.")],
    "ffn": Annotated[str | None, typer.Option(help="FFN: mlp, conv, glu, swiglu, star or none.")],
    "norm": Annotated[str | None, typer.Option(help="Norm: layer, batch, group, rms or none.")],
    "norm_place": Annotated[str | None, typer.Option(help="Norms: pre, post, res_post or none.")],
    "layer_scale": Annotated[str | None, typer.Option(help="Start of each branch's learned scale.")],
    "res_scale": Annotated[str | None, typer.Option(help="Start of each residual's learned scale.")],
    "position": Annotated[str | None, typer.Option(help="Position: none, cpe, learned or sine.")],
    "recipe": Annotated[str | None, typer.Option(help="Recipe: metaformer or metanext.")],
    "head": Annotated[str | None, typer.Option(help="Head: norm_pool, pool_norm, pool or mlp.")],
    "blocks": BlockFiles,
    "study": Annotated[str | None, typer.Option(metavar="FILE", help="Take layouts by name from a study.")],
}


def with_layout_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe a layout; `read_layout` takes them from its context."""

    @wraps(command)
    def call(*args: Any, **kwargs: Any) -> None:
        command(*args, **{key: value for key, value in kwargs.items() if key not in _LAYOUT_OPTIONS})

    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _LAYOUT_OPTIONS.items()
    ]
    shown = signature.replace(parameters=[*signature.parameters.values(), *options])
    call.__signature__ = shown  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in shown.parameters.values()}
    return call


def read_layout(context: typer.Context, text: str) -> Network:
    """The layout that `text` and the command's options for layouts describe.

    Raises `AblateError` for whatever is wrong with it.
    """
    from ablate.errors import AblateError, did_you_mean
    from ablate.layout.layout import Layout

    options = {key: context.params[key] for key in _LAYOUT_OPTIONS if context.params[key] is not None}
    load_blocks(options.pop("blocks", None))
    study = options.pop("study", None)
    settings = _lists(options)
    if study is None:
        return Layout(text, **settings)
    from ablate.run.executors.base import Setup, make_executor
    from ablate.run.prepare import matched
    from ablate.study.load import load_study
    from ablate.study.shipped import find_study

    with make_executor("local", Setup(workers=1)) as executor:  # at the size at which they are measured
        layouts = matched(load_study(find_study(study)), executor).layouts
    if text not in layouts:
        raise AblateError(f"{study} has no layout {text!r}{did_you_mean(text, list(layouts))}")
    layout: Network = layouts[text].replace(**settings) if settings else layouts[text]
    return layout


def read_block(text: str) -> BlockCall:
    """One block with its arguments. Raises `LayoutError` for a wrong form, name or type."""
    from ablate.errors import LayoutError, Mistake
    from ablate.layout.arguments import check_word
    from ablate.layout.pattern import PatternError, parse_call

    try:
        word = parse_call(text)
    except PatternError as error:
        raise LayoutError(Mistake(error.message, (), error.offset).in_text(text)) from None
    mistakes = check_word(word, "mixer", "block")
    if mistakes:
        raise LayoutError(mistake.in_text(text) for mistake in mistakes)
    return word.call


def load_blocks(files: list[Path] | None) -> None:
    """Import the user's own blocks. Raises `AblateError` when a file is missing or cannot be imported."""
    import blocks
    from ablate.errors import AblateError

    for file in files or []:
        if not file.is_file():
            raise AblateError(f"there is no file {str(file)!r}")
        try:
            blocks.load_file(file)
        except Exception as error:  # the user's code may raise anything
            raise AblateError(f"cannot import {file}: {type(error).__name__}: {error}") from error


def _lists(options: dict[str, Any]) -> dict[str, Any]:
    """`widths="64,128"` as numbers; other options as they are."""
    kinds: dict[str, type] = {"widths": int, "depths": int, "heads": int, "head_dim": int, "mlp_ratio": float}
    out = {}
    for key, text in options.items():
        if key in kinds:
            out[key] = _numbers(key, text, kinds[key])
        elif key in ("layer_scale", "res_scale"):
            scales = [_scale(key, item.strip()) for item in text.split(",")]
            out[key] = scales if len(scales) > 1 else scales[0]
        else:
            out[key] = text
    return out


def _scale(option: str, text: str) -> Any:
    return text if text == "none" else _numbers(option, text, float)


def _numbers(option: str, text: str, kind: type) -> Any:
    try:
        numbers = [kind(item) for item in text.split(",")]
    except ValueError:
        noun = "whole numbers" if kind is int else "numbers"
        raise typer.BadParameter(
            f"expected {noun} separated by commas, got {text!r}", param_hint=f"--{option.replace('_', '-')}"
        ) from None
    return numbers if len(numbers) > 1 else numbers[0]
