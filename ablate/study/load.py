"""`load_study`: a YAML file to a `Study`, or to all of its mistakes at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from ablate.dotted import load
from ablate.errors import AblateError, LayoutError, Mistake, did_you_mean
from ablate.extensions import load_extension, load_installed
from ablate.layout.layout import Layout
from ablate.layout.resolve import definition_mistakes
from ablate.layout.settings import Defaults, Model, plain_mistakes
from ablate.measurements.fields import Input
from ablate.measurements.register import measurement
from ablate.study.ablation_layouts import Ablation, make_ablations
from ablate.study.entries import Entries
from ablate.study.expect_quantities import read_expectations
from ablate.study.expectation import Expectation
from ablate.study.ladder import Ladders, LadderSettings, make_ladders
from ablate.study.match import Match
from ablate.study.measure import measure_model, settings_of, with_resolutions
from ablate.study.source import Source, parse_source, read_source
from ablate.study.space import space_mistakes, unmeasured_goals
from ablate.study.study import ReportOptions, Search, Study, StudyFile

_EXTENSIONS = ("extensions", "blocks")


def load_study(path: str | Path, *, check: bool = True) -> Study:
    """Read a study file. Raises `LayoutError` with all of its mistakes, each with line and column.

    Files named under `extensions` are imported. With `check=False` no block is looked up or imported, and
    torch stays out: enough to read a study's options, not to build its layouts.
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
        """The study; raises `LayoutError` when there is any mistake."""
        for key in self.data:
            if key not in StudyFile.model_fields:
                hint = did_you_mean(key, tuple(StudyFile.model_fields))
                self.mistakes.append(Mistake(f"unknown key {key!r}{hint}", (key,), at_key=True))
        files = self.extensions()
        name = self.section("study") or self.path.stem
        given_input: Input = self.section("input")
        defaults = self.valid_part("defaults")
        define = self.valid_part("define")
        self.mistakes += definition_mistakes(define, check=self.check)
        entries = Entries(defaults, self.check, define)
        entries.read(self.data.get("layouts", {}), self.data.get("vary", {}))
        self.mistakes += entries.mistakes
        self.warnings += entries.warnings
        own = dict(entries.layouts)
        ablations = self.ablations(entries)
        ladders = self.ladders(entries, own)
        match: Match | None = self.section("match")
        measure = self.measure()
        report: ReportOptions = self.section("report")
        search: Search | None = self.section("search")
        given_search = self.data.get("search")
        space = given_search.get("space") if isinstance(given_search, dict) else None
        self.add(space_mistakes(space, defaults, self.check), "search", "space")
        if search is not None and "measure" not in self.mistaken():
            self.add(unmeasured_goals(search, measure), "search")
        if not (
            entries.names or "search" in self.data or "layouts" in self.mistaken() or self.source.mistakes
        ):
            self.mistakes.append(Mistake("a study needs `layouts` or `search`"))
        self.check_together(entries, match, report)
        self.check_measurements(measure, given_input)
        expectations, claims = self.expectations(entries, measure, given_input)
        self.raise_mistakes()
        return Study(
            name=name,
            layouts=entries.layouts,
            input=given_input,
            defaults=Defaults.model_validate(defaults),
            match=match,
            measure=with_resolutions(measure, given_input.resolution),
            report=report,
            search=search,
            ablations=ablations,
            ladders=tuple(ladders.ladders),
            budgets=ladders.budgets,
            expectations=expectations,
            claims=claims,
            extensions=files,
            warnings=tuple(dict.fromkeys(self.source.line(warning) for warning in self.warnings)),
            path=self.path,
            text=self.source.text,
        )

    def ablations(self, entries: Entries) -> tuple[Ablation, ...]:
        """The ablations; the layouts that they derive are then layouts of the study like any other."""
        if "ablation" not in self.data:
            return ()
        made = make_ablations(self.data["ablation"], entries.layouts, names=entries.names, check=self.check)
        self.add(made.mistakes, "ablation")
        self.warnings += [warning.under("ablation") for warning in made.warnings]
        entries.derive(made.derived)
        return tuple(made.ablations)

    def ladders(self, entries: Entries, own: dict[str, Any]) -> Ladders:
        """The ladders, of the file's own layouts unless it names others; their sizes are layouts too."""
        settings: LadderSettings | None = self.section("ladder")
        if settings is None:
            return Ladders()
        if "match" in self.data:
            message = "`match` would bring all sizes of a ladder to one budget; leave one of the two out"
            self.mistakes.append(Mistake(message, ("ladder",), at_key=True))
        known = entries.layouts if settings.layouts is not None else own
        made = make_ladders(settings, known, names=entries.names, check=self.check)
        self.add(made.mistakes, "ladder")
        entries.derive(made.derived)
        return made

    def expectations(
        self, entries: Entries, measure: Model, given_input: Input
    ) -> tuple[tuple[Expectation, ...], dict[str, tuple[str, ...]]]:
        """The lines of `expect` and of `claims`, and the claims with theirs as text; where layouts or
        measurements are wrong, their names are not checked."""
        claims: dict[str, tuple[str, ...]] = self.section("claims")
        if not self.check:
            return (), {}
        names = None if self.mistaken() & {"layouts", "ablation", "ladder"} else entries.names
        settings = (
            None
            if "measure" in self.mistaken()
            else settings_of(with_resolutions(measure, given_input.resolution))
        )

        def read(lines: object, *path: str) -> list[Expectation]:
            parsed, mistakes = read_expectations(lines, names, settings)
            self.add(mistakes, *path)
            return parsed

        lines = read(self.data["expect"], "expect") if "expect" in self.data else []
        tests = {sentence: read(list(given), "claims", sentence) for sentence, given in claims.items()}
        known = {str(line): line for line in (*lines, *(line for group in tests.values() for line in group))}
        texts = {sentence: tuple(map(str, group)) for sentence, group in tests.items()}
        return tuple(known.values()), texts

    def add(self, mistakes: list[Mistake], *path: str | int) -> None:
        """Note mistakes that were found under `path`."""
        self.mistakes += [mistake.under(*path) for mistake in mistakes]

    def mistaken(self) -> set[str | int]:
        """The top-level keys under which there are mistakes."""
        return {mistake.path[0] for mistake in self.mistakes if mistake.path}

    def raise_mistakes(self) -> None:
        """Raise all mistakes, in the order of their places."""
        problems = self.source.mistakes
        broken = {
            (problem.line, problem.column) for problem in problems
        }  # what is no value has no type either
        more = dict.fromkeys(map(self.source.problem, dict.fromkeys(self.mistakes)))
        problems = problems + [problem for problem in more if (problem.line, problem.column) not in broken]
        if problems:
            raise LayoutError(sorted(problems, key=lambda problem: (problem.line, problem.column)))

    def section(self, key: str) -> Any:
        """A top-level key's value, validated; its default where it is absent or wrong."""
        info = StudyFile.model_fields[key]
        if key not in self.data:
            return info.default
        return self.validated(key, _annotated(key), info.default)

    def validated(self, key: str, annotation: Any, default: Any) -> Any:
        """A top-level key's value as `annotation`; `default` where it is wrong."""
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(annotation)
            return adapter.validate_python(self.data[key])
        except ValidationError as error:
            self.add(_with_hints(plain_mistakes(error), annotation), key)
            return default

    def measure(self) -> Model:
        """The section `measure`, with a key for every measurement that is known by now."""
        model = measure_model()
        given = self.data.get("measure", {})
        if not self.check and isinstance(given, dict):  # what extensions would register is not known
            self.data["measure"] = {key: given[key] for key in given if key in model.model_fields}
        if "measure" not in self.data:
            return model()
        before = len(self.mistakes)
        measure: Model = self.validated("measure", model, model())
        wrong = {mistake.path[1] for mistake in self.mistakes[before:] if len(mistake.path) > 1}
        if wrong and isinstance(given, dict):  # what is well formed is still looked at
            measure = model.model_validate(
                {key: given[key] for key in model.model_fields if key in given and key not in wrong}
            )
        return measure

    def valid_part(self, key: str) -> dict[str, Any]:
        """The settings of a section that are valid by themselves."""
        before = len(self.mistakes)
        self.section(key)
        wrong = {mistake.path[1] for mistake in self.mistakes[before:] if len(mistake.path) > 1}
        given = self.data.get(key)
        if not isinstance(given, dict):
            return {}
        return {name: value for name, value in given.items() if name not in wrong}

    def extensions(self) -> tuple[Path, ...]:
        """Import the user's own files. When one cannot be, block names are not checked: too many would be
        unknown."""
        files = []
        for key in _EXTENSIONS:
            for i, name in enumerate(self.section(key)):
                file = self.path.parent / name
                files.append(file)
                if self.check:
                    try:
                        load_extension(file, shown=name if file.is_file() else None)
                    except AblateError as error:
                        self.mistakes.append(Mistake(str(error), (key, i)))
        if self.check:
            load_installed()
        if self.mistaken() & set(_EXTENSIONS):
            self.check = False
        return tuple(files)

    def check_together(self, entries: Entries, match: Match | None, report: ReportOptions) -> None:
        """What only two sections together can say, and what a broken section hides."""
        given = self.data.get("match")
        if match is None and isinstance(given, dict):
            budgets = [key for key in given if key in ("params", "macs", "memory")]
            if len(budgets) > 1 and not any(mistake.path == ("match",) for mistake in self.mistakes):
                message = f"match one quantity, not {' and '.join(budgets)}"
                self.mistakes.append(Mistake(message, ("match",)))
        broken = self.mistaken() & {"ablation", "ladder"}  # then the names of derived layouts are not known
        if report.baseline is not None and report.baseline not in entries.names and not broken:
            message = f"unknown layout {report.baseline!r}{did_you_mean(report.baseline, [*entries.names])}"
            self.mistakes.append(Mistake(message, ("report", "baseline")))
        if match is not None and match.by == "depth":
            for name, layout in entries.layouts.items():
                if isinstance(layout, Layout) and layout.settings.stages is not None:
                    entry = entries.names[name]
                    message = "`stages` fixes the depths, and `match` is to change them; use `layout`"
                    self.mistakes.append(Mistake(message, ("layouts", entry, "stages"), at_key=True))

    def check_measurements(self, measure: Model, given_input: Input) -> None:
        """What each measurement says of its own settings: warnings, and mistakes that need its files."""
        for name, settings in settings_of(measure).items():
            entry = measurement(name)
            self.warnings += [
                Mistake(text, ("measure", name, *path)) for path, text in entry.warnings(settings)
            ]
            if entry.check:
                self.add(load(entry.check)(settings, given_input), "measure", name)


def _with_hints(mistakes: list[Mistake], annotation: Any) -> list[Mistake]:
    """Add the nearest known key to each complaint about an unknown one."""
    hinted = []
    for mistake in mistakes:
        if mistake.at_key and mistake.message.startswith("unknown key"):
            model: Any = _model(annotation)
            for part in mistake.path[:-1]:
                model = _model(model.model_fields[part].annotation)
            known = list(model.model_fields)
            message = mistake.message + did_you_mean(str(mistake.path[-1]), known)
            mistake = replace(mistake, message=message)
        hinted.append(mistake)
    return hinted


def _annotated(key: str) -> Any:
    """A field's type with its constraints, for validation by itself."""
    info = StudyFile.model_fields[key]
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _model(annotation: Any) -> Any:
    """The model of `Model` or `Model | None`."""
    members = (member for member in get_args(annotation) if isinstance(member, type))
    return next((member for member in members if issubclass(member, BaseModel)), annotation)
