"""The register of image sets: names, arguments, a user's own file, and sets that are drawn."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ablate.data import DrawnSplit, Summary, TensorSplit, check_name, entries, inspect, load, register
from ablate.errors import AblateError

STRIPES = '''
from __future__ import annotations
from typing import Literal
import torch
from ablate.data import DrawnSplit, Splits, TensorSplit, drawn_once
from ablate.data.register import Request, dataset
from ablate.errors import AblateError

@dataset("stripes", flip=True)
def stripes(
    request: Request, *, widths: tuple[int, ...] = (1, 2), size: int = 8,
    axis: Literal["rows", "columns"] = "rows", contrast: float | None = None, images: int = 50,
) -> Splits:
    """Which stripe a token lies on."""
    if size < 2:
        raise AblateError(f"stripes: size must be at least 2, got {size}")

    def draw(generator: torch.Generator, number: int) -> TensorSplit:
        pixels = torch.randint(256, (number, 3, size, size), generator=generator, dtype=torch.uint8)
        groups = torch.randint(len(widths), (number, size, size), generator=generator)
        return TensorSplit(pixels, (pixels[:, 0] > 127).long(), groups)

    return Splits(
        DrawnSplit(draw, images), drawn_once(draw, 20), ("dark", "light"), group_names=tuple(map(str, widths))
    )
'''


@pytest.fixture
def stripes(tmp_path: Path) -> Iterator[Path]:
    """A user's file with a data set of its own, forgotten afterwards."""
    file = tmp_path / "stripes.py"
    file.write_text(STRIPES)
    spec = importlib.util.spec_from_file_location("user_stripes", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield file
    del register._entries["stripes"]


def test_every_set_says_what_it_is():
    for name, entry in entries().items():
        assert entry.summary, name
        assert entry.file.parent == Path(register.__file__).parent
        assert all(argument.annotation is not None for argument in entry.arguments.values())


@pytest.mark.parametrize(
    ("text", "name", "kwargs"),
    [
        ("digits", "digits", {}),
        ("digits()", "digits", {}),
        ("folder:~/a b/c(1)", "folder", {"path": "~/a b/c(1)"}),
        ("../pets", "folder", {"path": "../pets"}),
        ("C:/pets", "folder", {"path": "C:/pets"}),
        ("folder(path='a, b')", "folder", {"path": "a, b"}),
        ("stripes(widths=[1, 2,3], size=16)", "stripes", {"widths": (1, 2, 3), "size": 16}),
        ("stripes(widths=[], axis=columns)", "stripes", {"widths": (), "axis": "columns"}),
        ("stripes(contrast=1)", "stripes", {"contrast": 1}),
        ("stripes(contrast=none)", "stripes", {"contrast": None}),
    ],
)
def test_texts_and_what_they_mean(stripes: Path, text: str, name: str, kwargs: dict[str, object]):
    call = check_name(text)
    assert (call.name, call.kwargs) == (name, kwargs)
    assert check_name(str(call)) == call


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stripse", "unknown dataset 'stripse'; did you mean 'stripes'?"),
        ("floder:pets", "unknown dataset 'floder'; did you mean 'folder'?"),
        ("imagenet", "unknown dataset 'imagenet'; known: "),
        ("digits:8", "the dataset 'digits' takes nothing after a colon"),
        ("folder:", "expected the path after the colon"),
        ("folder", "'folder' needs the argument 'path'"),
        ("digits(size=3)", "unknown argument 'size' of 'digits'; it takes none"),
        ("stripes(width=[1])", "unknown argument 'width' of 'stripes'; did you mean 'widths'?"),
        ("stripes(widths=3)", "argument 'widths' of 'stripes' must be a list, each a whole number, got 3"),
        ("stripes(widths=[1, 2.5])", "must be a list, each a whole number, got [1, 2.5]"),
        ("stripes(size=true)", "argument 'size' of 'stripes' must be a whole number, got true"),
        ("stripes(contrast=high)", "must be a number or none, got high"),
        ("stripes(axis=colums)", "must be 'rows' or 'columns', got colums; did you mean 'columns'?"),
        ("stripes(size=3, size=4)", "argument 'size' is given twice"),
        ("stripes(size=3", "expected ',', got the end"),
        ("stripes(size)", "expected '=', got ')'"),
        ("stripes(size=[1)", "expected ',', got ')'"),
        ("stripes digits", "expected nothing after the data set, got 'digits'"),
        ("", "expected a data set's name, got the end"),
        ("stripes(size=é$)", "unexpected character '$'"),
    ],
)
def test_mistakes_are_named(stripes: Path, text: str, message: str):
    with pytest.raises(AblateError) as error:
        check_name(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_has_one_file(stripes: Path):
    with pytest.raises(ValueError, match=r"already defined in .*stripes\.py"):
        register.dataset("stripes", flip=True)(lambda request: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="cannot be a data set's name"):
        register.dataset("No Name", flip=True)


def test_names_are_checked_without_torch():
    """A study is checked while a user waits; and half a second of that is enough."""
    script = """
        import sys
        from ablate.data import check_name, inspect
        from ablate.errors import AblateError
        check_name("digits")
        try:
            check_name("cifra10")
        except AblateError as error:
            assert "did you mean 'cifar10'" in str(error)
        assert inspect("digits").classes == 10
        print(sorted({"torch", "torchvision", "timm", "sklearn", "pandas"} & set(sys.modules)))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == "[]", ended.stderr


def test_a_drawn_set(stripes: Path):
    data = load("stripes(widths=[1, 3, 5], size=6, images=30)")
    assert isinstance(data.train, DrawnSplit)
    assert isinstance(data.test, TensorSplit)
    assert (len(data.train), len(data.test), data.group_names) == (30, 20, ("1", "3", "5"))
    assert data.per_token
    assert data.resolution == data.native_resolution == (6, 6)
    first, again, later, other = (
        data.train.epoch(*which).images for which in ((7, 0), (7, 0), (7, 1), (8, 0))
    )
    assert torch.equal(first, again)
    drawn = [first, later, other, data.test.images, data.for_tuning().test.images]  # type: ignore[union-attr]
    for place, images in enumerate(drawn):
        assert not any(torch.equal(images[0], rest[0]) for rest in drawn[:place])
    assert torch.equal(data.test.images, load("stripes(size=6, images=9)").test.images)  # type: ignore[union-attr]
    with pytest.raises(AblateError, match="`images` says how many"):
        load("stripes", subset=10)
    with pytest.raises(AblateError, match="size must be at least 2"):
        load("stripes(size=1)")


def test_stored_splits_are_the_same_every_epoch():
    train = load("digits").train
    assert train.epoch(3, 5) is train


def test_a_set_that_says_nothing_is_loaded_to_be_looked_at(stripes: Path):
    summary = inspect("stripes(size=4)")
    assert summary.images == {"train": 50, "test": 20}
    assert (summary.classes, summary.resolution, summary.per_class) == (2, (4, 4), None)


@pytest.mark.parametrize("name", ["digits"])
def test_what_is_said_is_what_is_loaded(name: str):
    from ablate.data.load import summary_of

    assert inspect(name) == summary_of(load(name))


def test_classes_must_fit():
    assert inspect("digits", classes=10).classes == 10
    with pytest.raises(AblateError, match="digits has 10 classes, but the study says 5"):
        inspect("digits", classes=5)


@pytest.mark.parametrize(
    ("labels", "groups", "message"),
    [
        (torch.zeros(2, 3), None, "labels must be"),
        (torch.zeros(2), torch.zeros(2, 4, 4), "groups must have the shape of the labels"),
    ],
)
def test_splits_are_checked(labels: torch.Tensor, groups: torch.Tensor | None, message: str):
    with pytest.raises(ValueError, match=message):
        TensorSplit(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), labels.long(), groups)


def test_a_summary_survives_json():
    import json

    summary = inspect("digits")
    assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary
