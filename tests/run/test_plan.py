"""Planning: every cell once, in order, and keys that change with what can change a value and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.errors import AblateError
from ablate.measurements.complexity import ComplexityCondition
from ablate.measurements.memory import MemoryCondition
from ablate.measurements.register import measurement
from ablate.run import closure
from ablate.run import keys as cell_keys
from ablate.run.keys import cell_ingredients, condition_key
from ablate.run.plan import plan
from ablate.study.load import load_study, parse_study
from ablate.study.study import Study

TEXT = """\
study: keys
input: {resolution: 32, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [16, 32], depths: [2, 2], head_dim: 16}
layouts:
  a: alternate(conv, softmax)
  b: linear
  c: timm:resnet18
measure:
  complexity: {resolutions: [32, 64], audit: true}
  memory: {resolutions: [32], measured_up_to: 32}
  throughput: {resolutions: [32], batch: 2}
  accuracy: {dataset: digits, epochs: 1, seeds: 2}
report: {baseline: a}
"""
MIXER = '''\
"""A mixer of the user's."""

from torch import nn

import blocks


@blocks.register("mixer", "keyed")
class Keyed(nn.Module):
    """What it does."""

    def __init__(self, dim: int):
        super().__init__()
        self.project = nn.Conv2d(dim, dim, 1)  # a projection

    def forward(self, x):
        """Project."""
        return self.project(x)
'''


ALL = "complexity audit memory throughput accuracy"


def keys(study: Study) -> dict[str, str]:
    return {str(cell): cell.key for cell in plan(study)}


def changed(before: Study, after: Study) -> set[str]:
    """The cells that both plans have, and that have another key in the second."""
    old, new = keys(before), keys(after)
    return {name for name in old.keys() & new.keys() if old[name] != new[name]}


def kinds(cells: set[str]) -> set[str]:
    return {cell.partition(" of ")[0] for cell in cells}


def test_every_cell_is_planned_once() -> None:
    cells = plan(parse_study(TEXT))
    assert [cell.kind for cell in cells[:6]] == ["complexity"] * 6
    counts = {kind: sum(cell.kind == kind for cell in cells) for kind in dict.fromkeys(c.kind for c in cells)}
    # layouts times: 2 resolutions; 2 modes x (forward, step); 2 modes x 2 kernels; 1 condition; 2 seeds
    assert counts == {"complexity": 6, "audit": 12, "memory": 12, "throughput": 3, "accuracy": 6}
    assert list(counts) == ["complexity", "audit", "memory", "throughput", "accuracy"]
    assert len({cell.key for cell in cells}) == len({cell.place for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    "measure",
    [
        "accuracy: {dataset: digits, epochs: 1, seeds: 3}",
        "diagnostics: {tasks: [count], images: 64, seeds: 3}",
        "receptive_field: {dataset: digits, epochs: 1, seeds: 3}",
        "segmentation: {dataset: cutouts, schedule: short, steps: 2, seeds: 3}",
        "detection: {dataset: cutouts, schedule: short, steps: 2, seeds: 3}",
        "imagenet: {recipe: rsb-a3, seeds: 3}",
    ],
)
def test_every_seed_is_a_cell_of_its_own(measure: str) -> None:
    text = TEXT[: TEXT.index("measure:")].replace("  c: timm:resnet18\n", "")
    cells = plan(parse_study(f"{text}measure: {{{measure}}}\nreport: {{baseline: a}}\n"))
    seeds = [cell.condition.model_dump(mode="json")["seed"] for cell in cells if cell.layout == "a"]
    assert seeds == [0, 1, 2]
    assert len({cell.key for cell in cells}) == len(cells) == 6


def test_conditions_that_are_written_alike_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = replace(
        measurement("memory"),
        conditions=lambda settings, scope: (
            2 * (MemoryCondition(resolution=32, mode="training", kernel="fused"),)
        ),
    )
    monkeypatch.setattr("ablate.run.plan.measurement", lambda name: twice)
    with pytest.raises(AblateError, match="memory: two of its conditions are alike"):
        plan(parse_study(TEXT[: TEXT.index("  complexity")] + "  memory: {resolutions: [32]}\n"))


def test_planning_again_gives_the_same_keys() -> None:
    assert keys(parse_study(TEXT)) == keys(parse_study(TEXT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("study: keys", "study: another", id="the study's name"),
        pytest.param("layouts:\n", "layouts: # with a comment\n", id="comment"),
        pytest.param("a: alternate(conv, softmax)", "a: alternate( conv ,softmax )", id="spaces"),
        pytest.param("a: alternate(conv, softmax)", "a: conv softmax", id="pattern for all stages"),
        pytest.param("a: alternate(conv, softmax)", "a: conv softmax | conv softmax", id="pattern each"),
        pytest.param(
            "a: alternate(conv, softmax)", "a: {stages: conv softmax | conv softmax}", id="spelled out"
        ),
        pytest.param(
            "a: alternate(conv, softmax)", "a: alternate(conv(kernel=3, expand=2), softmax)", id="defaults"
        ),
        pytest.param("{stem: overlap(stride=2),", "{stem: 'overlap(stride=2, kernel=none)',", id="no kernel"),
        pytest.param("b: linear", "b: {layout: linear, mlp_ratio: 4, norm: layer, ffn: mlp}", id="settings"),
    ],
)
def test_another_spelling_keeps_the_keys(old: str, new: str) -> None:
    assert old in TEXT
    assert changed(parse_study(TEXT), parse_study(TEXT.replace(old, new))) == set()


def test_another_name_keeps_the_keys() -> None:
    before, after = plan(parse_study(TEXT)), plan(parse_study(TEXT.replace("  b:", "  other:")))
    assert [cell.key for cell in before] == [cell.key for cell in after]


@pytest.mark.parametrize(
    ("old", "new", "cells"),
    [
        pytest.param("b: linear", "b: linear(qkv_bias=false)", ALL, id="block"),
        pytest.param("b: linear", "b: {layout: linear, mlp_ratio: 2}", ALL, id="ffn"),
    ],
)
def test_another_layout_changes_its_cells_alone(old: str, new: str, cells: str) -> None:
    touched = changed(parse_study(TEXT), parse_study(TEXT.replace(old, new)))
    assert kinds(touched) == set(cells.split())
    assert all(" of b (" in cell for cell in touched)


@pytest.mark.parametrize(
    ("old", "new", "touched"),
    [
        pytest.param("classes: 10", "classes: 20", "complexity audit memory throughput", id="classes"),
        pytest.param("channels: 1", "channels: 3", "complexity audit memory throughput", id="channels"),
        # another condition is another cell: none of these is found again
        pytest.param("resolutions: [32, 64]", "resolutions: [48, 96]", "complexity", id="resolution"),
        pytest.param("batch: 2", "batch: 4", "throughput", id="batch"),
        pytest.param("batch: 2", "batch: 2, seconds: 3", "throughput", id="protocol"),
        pytest.param("epochs: 1", "epochs: 2", "accuracy", id="budget"),
        pytest.param("epochs: 1", "epochs: 1, recipe: adamw", "accuracy", id="recipe"),
        pytest.param("measured_up_to: 32", "measured_up_to: 0", "memory", id="not measured"),
    ],
)
def test_what_can_change_a_value_changes_the_keys(old: str, new: str, touched: str) -> None:
    assert old in TEXT
    before, after = plan(parse_study(TEXT)), plan(parse_study(TEXT.replace(old, new)))
    kept = {cell.key for cell in before} & {cell.key for cell in after}
    assert {cell.kind for cell in before if cell.key not in kept} == set(touched.split())
    assert not any(cell.kind in touched.split() for cell in before if cell.key in kept)


def test_the_baseline_changes_times_alone() -> None:
    cells = changed(parse_study(TEXT), parse_study(TEXT.replace("baseline: a", "baseline: b")))
    assert kinds(cells) == {"throughput"}
    assert len(cells) == 3, "of all layouts: they are timed against it"


def test_more_layouts_or_seeds_leave_the_others_alone() -> None:
    more = TEXT.replace("  b:", "  d: pool\n  b:").replace("seeds: 2", "seeds: 3")
    assert changed(parse_study(TEXT), parse_study(more)) == set()


@pytest.mark.parametrize("package", ["torch", "timm", "fvcore"])
def test_versions_are_in_the_keys(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    from importlib import metadata

    study, installed = parse_study(TEXT), metadata.version
    before = keys(study)
    monkeypatch.setattr(metadata, "version", lambda name: "0.0" if name == package else installed(name))
    cell_keys.forget()
    after = keys(study)
    cells = {cell for cell in before if before[cell] != after[cell]}
    if package == "torch":
        assert cells == set(before)
    elif package == "timm":
        assert cells == {cell for cell in before if " of c (" in cell}
    else:
        assert kinds(cells) == {"audit"}
        assert len(cells) == 12


def test_the_device_is_in_the_keys_of_measured_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    study = parse_study(TEXT)
    before = keys(study)
    monkeypatch.setattr("ablate.run.keys.device_name", lambda device: "another processor")
    after = keys(study)
    cells = {cell for cell in before if before[cell] != after[cell]}
    assert kinds(cells) == {"memory", "throughput", "accuracy"}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        pytest.param("# a projection", "# one matrix", False, id="comment"),
        pytest.param("What it does.", "What it does, in other words.", False, id="class's docstring"),
        pytest.param('        """Project."""\n', "", False, id="method's docstring"),
        pytest.param("A mixer of the user's.", "A module.", False, id="module's docstring"),
        pytest.param("(dim, dim, 1)", "( dim, dim,\n            1 )", False, id="spaces"),
        pytest.param("(dim, dim, 1)", "(dim, dim, 1, bias=False)", True, id="argument"),
        pytest.param("self.project(x)\n", "self.project(x) * 2\n", True, id="arithmetic"),
    ],
)
def test_the_code_of_a_block_is_in_the_keys(
    tmp_path: Path, fresh_blocks: Callable[[], None], old: str, new: str, changes: bool
) -> None:
    assert old in MIXER
    (tmp_path / "keyed.py").write_text(MIXER)
    (tmp_path / "study.yaml").write_text(TEXT.replace("b: linear", "b: keyed") + "blocks: [keyed.py]\n")
    before = keys(load_study(tmp_path / "study.yaml"))
    fresh_blocks()
    (tmp_path / "keyed.py").write_text(MIXER.replace(old, new))
    after = keys(load_study(tmp_path / "study.yaml"))
    cells = {cell for cell in before if before[cell] != after[cell]}
    assert cells == ({cell for cell in before if " of b (" in cell} if changes else set())


def test_code_that_only_an_exported_graph_runs_is_in_no_key(
    tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    path = tmp_path / "keyed.py"
    plain_text = MIXER.replace("return self.project(x)", "y = self.project(x)\n        return y")
    assert plain_text != MIXER
    path.write_text(plain_text)
    before = closure.code_hash(str(path))
    exported = plain_text.replace(
        "        y = self.project(x)",
        "        if torch.compiler.is_exporting():\n"
        "            return 0 * x\n"
        "        y = 1 + x if torch.compiler.is_exporting() else self.project(x)",
    )
    path.write_text(exported)
    closure.forget()
    assert closure.code_hash(str(path)) == before
    path.write_text(exported.replace("else self.project(x)", "else 2 * self.project(x)"))
    closure.forget()
    assert closure.code_hash(str(path)) != before


def test_the_code_of_the_baseline_is_in_the_keys_of_all_times(
    tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    text = TEXT.replace("b: linear", "b: keyed").replace("baseline: a", "baseline: b")
    (tmp_path / "keyed.py").write_text(MIXER)
    (tmp_path / "study.yaml").write_text(text + "blocks: [keyed.py]\n")
    before = keys(load_study(tmp_path / "study.yaml"))
    fresh_blocks()
    (tmp_path / "keyed.py").write_text(MIXER.replace("(dim, dim, 1)", "(dim, dim, 1, bias=False)"))
    after = keys(load_study(tmp_path / "study.yaml"))
    cells = {cell for cell in before if before[cell] != after[cell] and " of b (" not in cell}
    assert kinds(cells) == {"throughput"}
    assert len(cells) == 2


def test_a_user_s_file_does_not_hide_a_shipped_one(tmp_path: Path, fresh_blocks: Callable[[], None]) -> None:
    """A file called like one of `blocks/` is another file."""
    (tmp_path / "patches.py").write_text(MIXER)
    (tmp_path / "study.yaml").write_text(TEXT.replace("b: linear", "b: keyed") + "blocks: [patches.py]\n")
    before = keys(load_study(tmp_path / "study.yaml"))
    fresh_blocks()
    (tmp_path / "patches.py").write_text(MIXER.replace("(dim, dim, 1)", "(dim, dim, 1, bias=False)"))
    after = keys(load_study(tmp_path / "study.yaml"))
    assert {cell for cell in before if before[cell] != after[cell]} == {c for c in before if " of b (" in c}


def test_a_layout_by_any_other_name_has_the_same_key() -> None:
    study = parse_study(TEXT.replace("  b: linear", "  b: linear\n  twin: linear"))
    entry = measurement("complexity")
    shared = condition_key(entry, ComplexityCondition(resolution=32))
    assert cell_ingredients(study, entry, "b", shared) == cell_ingredients(study, entry, "twin", shared)


def test_a_helper_module_of_the_user_s_is_in_the_keys(
    tmp_path: Path, fresh_blocks: Callable[[], None]
) -> None:
    (tmp_path / "its_scale.py").write_text("SCALE = 2\n")
    (tmp_path / "keyed.py").write_text(
        "import its_scale\n" + MIXER.replace("(x)\n", "(x) * its_scale.SCALE\n")
    )
    (tmp_path / "study.yaml").write_text(TEXT.replace("b: linear", "b: keyed") + "extensions: [keyed.py]\n")
    before = keys(load_study(tmp_path / "study.yaml"))
    fresh_blocks()
    (tmp_path / "its_scale.py").write_text("SCALE = 3\n")
    after = keys(load_study(tmp_path / "study.yaml"))
    assert {cell for cell in before if before[cell] != after[cell]} == {c for c in before if " of b (" in c}


def test_what_measures_is_derived_from_what_is_imported() -> None:
    """The files that make a value are in its key, lazy imports among them, and no others."""

    def files(name: str) -> set[str]:
        entry = measurement(name)
        names = (entry.runner, *filter(None, [entry.gather]))
        return {"/".join(path.parts[-2:]) for path in closure.closure(*names)}

    assert {"runners/latency.py", "runners/device.py", "statistics/seeds.py"} <= files("throughput")
    assert {"runners/device.py", "memory/trace.py"} <= files("memory")
    assert "compare/scaling.py" in files("scaling")
    assert "compare/diff.py" not in files("scaling")
    assert not any(path.startswith("report/") for name in ("scaling", "accuracy") for path in files(name))
