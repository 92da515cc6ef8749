"""The drawing of a layout: sizes, and a reach that is measured."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from ablate import Layout
from ablate.layout import BlockCall
from ablate.layout.diagram import svg_diagram, text_diagram
from ablate.model.diagram import columns, reach


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("identity", (), "1 x 1"),
        ("conv", (("kernel", 5),), "5 x 5"),
        ("depthwise", (("kernel", (1, 11)),), "1 x 11"),
        ("pool", (), "3 x 3"),
        ("convnext", (), "7 x 7"),
        ("softmax", (), "global"),
        ("linear", (), "global"),
        ("key_only", (), "global"),
        ("squeeze_excite", (), "global"),
    ],
)
def test_reach_is_measured(name: str, args: tuple[tuple[str, object], ...], expected: str) -> None:
    assert reach(BlockCall(name, args)) == expected  # type: ignore[arg-type]


def test_a_window_reaches_no_further_than_itself() -> None:
    assert reach(BlockCall("window", (("size", 5),))) == "5 x 5"


def test_equal_blocks_are_one_box() -> None:
    layout = Layout("conv conv softmax", widths=[16, 32], depths=[3, 6], stem="overlap(stride=2)")
    first, second, head = columns(layout, (64, 32))
    assert (first.name, first.size) == ("stage 1", "16 x 32 x 16")
    assert [(box.text, box.count, box.kind) for box in first.boxes] == [
        ("overlap(stride=2)", 1, "piece"),
        ("conv", 2, "local"),
        ("softmax", 1, "global"),
    ]
    assert (second.size, len(second.boxes)) == ("32 x 16 x 8", 5)
    assert head.name == "head"


def test_text_and_svg_say_the_same() -> None:
    layout = Layout("conv & pool{ffn=none} | softmax", widths=[16, 32], depths=[1, 1], name="<odd & name>")
    drawn = columns(layout)
    text = text_diagram(drawn)
    assert "stage 2  [32 x 28 x 28]" in text
    assert "global" in text
    drawing = ElementTree.fromstring(svg_diagram(layout.name, drawn))  # well formed, and the name is quoted
    titles = [node.text for node in drawing.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "<odd & name>"
    assert "parallel(of=[conv, pool]){ffn=none}, reach 3 x 3" in titles
    assert "softmax, reach global" in titles
