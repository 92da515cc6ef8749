"""timm's models written in the language, and what cannot be."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from ablate.cli.app import app
from ablate.errors import AblateError
from ablate.model.convert import convert
from ablate.study import parse_study


@pytest.mark.parametrize(
    ("name", "depths", "widths"),
    [
        ("resnet34", (3, 3, 5, 2), (64, 128, 256, 512)),
        ("pvt_v2_b3", (3, 4, 18, 3), (64, 128, 320, 512)),
        ("swin_small_patch4_window7_224", (2, 2, 18, 2), (96, 192, 384, 768)),
        ("convnext_base", (3, 3, 27, 3), (128, 256, 512, 1024)),
    ],
)
def test_relatives_have_timms_sizes(name: str, depths: tuple[int, ...], widths: tuple[int, ...]) -> None:
    """`convert` itself checks tensors, parameters and MACs against timm's."""
    layout = convert(name)
    assert (layout.depths, layout.widths) == (depths, widths)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("vit_tiny_patch16_224", "no family that can be written"),
        ("pvt_v2_b2_li", r"reduce.weight is \(64, 64, 1, 1\) there, \(64, 64, 8, 8\) here"),
        ("resnetv2_50", "did you mean 'resnet50'"),
    ],
)
def test_what_cannot_be_written_is_said(name: str, reason: str) -> None:
    with pytest.raises(AblateError, match=reason):
        convert(name)


def test_the_command_writes_a_study() -> None:
    from ablate.cli import show  # noqa: F401  (registers its commands)

    written = CliRunner().invoke(app, ["convert", "timm:resnet18"])
    assert written.exit_code == 0
    layout = parse_study(written.output).layouts["resnet18"]
    assert layout == convert("resnet18")
    shown = CliRunner().invoke(app, ["show", "conv & pool", "--widths", "8,16", "--diagram"])
    assert "stage 2  [16 x 28 x 28]" in shown.output
    entry = CliRunner().invoke(app, ["show", "conv", "--widths", "8,16"])
    assert YAML(typ="safe").load(entry.output)["layouts"]["conv"]["widths"] == [8, 16]
