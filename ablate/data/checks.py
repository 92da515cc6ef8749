"""What an accuracy measurement asks about its data set before anything is trained."""

from __future__ import annotations

from functools import cache
from typing import Any

from ablate.data.call import check_name
from ablate.data.load import inspect
from ablate.data.register import find_entry
from ablate.errors import AblateError, Mistake


def check_settings(settings: Any, size: Any) -> list[Mistake]:
    """The mistakes in the name and the arguments of `settings.dataset`, and in what it is judged on. Loads
    nothing."""
    try:
        entry = find_entry(check_name(settings.dataset).name)
    except AblateError as error:
        return [Mistake(str(error), ("dataset",))]
    mistakes = [
        Mistake(str(trouble), ("shifts", place))
        for place, text in enumerate(settings.shifts)
        if (trouble := _trouble(text)) is not None
    ]
    if settings.flip_test and not entry.flip:
        message = f"{entry.name}: a mirrored image may change its class; flip_test cannot be used"
        mistakes.append(Mistake(message, ("flip_test",)))
    return mistakes


def check_tasks(settings: Any, size: Any) -> list[Mistake]:
    """The mistakes in the names and the arguments of `settings.tasks`. Loads nothing."""
    mistakes = []
    for place, text in enumerate(settings.tasks):
        try:
            check_name(text)
        except AblateError as error:
            mistakes.append(Mistake(str(error), ("tasks", place)))
    return mistakes


def _trouble(text: str) -> AblateError | None:
    from ablate.data.shifts import named_shift  # torch is needed where shifts are asked for

    try:
        named_shift(text)
    except AblateError as error:
        return error
    return None


def inspect_settings(settings: Any) -> str:
    """What the data set is, from a look at its files. Raises `AblateError` when it is not usable."""
    summary = inspect(settings.dataset, data_dir=settings.data_dir)
    sizes = ", ".join(f"{count:,} {split}" for split, count in summary.images.items())
    least = f", {summary.per_class[0]:,} to {summary.per_class[1]:,} a class" if summary.per_class else ""
    notes = "".join(f"; {note}" for note in summary.notes)
    return f"{settings.dataset}: {summary.classes:,} classes, images {sizes}{least}{notes}"


def content_of(condition: Any) -> str:
    """A text that is another when the files of the data set are; empty where they are not there yet."""
    return _content(condition.dataset, condition.data_dir)


@cache
def _content(dataset: str, data_dir: str | None) -> str:
    try:
        return inspect(dataset, data_dir=data_dir).content
    except AblateError:  # the cell says so, or downloads it
        return ""


def files_of(text: str) -> tuple[str, ...]:
    """The file that the named data set is written in."""
    return (str(find_entry(check_name(text).name).file),)
