"""Every published figure of the table, to the printed digits or with a reason that gives them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ablate.cost.audit.published import PublishedFigure, compare_published, find_published, published


def figure(model: str) -> PublishedFigure:
    return next(row for row in published() if row.model == model)


def test_the_table_is_complete_and_names_its_source() -> None:
    assert len(published()) == 25
    assert all(row.source and row.params_m > 0 and row.gmacs > 0 for row in published())
    assert len({row.model for row in published()}) == 25
    assert find_published("resnet50", 160) == figure("resnet50")
    assert find_published("resnet50", 224) is None


OUTSIDE = {"mobilevitv2_100", "efficientvit_b1", "efficientnet_b0", "mobilenetv3_large_100", "regnety_016"}


@pytest.mark.parametrize("printed", published(), ids=lambda printed: printed.model)
def test_published_figure(printed: PublishedFigure) -> None:
    (row,) = compare_published([printed])
    assert row.params_agree
    assert row.explained
    assert (abs(row.error_percent) > 1) == (printed.model in OUTSIDE)
    if printed.model not in OUTSIDE:
        assert row.reason == ""
        return
    # the reason is an experiment with fvcore, and it must give the printed digits
    assert row.reason == "norm and pool work"
    assert row.reproduced_macs is not None
    assert row.reproduced_macs > row.macs
    assert row.reproduced_macs / 1e9 == pytest.approx(printed.gmacs, abs=0.005)


@pytest.mark.parametrize(
    ("published_as", "reason"),
    [
        (replace(figure("resnet18"), gmacs=1.81), "resolution"),  # the figure at 224 px
        (replace(figure("resnet18"), gmacs=1.5), "unexplained"),  # no reading gives it
        (PublishedFigure("repvgg_a0", 224, 8.31, 1.36, "test"), "reparameterised"),
    ],
    ids=["other-resolution", "wrong-figure", "merged-branches"],
)
def test_reasons_are_tried_not_assumed(published_as: PublishedFigure, reason: str) -> None:
    (row,) = compare_published([published_as])
    assert row.reason == reason
    assert row.explained == (reason != "unexplained")


def test_a_wrong_parameter_count_is_seen() -> None:
    (row,) = compare_published([replace(figure("resnet18"), params_m=11.71)])
    assert not row.params_agree
