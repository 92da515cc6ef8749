"""Commands that show a layout: show, convert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import AsJson, Channels, Resolution, app, read_layout, with_layout_options


@app.command()
@with_layout_options
def show(
    context: typer.Context,
    layout: Annotated[
        str, typer.Argument(metavar="FILE|LAYOUT", help="A study, or a layout: a pattern, timm:NAME, a name.")
    ],
    resolution: Resolution = 224,
    channels: Channels = 3,
    diagram: Annotated[
        bool, typer.Option("--diagram", help="Draw stages, blocks, sizes and how far each block reaches.")
    ] = False,
    svg: Annotated[Path | None, typer.Option(help="Write the drawing to this file, as SVG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the layouts of a study as they are resolved, or one layout as a study's entry or as a drawing.

    Reach is measured: the part of the map on which a block's central output depends.

    Example: `ablate show quickstart`, `ablate show "alternate(conv, key_only)" --diagram --svg hybrid.svg`
    """
    from ablate.cli.studies import show_study
    from ablate.errors import AblateError
    from ablate.layout.diagram import svg_diagram, text_diagram
    from ablate.layout.layout import Layout
    from ablate.model.diagram import columns

    if context.params["study"] is None and _is_study(layout):
        if diagram or svg is not None:
            raise AblateError(f"which layout of it? ablate show NAME --study {layout} --diagram")
        show_study(layout, as_json)
        return
    described = read_layout(context, layout)
    if diagram or svg is not None:
        if not isinstance(described, Layout):
            raise AblateError(
                f"{described.name!r} is a model of timm: it is taken whole; ablate convert {described.text} "
                "writes it in the language where its family can be"
            )
        drawn = columns(described, resolution, channels)
        if svg is not None:
            svg.write_text(svg_diagram(described.name, drawn), encoding="utf-8")
        typer.echo(text_diagram(drawn))
        return
    if as_json:
        typer.echo(json.dumps(described.to_dict(), indent=2))
        return
    typer.echo(_entry(described.name, described.to_yaml_dict()))


def _is_study(text: str) -> bool:
    """Whether a text names a study: a file, or one that comes with the suite."""
    from ablate.study.shipped import shipped_studies

    return text in shipped_studies() or text.endswith((".yaml", ".yml")) or Path(text).exists()


@app.command()
def convert(
    model: Annotated[str, typer.Argument(metavar="timm:NAME", help="A model of timm.")],
) -> None:
    """Write a timm model in the layout language; parameters and MACs are checked to be timm's.

    Example: `ablate convert timm:convnext_small`
    """
    from ablate.layout.layout import Layout
    from ablate.layout.timm_model import PREFIX
    from ablate.model.convert import convert as write

    text = model if model.startswith(PREFIX) else PREFIX + model
    name = Layout(text).name.removeprefix(PREFIX)  # an unknown name is told with the nearest one
    typer.echo(_entry(name, write(name).to_yaml_dict()))


def _entry(name: str, settings: dict[str, object]) -> str:
    """A study file with one layout."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # lists in one line, mappings in several
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    out = StringIO()
    yaml.dump({"layouts": {name: settings}}, out)
    return out.getvalue().rstrip()
