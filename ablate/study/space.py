"""Checks of a search: its space's lists agree, its words are known, its quantities are measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from ablate.errors import Mistake, did_you_mean
from ablate.layout.call import BlockCall
from ablate.layout.pattern import PatternError, parse_call, parse_pattern
from ablate.layout.resolve import resolve
from ablate.layout.settings import LayoutSettings, Model
from ablate.measurements.register import measurement, quantity
from ablate.study.measure import settings_of
from ablate.study.search import Plain, Search, Space

PARTS = ("stem", "downsample", "ffn", "norm")
_USUAL = {"stem": "overlap", "downsample": "overlap(stride=2)", "ffn": "mlp", "norm": "layer"}


def space_mistakes(given: Any, defaults: dict[str, Any], check: bool) -> list[Mistake]:
    """Mistakes in `search: {space: ...}` that its types do not show; `defaults` are the file's valid ones."""
    space = _valid_space(given)
    patterns = given.get("patterns") if isinstance(given, dict) else None
    flat = isinstance(patterns, list) and not any(isinstance(item, list) for item in patterns)
    probe = _Probe(space, defaults, check)
    mistakes = _lengths(space, flat)
    for i, stage in enumerate(space.patterns or ()):
        for j, text in enumerate(stage):
            path = ("patterns", j) if flat else ("patterns", i, j)
            if text.strip().startswith(("timm:", "graft")) or "|" in text:
                mistakes.append(Mistake("expected a pattern of one stage", path))
                continue
            mistakes += [
                Mistake(wrong.message, path, wrong.offset) for wrong in probe.mistakes("layout", text)
            ]
    for key in PARTS:
        for i, text in enumerate(getattr(space, key) or ()):
            mistakes += [
                Mistake(wrong.message, (key, i), wrong.offset) for wrong in probe.mistakes(key, text)
            ]
    return mistakes + _arguments(space, defaults, probe)


class _Probe:
    """A layout of one block a stage, at every width of the space, in which one text is tried out."""

    def __init__(self, space: Space, defaults: dict[str, Any], check: bool):
        widths = tuple(dict.fromkeys(width for stage in space.widths or () for width in stage)) or (64,)
        # of two stages at least, so that there is a downsampling
        self.widths = widths if len(widths) > 1 else widths * 2
        self.base = {key: defaults[key] for key in (*PARTS, "head_dim") if key in defaults}
        self.check = check

    def mistakes(self, key: str, text: str) -> list[Mistake]:
        """What is wrong with a text as this setting."""
        settings = {"layout": "identity", **self.base, "widths": self.widths, "depths": 1, key: text}
        wrong = resolve(LayoutSettings.model_validate(settings), check=self.check).mistakes
        return [mistake for mistake in wrong if mistake.path == (key,)]


def _arguments(space: Space, defaults: dict[str, Any], probe: _Probe) -> list[Mistake]:
    """A mistake for each argument that nothing takes, and for each value that its part refuses."""
    blocks = _pattern_calls(space)
    mistakes = []
    for name, choices in space.arguments.items():
        if name in PARTS:
            texts = getattr(space, name) or (defaults.get(name, _USUAL[name]),)
            calls, key = _calls(texts), name
        else:
            calls, key = [call for call in blocks if call.name == name], "layout"
            if space.patterns is not None and not calls:
                known = (*dict.fromkeys(call.name for call in blocks), *PARTS)
                message = f"no pattern of the space has a block {name!r}{did_you_mean(name, known)}"
                mistakes.append(Mistake(message, ("arguments", name), at_key=True))
        for argument, values in choices.items():
            free = [call for call in calls if argument not in call.kwargs]
            if calls and not free:
                message = f"every {name!r} of the space writes {argument!r} itself"
                mistakes.append(Mistake(message, ("arguments", name, argument), at_key=True))
                continue
            for value in values:
                mistakes += _refused(free, key, name, argument, value, probe)
    return list(dict.fromkeys(mistakes))


def _refused(
    calls: Sequence[BlockCall], key: str, name: str, argument: str, value: Plain, probe: _Probe
) -> list[Mistake]:
    """The objection to an argument's value when none of the calls can take it."""
    objections = []
    for call in calls:
        wrong = probe.mistakes(key, str(with_argument(call, argument, value)))
        if not wrong:
            return []
        objections.append(wrong[0].message)
    return [
        Mistake(message, ("arguments", name, argument), at_key="unknown argument" in message)
        for message in objections[:1]
    ]


def with_argument(call: BlockCall, argument: str, value: Plain) -> BlockCall:
    """The call with an argument that it does not write itself."""
    return BlockCall(call.name, tuple({argument: value, **call.kwargs}.items()))


def unmeasured_goals(search: Search, measure: Model) -> list[Mistake]:
    """A mistake for each objective and constraint on a quantity that the study does not say how to measure,
    and for rungs or an end that these measurements do not allow."""
    asked = settings_of(measure)
    goals = {
        **{("objectives", i): goal.metric for i, goal in enumerate(search.objectives)},
        **{("constraints", i): bound.metric for i, bound in enumerate(search.constraints)},
    }
    mistakes = []
    for path, name in goals.items():
        section = quantity(name).kind
        if measurement(section).where != "counted" and section not in asked:
            message = f"{name} is not measured; say how under `measure`, `{section}`"
            mistakes.append(Mistake(message, path))
    if search.rungs is not None:
        message = _no_rungs(search, asked.get("accuracy"))
        mistakes += [Mistake(message, ("rungs",), at_key=True)] if message else []
    if search.final is not None and not any(quantity(goal.metric).repeats for goal in search.objectives):
        message = "`final` trains the best layouts again, but no objective is measured over seeds"
        mistakes.append(Mistake(message, ("final",), at_key=True))
    return mistakes


def _no_rungs(search: Search, accuracy: Any) -> str:
    """Why trials cannot be compared on the way; empty when they can."""
    if not any(goal.metric == "accuracy" for goal in search.objectives) or accuracy is None:
        return "rungs compare trials by accuracy on the way, but accuracy is no objective"
    if accuracy.core_seconds is not None:
        return "rungs count images; give `accuracy` a budget of epochs or images, not core_seconds"
    if accuracy.tune_lr:
        return "rungs go on from checkpoints of one training; give `accuracy` an lr, not tune_lr"
    others = {goal.metric for goal in search.objectives} | {bound.metric for bound in search.constraints}
    late = sorted(name for name in others if quantity(name).kind == "accuracy" and name != "accuracy")
    if late:
        return f"{late[0]} is known at the end of a training alone; rungs can compare accuracy"
    last = search.rungs.images[-1] if search.rungs is not None else 0
    if accuracy.images is not None and last >= accuracy.images:
        return f"the last rung, {last} images, is not below the whole schedule of {accuracy.images}"
    return ""


def _lengths(space: Space, flat: bool) -> list[Mistake]:
    """A mistake for each list whose number of stages is not the first one's."""
    lists = {"depths": space.depths, "widths": space.widths, "patterns": None if flat else space.patterns}
    counts = {name: len(value) for name, value in lists.items() if value is not None}
    first = next(iter(counts), "")
    mistakes = [
        Mistake(f"`{name}` has {count} stages, but `{first}` has {counts[first]}", (name,))
        for name, count in counts.items()
        if count != counts[first]
    ]
    for i, ratio in enumerate(space.mlp_ratio or ()):
        if first and isinstance(ratio, tuple) and len(ratio) != counts[first]:
            message = f"the choice has {len(ratio)} values, but `{first}` has {counts[first]}"
            mistakes.append(Mistake(message, ("mlp_ratio", i)))
    return mistakes


def _pattern_calls(space: Space) -> list[BlockCall]:
    calls: list[BlockCall] = []
    for text in (text for stage in space.patterns or () for text in stage):
        try:
            calls += [word.call for cycle in parse_pattern(text).cycles for word in cycle]
        except PatternError:
            continue
    return list(dict.fromkeys(calls))


def _calls(texts: Sequence[str]) -> list[BlockCall]:
    calls = []
    for text in texts:
        try:
            calls.append(parse_call(text).call)
        except PatternError:
            continue
    return calls


def _valid_space(given: Any) -> Space:
    """Those parts of a search's space that are valid by themselves."""
    valid: dict[str, Any] = {}
    for key, value in given.items() if isinstance(given, dict) else ():
        try:
            Space.model_validate({key: value})
        except ValidationError:
            continue
        valid[key] = value
    return Space.model_validate(valid)
