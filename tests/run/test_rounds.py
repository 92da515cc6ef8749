"""Seeds are added until every comparison is decided, and what seeds can decide is said before a run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ablate.errors import LayoutError
from ablate.measurements.auto_seeds import AutoSeeds
from ablate.measurements.register import quantity
from ablate.run.decide import DEFAULT_SD, Spread, decision_lines, known_spread
from ablate.run.execute import run_study
from ablate.run.executors.base import Executor, Setup, Watch
from ablate.run.facts import LooksFact, MatchFact
from ablate.run.ledger import Ledger
from ablate.run.plan import plan
from ablate.run.records import Job, Outcome, Provenance, failed
from ablate.statistics.planning import decidable, seeds_for_difference
from ablate.study.load import parse_study
from ablate.study.study import Study

STUDY = """\
input: {resolution: 8, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [16], depths: [2], head_dim: 8, mlp_ratio: 2}
layouts: {a: conv, b: softmax, c: pool}
measure:
  accuracy:
    dataset: digits
    epochs: 1
    seeds: SEEDS
report: {baseline: a}
"""


class Pretended(Executor):
    """Trains nothing: a top-1 by layout and seed."""

    def __init__(self, top1: Callable[[str, int], float]):
        self.setup, self.top1, self.ran = Setup(), top1, 0

    def run(self, jobs, watch: Watch = lambda job, fraction: None):  # type: ignore[no-untyped-def]
        for job in jobs:
            assert isinstance(job, Job)
            if not job.cells:  # what the study knows of its mixers
                yield job, failed("error", "not asked")
                continue
            self.ran += 1
            (name,) = job.cells
            value = self.top1(name, job.condition["seed"])
            yield job, failed("diverged", "nan") if value != value else Outcome(values={"top1": value})


def study_of(seeds: str, **more: str) -> Study:
    text = STUDY.replace("SEEDS", seeds)
    for key, value in more.items():
        text = text.replace("baseline: a", f"baseline: a, {key}: {value}")
    return parse_study(text)


def noise(name: str, seed: int) -> float:
    return random.Random(f"{name}{seed}").gauss(0, 0.1)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "mine" / "ledger.sqlite")


def reached(ledger: Ledger) -> LooksFact:
    fact = ledger.read(LooksFact)
    assert fact is not None
    return fact


def test_clear_differences_and_equal_layouts_stop_early(ledger: Ledger) -> None:
    level = {"a": 90.0, "b": 95.0, "c": 90.0}
    executor = Pretended(lambda name, seed: level[name] + noise(name, seed))
    summary = run_study(study_of("auto(difference=1, most=20)"), ledger, executor)
    fact = reached(ledger)
    assert fact.seeds == (3, 5, 8, 12, 20)
    assert (fact.undecided, fact.reached < 20) == ((), True)
    assert executor.ran == summary.executed == 3 * fact.reached
    assert len(ledger.records()) == 3 * fact.reached


def test_an_open_matter_takes_the_most_seeds_and_a_second_run_nothing(ledger: Ledger) -> None:
    level = {"a": 90.0, "b": 90.1, "c": 90.0}
    executor = Pretended(lambda name, seed: level[name] + 30 * noise(name, seed))
    study = study_of("auto(difference=0.1, most=6)")
    first = run_study(study, ledger, executor)
    assert (reached(ledger).reached, first.executed, first.reused) == (6, 18, 0)
    assert "b" in reached(ledger).undecided
    second = run_study(study, ledger, executor)
    assert (executor.ran, second.executed, second.reused) == (18, 0, 18)


def test_a_layout_that_fails_does_not_ask_for_more(ledger: Ledger) -> None:
    level = {"a": 90.0, "b": 99.0, "c": float("nan")}
    executor = Pretended(lambda name, seed: level[name] + noise(name, seed))
    summary = run_study(study_of("auto(difference=1, most=20)"), ledger, executor)
    assert reached(ledger).undecided == ()
    assert summary.failed == reached(ledger).reached


def test_a_fixed_number_writes_no_looks(ledger: Ledger) -> None:
    run_study(study_of("2"), ledger, Pretended(lambda name, seed: 90.0))
    assert ledger.read(LooksFact) is None
    assert ledger.read(MatchFact) == MatchFact()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("auto(difference=1, most=2)", "expected at least 3, got 2"),
        ("auto(most=5)", "auto needs a difference"),
        ("auto(difference=1, mots=5)", "auto has no argument 'mots'; did you mean 'most'?"),
        ("auto(difference=1, least=9, most=5)", "least is 9, and most is 5"),
        ("many", "expected a number of seeds, or auto"),
        ("0", "expected at least 1, got 0"),
    ],
)
def test_mistakes_in_seeds(text: str, message: str) -> None:
    with pytest.raises(LayoutError) as caught:
        study_of(text)
    assert "study.yaml:8:12: " in str(caught.value)
    assert message in str(caught.value)


def test_a_comma_between_braces_is_explained() -> None:
    with pytest.raises(LayoutError, match="stands in quotes"):
        parse_study(
            "layouts: {a: conv}\nmeasure: {accuracy: {dataset: digits, seeds: auto(difference=1, most=5)}}\n"
        )


def fill(study: Study, path: Path, spread: float) -> None:
    with Ledger(path / "ledger.sqlite") as other:
        for cell in plan(study):
            seed = int(cell.condition.seed)  # type: ignore[attr-defined]
            top1 = 90 + seed + spread * random.Random(f"{cell.layout}{seed}").gauss(0, 1)
            other.add(cell, Outcome(values={"top1": top1}), Provenance())
        other.set_plan(plan(study))


def spread_of(study: Study, folder: Path) -> Spread:
    spread = known_spread(quantity("accuracy"), study.measure.accuracy, folder)
    assert spread is not None
    return spread


def test_without_runs_the_spread_is_a_named_default(tmp_path: Path) -> None:
    spread = spread_of(study_of("5"), tmp_path / "mine")
    assert spread.sd == pytest.approx(DEFAULT_SD * 2**0.5)
    assert spread.source.startswith("default: 0.2 points")


def test_the_spread_comes_from_ledgers_beside_and_pairs_by_seed(tmp_path: Path) -> None:
    fill(study_of("40"), tmp_path / "other", 0.3)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ledger.sqlite").write_text("no ledger")
    spread = spread_of(study_of("5"), tmp_path / "mine")
    assert spread.sd == pytest.approx(0.3 * 2**0.5, rel=0.25)  # the seeds' own trend is not in it
    assert "120 runs on digits with the same budget, in other" in spread.source
    longer = STUDY.replace("epochs: 1", "epochs: 2").replace("SEEDS", "5")
    assert "any budget" in spread_of(parse_study(longer), tmp_path / "mine").source


def test_the_study_s_own_runs_come_first(tmp_path: Path) -> None:
    fill(study_of("40"), tmp_path / "other", 3)
    fill(study_of("40"), tmp_path / "mine", 0.3)
    spread = spread_of(study_of("5"), tmp_path / "mine")
    assert spread.sd == pytest.approx(0.3 * 2**0.5, rel=0.25)
    assert spread.source == "120 runs on digits with the same budget, in mine"


NOTHING_ELSE = {
    "train_loss": 1.0, "images_seen": 1, "steps": 1, "seconds": 1.0, "images_per_s": 1.0, "curve": [],
    "schedule": {}, "test": "", "data": {}, "weights": "none",
}  # fmt: skip


def test_scores_of_dense_tasks_are_planned_from_runs_of_their_own(tmp_path: Path) -> None:
    more = "measure:\n  segmentation: {dataset: 'cutouts:shapes', seeds: 5}\n"
    study = parse_study(STUDY.replace("SEEDS", "5").replace("measure:\n", more))
    assert not any("mIoU" in line for line in decision_lines(study, tmp_path / "mine"))  # no runs, no default
    with Ledger(tmp_path / "mine" / "ledger.sqlite") as ledger:
        for cell in plan(study):
            if cell.kind == "segmentation":
                miou = 50 + random.Random(f"{cell.layout}{cell.condition}").gauss(0, 2)
                scores = {"miou": miou, "class_accuracy": miou, "pixel_accuracy": miou, "iou": {}}
                ledger.add(cell, Outcome(values=NOTHING_ELSE | {"scores": scores}), Provenance())
        ledger.set_plan(plan(study))
    lines = decision_lines(study, tmp_path / "mine")
    assert any(line.startswith("mIoU: spread of paired differences: ") for line in lines)
    assert "15 runs on cutouts:shapes with the same budget, in mine" in " ".join(lines)
    assert any(line.startswith("Top-1: 5 seeds (2 comparisons, Holm) resolve") for line in lines)


def test_the_lines_say_what_the_planning_computes(tmp_path: Path) -> None:
    lines = " ".join(decision_lines(study_of("5", equivalent_within="0.1"), tmp_path / "mine"))
    able = decidable(DEFAULT_SD * 2**0.5, 5, comparisons=2)
    assert f"5 seeds (2 comparisons, Holm) resolve a difference of {able.difference:.2g} points" in lines
    assert f"within {able.margin:.2g} points" in lines
    assert f"{seeds_for_difference(DEFAULT_SD * 2**0.5, 0.5, comparisons=2)} for 0.5 points" in lines
    assert "equivalence within 0.1 points needs" in lines
    assert "decides nothing" in " ".join(decision_lines(study_of("1"), tmp_path))
    auto = " ".join(decision_lines(study_of("auto(difference=0.4, most=12)"), tmp_path))
    assert "equivalent within 0.4 points; looks at 3, 5, 8, 12 seeds" in auto


def test_looks_are_those_of_the_plan() -> None:
    auto = AutoSeeds(difference=0.5, most=20)
    assert (auto.count, auto.at(2).count) == (3, 8)
