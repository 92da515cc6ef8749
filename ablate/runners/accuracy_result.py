"""What a training run gave, as it goes into a row and comes back from it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from ablate.errors import AblateError


@dataclass(frozen=True)
class Candidate:
    """One learning rate that was tried: its accuracy on the validation split, or why it has none."""

    lr: float
    top1: float | None
    loss: float | None
    diverged: str | None = None


@dataclass(frozen=True)
class AccuracyResult:
    """What a run gave. Accuracies in percent, times in seconds; `train_loss` is the mean of the last tenth.

    The training loss includes label smoothing and class weights; the test loss is the plain cross-entropy.
    Where every token is asked, accuracies are over the asked tokens. Fields after `tuning` are missing in
    rows of earlier versions, and `None` or empty where a run was not asked for them.
    """

    top1: float
    test_loss: float
    train_loss: float
    images_seen: int
    steps: int
    seconds: float  # of the training loop, over all processes that took part in it
    images_per_s: float
    curve: list[tuple[int, float]]  # images seen, mean training loss since the point before
    test_images: int
    recipe: dict[str, Any]  # complete, at the learning rate that was used
    augmentation: dict[str, Any]
    tuning: list[Candidate] = field(default_factory=list)
    balanced: float | None = None  # mean of `recall` over the classes that occur in the test split
    recall: list[float | None] = field(default_factory=list)  # per class; None: no test image has it
    confusion: list[list[int]] | None = None  # [true class][answer]; None above CONFUSION_CLASSES
    groups: dict[str, float] = field(default_factory=dict)  # top-1 per difficulty of a diagnostic task
    ema_top1: float | None = None  # of the running mean of the weights
    flip_top1: float | None = None  # logits averaged over an image and its mirror image
    at_resolution: dict[int, float] = field(default_factory=dict)  # top-1 by test resolution in pixels
    under_shift: dict[str, float] = field(default_factory=dict)  # top-1 by the name of a corruption
    test_curve: list[tuple[int, float]] = field(default_factory=list)  # images seen, top-1 on the way
    core_seconds: float | None = None  # processor time of the training loop in all threads
    continued: int = 0  # how often the run went on from a checkpoint
    precision_error: float | None = None  # of the first logits against float32, relative; None in fp32

    @property
    def tuning_edge(self) -> Literal["low", "high"] | None:
        """Where the chosen learning rate ends the grid, so that a better one may lie beyond; else `None`."""
        return edge([candidate.lr for candidate in self.tuning], float(self.recipe.get("lr", 0)))

    @property
    def images_per_core_s(self) -> float | None:
        """Training images per second of processor time."""
        return self.images_seen / self.core_seconds if self.core_seconds else None

    @property
    def shape_bias(self) -> float | None:
        """Of `conflict`: the share of shape among the answers that are either, in percent."""
        shape, texture = self.groups.get("shape"), self.groups.get("texture")
        if shape is None or texture is None or shape + texture == 0:
            return None
        return 100 * shape / (shape + texture)

    def to_json(self) -> dict[str, Any]:
        """The result as plain lists and dictionaries; keys of dictionaries are strings."""
        plain = asdict(self)
        plain["recipe"] = {key: _plain(value) for key, value in self.recipe.items()}
        plain["at_resolution"] = {str(size): top1 for size, top1 in self.at_resolution.items()}
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> AccuracyResult:
        """The inverse of `to_json`, for rows of earlier versions too. Raises `AblateError` where a field is
        missing or unknown."""
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(plain.keys() - known):
            raise AblateError(f"an accuracy row has unknown fields: {', '.join(unknown)}")
        values = dict(plain)
        values["recipe"] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in values.get("recipe", {}).items()
        }
        for name in ("curve", "test_curve"):
            values[name] = [(int(seen), float(value)) for seen, value in values.get(name, [])]
        values["tuning"] = [Candidate(**candidate) for candidate in values.get("tuning", [])]
        values["at_resolution"] = {int(size): top1 for size, top1 in values.get("at_resolution", {}).items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise AblateError(f"an accuracy row is incomplete: {error}") from error


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def edge(grid: Sequence[float], chosen: float) -> Literal["low", "high"] | None:
    """Whether a choice is the lowest or the highest of a grid of two values at least."""
    if len(set(grid)) < 2:
        return None
    if chosen == min(grid):
        return "low"
    return "high" if chosen == max(grid) else None
