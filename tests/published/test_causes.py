"""Causes are computed, not believed: one of each kind, and figures that nothing gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ablate.published.causes import Row, explain, prints_as
from ablate.published.record import Figure, figures
from ablate.published.recount import Store

STORE = Store()
BY_KEY = {figure.key: figure for figure in figures()}


def row(model: str, resolution: int, **changes: float) -> Row:
    return explain(replace(BY_KEY[model, resolution], **changes), STORE)


SAMPLE = [
    ("resnet18", 160, ""),
    ("vit_small_patch16_224", 224, ""),
    ("efficientnet_b0", 224, "norm and pool work"),
    ("regnety_016", 224, "norm and pool work"),
    ("convmixer_768_32", 224, "padding by name left out"),
    ("repvgg_a0", 224, "merged branches"),
    ("vit_dpwee_patch16_reg1_gap_256", 256, "unfused attention"),
    ("vit_base_patch16_reg8_gap_256", 256, "fused attention left out"),
    ("vit_medium_patch16_reg4_256", 256, "fused attention left out"),
]


@pytest.mark.parametrize(("model", "resolution", "cause"), SAMPLE, ids=[model for model, _, _ in SAMPLE])
def test_a_sample_of_the_record(model: str, resolution: int, cause: str) -> None:
    entry = row(model, resolution)
    assert entry.cause == cause
    assert entry.error_percent is not None
    assert (abs(entry.error_percent) > 1) == bool(cause)
    if cause:
        assert entry.again is not None
        assert prints_as(entry.again / 1e9, entry.figure.gmacs)
    assert entry.params_agree or cause == "merged branches"


def test_the_parts_of_a_cause_are_told_with_their_sizes() -> None:
    text = row("convmixer_768_32", 224).explanation
    assert "-1,233.13 M convolution with padding by name" in text
    assert "+102.24 M batch norm" in text


def test_the_figure_of_another_size_is_recognised() -> None:
    entry = row("resnet18", 160, gmacs=1.82)  # what is printed at 224
    assert entry.cause == "another size"
    assert "at 224 px, not 160" in entry.explanation


def test_the_figure_of_another_classifier_is_recognised() -> None:
    # 1.28 M parameters more for 21,843 outputs in place of 1,000: 512 features and a bias each
    entry = row("resnet18", 160, params_m=22.38, gmacs=0.94)
    assert entry.cause == "another classifier"
    assert "with 21841 outputs" in entry.explanation


def test_rounding_is_no_other_cause() -> None:
    entry = row("resnet18", 160, gmacs=0.93)
    assert entry.cause == ""
    small = explain(replace(BY_KEY["lcnet_050", 224]), STORE)
    assert small.macs is not None
    assert prints_as(small.macs / 1e9, small.figure.gmacs) == (small.cause in ("", "rounding"))


@pytest.mark.parametrize("gmacs", [1.5, 0.5])
def test_a_figure_that_nothing_gives_stays_unexplained(gmacs: float) -> None:
    assert row("resnet18", 160, gmacs=gmacs).cause == "unexplained"


def test_other_parameters_make_it_a_changed_model() -> None:
    entry = row("resnet18", 160, gmacs=1.5, params_m=13.0)
    assert entry.cause == "changed model"
    assert entry.params_agree is False


def test_a_model_that_timm_does_not_know_is_told() -> None:
    entry = explain(Figure("resnet19", 160, 11.69, 0.93, 1.27, "test"), STORE)
    assert entry.cause == "cannot be counted"
    assert "resnet19" in entry.explanation
    assert entry.error_percent is None


def test_parameters_of_a_merged_form_are_told_where_macs_agree() -> None:
    entry = row("levit_256", 224)
    assert entry.cause == ""
    assert entry.params_agree is False
    assert "branches merged, 18.86 M" in entry.explanation
