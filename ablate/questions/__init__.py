"""Studies to begin from, one for each question that people ask; `ablate new` writes them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from ablate.errors import AblateError, did_you_mean

_ORDER = ("compare", "ablation", "scaling", "search", "own-block", "dense")
_BESIDE = {"own-block": ("my_mixer.py",)}


@dataclass(frozen=True)
class Question:
    """A question, the text of the study that answers it, and the files that stand beside it, by name."""

    name: str
    text: str
    beside: dict[str, str]

    @property
    def asks(self) -> str:
        """The question in words: the study's first comment line."""
        return self.text.partition("\n")[0].lstrip("# ").strip()


def questions() -> dict[str, Question]:
    """All questions by name, in the order in which a project meets them."""
    folder = files(__name__)

    def read(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    return {
        name: Question(name, read(f"{name}.yaml"), {file: read(file) for file in _BESIDE.get(name, ())})
        for name in _ORDER
    }


def question(name: str) -> Question:
    """The question of this name. Raises `AblateError` that names the nearest one."""
    known = questions()
    if name not in known:
        raise AblateError(f"unknown question {name!r}{did_you_mean(name, list(known))}")
    return known[name]
