"""What an audit cell says of a model's published figures: the whole record's rows, with their causes."""

import pytest

from ablate.published.record import figures
from ablate.runners.audit import published


def test_every_published_size_of_a_model_is_compared() -> None:
    rows = published("resnet18")
    assert [(row.model, row.resolution) for row in rows] == [
        f.key for f in figures() if f.model == "resnet18"
    ]
    assert len(rows) > 1
    for row in rows:
        assert row.params_agree
        assert row.params == 11_689_512
        assert row.error_percent == pytest.approx(100 * (row.macs / 1e9 / row.published_gmacs - 1))
        assert abs(row.error_percent) <= 1 or row.reproduced_macs is not None


def test_a_difference_has_its_cause_and_is_made_again() -> None:
    (row,) = [row for row in published("efficientnet_b0") if row.resolution == 224]
    assert row.macs == 385_814_752
    assert row.reason == "norm and pool work"
    assert row.reproduced_macs is not None
    assert row.reproduced_macs / 1e9 == pytest.approx(row.published_gmacs, abs=0.005)


def test_a_model_without_a_record_has_no_rows() -> None:
    assert published("no_such_model") == []
