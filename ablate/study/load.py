"""`load_study`: a YAML file to a `Study`, or to all of its mistakes at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from ablate.errors import LayoutError, Mistake, did_you_mean
from ablate.layout.layout import Layout
from ablate.layout.resolve import definition_mistakes
from ablate.layout.settings import Defaults, plain_mistakes
from ablate.study.entries import Entries
from ablate.study.source import Source, parse_source, read_source
from ablate.study.space import space_mistakes, unmeasured_goals
from ablate.study.study import Input, Match, Measure, ReportOptions, Search, Study, StudyFile


def load_study(path: str | Path, *, check: bool = True) -> Study:
    """Read a study file. Raises `LayoutError` with all of its mistakes, each with line and column.

    Files named under `blocks` are imported. With `check=False` no block is looked up or imported, and torch
    stays out: enough to read a study's options, not to build its layouts.
    """
    path = Path(path)
    return _Loader(read_source(path), path, check).study()


def parse_study(text: str, name: str = "study.yaml", *, check: bool = True) -> Study:
    """The same for text; `name` is what messages call it, and its files are relative to this directory."""
    return _Loader(parse_source(text, name), Path(name), check).study()


class _Loader:
    """Reads one file section by section, so that a mistake in one does not hide those in the others."""

    def __init__(self, source: Source, path: Path, check: bool):
        self.source, self.path, self.check = source, path, check
        self.mistakes: list[Mistake] = []
        self.warnings: list[Mistake] = []
        if not isinstance(source.data, dict):
            raise LayoutError([*source.mistakes, source.problem(Mistake("a study is a mapping of keys"))])
        self.data: dict[str, Any] = source.data

    def study(self) -> Study:
        for key in self.data:
            if key not in StudyFile.model_fields:
                hint = did_you_mean(key, tuple(StudyFile.model_fields))
                self.mistakes.append(Mistake(f"unknown key {key!r}{hint}", (key,), at_key=True))
        files = self.block_files()
        name = self.section("study") or self.path.stem
        given_input: Input = self.section("input")
        defaults = self.valid_part("defaults")
        define = self.valid_part("define")
        self.mistakes += definition_mistakes(define, check=self.check)
        entries = Entries(defaults, self.check, define)
        entries.read(self.data.get("layouts", {}), self.data.get("vary", {}))
        self.mistakes += entries.mistakes
        self.warnings += entries.warnings
        match: Match | None = self.section("match")
        measure: Measure = self.section("measure")
        report: ReportOptions = self.section("report")
        search: Search | None = self.section("search")
        given_search = self.data.get("search")
        space = given_search.get("space") if isinstance(given_search, dict) else None
        self.mistakes += [one.under("search", "space") for one in space_mistakes(space, defaults, self.check)]
        if search is not None and "measure" not in self.mistaken():
            self.mistakes += [one.under("search") for one in unmeasured_goals(search, measure)]
        if not (
            entries.names or "search" in self.data or "layouts" in self.mistaken() or self.source.mistakes
        ):
            self.mistakes.append(Mistake("a study needs `layouts` or `search`"))
        self.check_together(entries, match, measure, report)
        self.raise_mistakes()
        return Study(
            name=name,
            layouts=entries.layouts,
            input=given_input,
            defaults=Defaults.model_validate(defaults),
            match=match,
            measure=_with_resolutions(measure, given_input.resolution),
            report=report,
            search=search,
            block_files=files,
            warnings=tuple(dict.fromkeys(self.source.line(one) for one in self.warnings)),
            path=self.path,
            text=self.source.text,
        )

    def mistaken(self) -> set[str | int]:
        """The top-level keys under which there are mistakes."""
        return {one.path[0] for one in self.mistakes if one.path}

    def raise_mistakes(self) -> None:
        problems = self.source.mistakes
        broken = {(one.line, one.column) for one in problems}  # what is no value has no type either
        more = dict.fromkeys(map(self.source.problem, dict.fromkeys(self.mistakes)))
        problems = problems + [one for one in more if (one.line, one.column) not in broken]
        if problems:
            raise LayoutError(sorted(problems, key=lambda one: (one.line, one.column)))

    def section(self, key: str) -> Any:
        """A top-level key's value, validated; its default where it is absent or wrong."""
        info = StudyFile.model_fields[key]
        if key not in self.data:
            return info.default
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(_annotated(key))
            return adapter.validate_python(self.data[key])
        except ValidationError as error:
            self.mistakes += [one.under(key) for one in self.with_hints(plain_mistakes(error), key)]
            return info.default

    def valid_part(self, key: str) -> dict[str, Any]:
        """The settings of a section that are valid by themselves."""
        before = len(self.mistakes)
        self.section(key)
        wrong = {one.path[1] for one in self.mistakes[before:] if len(one.path) > 1}
        given = self.data.get(key)
        if not isinstance(given, dict):
            return {}
        return {name: value for name, value in given.items() if name not in wrong}

    def with_hints(self, mistakes: list[Mistake], key: str) -> list[Mistake]:
        """Add the nearest known key to each complaint about an unknown one."""
        out = []
        for one in mistakes:
            if one.at_key and one.message.startswith("unknown key"):
                model: Any = _model(StudyFile.model_fields[key].annotation)
                for part in one.path[:-1]:
                    model = _model(model.model_fields[part].annotation)
                one = replace(
                    one, message=one.message + did_you_mean(str(one.path[-1]), list(model.model_fields))
                )
            out.append(one)
        return out

    def block_files(self) -> tuple[Path, ...]:
        """Import the user's own blocks. When one cannot be, block names are not checked: too many would be
        unknown."""
        files = []
        for i, name in enumerate(self.section("blocks")):
            file = self.path.parent / name
            files.append(file)
            if not self.check:
                continue
            if not file.is_file():
                self.mistakes.append(Mistake(f"there is no file {str(file)!r}", ("blocks", i)))
                continue
            import blocks

            try:
                blocks.load_file(file)
            except Exception as error:  # the user's code may raise anything
                text = " ".join(str(error).split()) or type(error).__name__
                self.mistakes.append(Mistake(f"cannot import {name}: {text}", ("blocks", i)))
        if "blocks" in self.mistaken():
            self.check = False
        return tuple(files)

    def check_together(
        self, entries: Entries, match: Match | None, measure: Measure, report: ReportOptions
    ) -> None:
        """What only two sections together can say, and what a broken section hides."""
        given = self.data.get("match")
        if match is None and isinstance(given, dict):
            quantities = [key for key in given if key in ("params", "macs", "memory")]
            if len(quantities) > 1 and not any(one.path == ("match",) for one in self.mistakes):
                message = f"match one quantity, not {' and '.join(quantities)}"
                self.mistakes.append(Mistake(message, ("match",)))
        if report.baseline is not None and report.baseline not in entries.names:
            hint = did_you_mean(report.baseline, tuple(entries.names))
            message = f"unknown layout {report.baseline!r}{hint}"
            self.mistakes.append(Mistake(message, ("report", "baseline")))
        if match is not None and match.by == "depth":
            for name, layout in entries.layouts.items():
                if isinstance(layout, Layout) and layout.settings.stages is not None:
                    entry = entries.names[name]
                    message = "`stages` fixes the depths, and `match` is to change them; use `layout`"
                    self.mistakes.append(Mistake(message, ("layouts", entry, "stages"), at_key=True))
        if measure.throughput is not None and measure.throughput.processes < 2:
            path = ("measure", "throughput", "processes")
            self.warnings.append(Mistake("one process gives no error bar; use 3 or more", path))
        if measure.accuracy is not None and measure.accuracy.seeds < 2:
            path = ("measure", "accuracy", "seeds")
            self.warnings.append(Mistake("one seed gives no error bar; use 3 or more", path))


def _annotated(key: str) -> Any:
    """A field's type with its constraints, for validation by itself."""
    info = StudyFile.model_fields[key]
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _model(annotation: Any) -> Any:
    """The model of `Model` or `Model | None`."""
    return next(
        (one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel)),
        annotation,
    )


def _with_resolutions(measure: Measure, resolution: int) -> Measure:
    """Measurements that name no resolution use the input's."""
    update = {}
    for key in ("complexity", "memory", "throughput"):
        one = getattr(measure, key)
        if one is not None and not one.resolutions:
            update[key] = one.model_copy(update={"resolutions": (resolution,)})
    return measure.model_copy(update=update)
