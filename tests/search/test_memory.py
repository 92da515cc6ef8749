"""`memory` is one thing: what a bound is checked against, what a table prints, and what an axis shows."""

from __future__ import annotations

from ablate.layout.layout import Layout
from ablate.measurements.base import Task
from ablate.measurements.complexity import ComplexityValues
from ablate.measurements.register import quantity
from ablate.report.fronts import axis_of
from ablate.runners.costs import run
from ablate.study.goals import parse_constraint, parse_objective


def test_memory_means_the_same_in_bound_table_and_axis() -> None:
    layout = Layout("conv | softmax", widths=[16, 32], depths=[1, 1], stem="overlap(stride=4)")
    task = Task({"a": layout}, {"quantities": ["memory"], "resolution": 32}, channels=3, classes=10)
    checked = run(task, lambda fraction: None)["memory"]
    cost = layout.cost(32, classes=10)
    wanted = quantity("memory")
    assert checked == wanted.value(ComplexityValues.from_json(cost.to_json()))
    assert checked == cost.memory_of("fused").weights + cost.memory_of("fused").inference_peak
    bound = parse_constraint("memory <= 1MiB")
    assert (bound.metric, parse_objective("minimize memory").metric) == ("memory", "memory")
    assert bound.violation(checked) == checked / 2**20 - 1
    assert axis_of("memory", []).title == wanted.title == "Memory (MiB)"
    assert axis_of("memory", []).scale == wanted.scale
