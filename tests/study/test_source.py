"""YAML as people expect it, and where everything stands."""

import contextlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.errors import LayoutError, Mistake
from ablate.study.source import parse_source, read_source


def data(text):
    source = parse_source(text, "f.yaml")
    assert not source.mistakes
    return source.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("1e-3", 0.001),
        ("1_000", 1000),
        (".5", 0.5),
        ("true", True),
        ("13.1M", "13.1M"),
        ("1%", "1%"),
        ("2001-01-01", "2001-01-01"),
        ("'12'", "12"),
        ("[1, [a, b]]", [1, ["a", "b"]]),
        ("12:30", "12:30"),
    ],
)
def test_scalars(text, value):
    got = data(f"key: {text}")["key"]
    assert got == value
    assert type(got) is type(value)


def test_keys_are_text():
    assert data("no: 1\n12: 2\ntrue: 3") == {"no": 1, "12": 2, "true": 3}


def test_anchors_and_merges():
    source = parse_source("a: &x {p: 1, q: [2, 3]}\nb: {<<: *x, p: 4}\nc: *x\n", "f.yaml")
    assert source.data == {"a": {"p": 1, "q": [2, 3]}, "b": {"p": 4, "q": [2, 3]}, "c": {"p": 1, "q": [2, 3]}}
    assert str(source.problem(Mistake("here", ("b", "q", 1)))).startswith("f.yaml:1:21: here\n")
    assert str(source.problem(Mistake("here", ("b", "p")))).startswith("f.yaml:2:16: here\n")


def test_a_merge_of_several():
    text = "a: &a {p: 1}\nb: &b {p: 2, q: 3}\nc: {<<: [*a, *b]}\n"
    assert data(text)["c"] == {"p": 1, "q": 3}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: the key 'a' is given twice; first on line 1"),
        ("a: {x: 1, x: 1}", "f.yaml:1:11: the key 'x' is given twice; first on line 1"),
        ("a:\nb: 1", "f.yaml:1:1: the key 'a' has no value"),
        ("a: !!python/object:os.x y", "f.yaml:1:4: tags are not allowed, got !!python/object:os.x"),
        ("a: !mine [1]", "f.yaml:1:4: tags are not allowed, got !mine"),
        ("a: &x [*x]", "f.yaml:1:4: an anchor contains itself"),
        ("[a, b]: 1", "f.yaml:1:1: a key must be a word"),
        (
            "a: {x: graft(p, q)}",
            "f.yaml:1:17: the key 'q)' has no value; inside {} a text with commas needs quotes",
        ),
    ],
)
def test_mistakes_of_form(text, problem):
    mistakes = parse_source(text, "f.yaml").mistakes
    assert [str(mistake).split("\n")[0] for mistake in mistakes] == [problem]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1,\n", "f.yaml:2:1: not YAML: "),
        ("a: b: c", "f.yaml:1:5: not YAML: "),
        ("a: *b", "f.yaml:1:4: not YAML: found undefined alias"),
        ("a: 'x", "f.yaml:1:6: not YAML: "),
        ("\tb: 1", "f.yaml:1:1: not YAML: "),
        ("", "f.yaml:1:1: the file is empty"),
        ("# only words\n", "f.yaml:1:1: the file is empty"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not YAML: "),
        ("a: \0", "f.yaml:1:1: not YAML: "),
        ("[" * 500, "f.yaml:1:1: the file nests too deeply"),
    ],
)
def test_what_is_not_yaml(text, place):
    with pytest.raises(LayoutError) as caught:
        parse_source(text, "f.yaml")
    assert str(caught.value).startswith(place)


def test_aliases_cannot_fill_the_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(LayoutError, match="more than 100000 values"):
        parse_source("\n".join(lines), "f.yaml")


TEXT = "one two three"


@pytest.mark.parametrize(
    ("yaml", "line", "column"),
    [
        ("k: one two three", 1, 8),
        ("k:   one two three  # said", 1, 10),
        ('k: "one two three"', 1, 9),
        ("k: 'one two three'", 1, 9),
        ("{k: one two three}", 1, 9),
        ("k: >\n  one\n  two three\n", 3, 3),
        ("k: |-\n  one two three", 2, 7),
        ("k: one\n   two\n   three", 2, 4),
        ('k: "one\n   two\n   three"', 2, 4),
        ('k: "\\x6fne two three"', 1, 4),  # escapes: the text's start
    ],
)
def test_places_inside_texts(yaml, line, column):
    source = parse_source(yaml, "f.yaml")
    assert source.data["k"].split() == TEXT.split()
    problem = source.problem(Mistake("m", ("k",), TEXT.index("two")))
    assert (problem.line, problem.column) == (line, column)


def test_the_end_of_a_text_is_after_its_last_character():
    source = parse_source("k: one two\nl: 'it''s one'\n", "f.yaml")
    assert source.problem(Mistake("m", ("k",), 7)).column == 11
    assert source.problem(Mistake("m", ("l",), 5)).column == 11


def test_a_part_that_is_not_written_is_at_its_parents_key():
    source = parse_source("a: {b: {c: 1}}", "f.yaml")
    assert source.problem(Mistake("m", ("a", "b", "x", "y"))).column == 5
    assert source.problem(Mistake("m", ())).column == 1


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(LayoutError, match="No such file"):
        read_source(tmp_path / "none.yaml")
    with pytest.raises(LayoutError, match="directory"):
        read_source(tmp_path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LayoutError, match=r"binary\.yaml: is not a text file in UTF-8"):
        read_source(binary)


def test_a_byte_order_mark_moves_nothing(tmp_path):
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\na: 2\r\n")
    assert str(read_source(path).mistakes[0]).endswith(
        ":2:1: the key 'a' is given twice; first on line 1\n    a: 2\n    ^"
    )


pieces = st.sampled_from(
    [
        "a",
        ":",
        " ",
        "\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x",
        "*x",
        "!t",
        "<<",
        "'",
        '"',
        "|",
        ">",
        "#",
        "1",
        "%",
        "?",
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(pieces).map("".join)))
@example("? a\n: b")
@example("<<: 1")
@example("a: &x\n  <<: *x")
@example("!!int x")
@example("a: !!float x")
@example("%YAML 1.3\n---\na: 1")
@example("%TAG ! tag:x,2000:\n---\na: !b 1")
@example("9" * 5000)
@example("0x" + "9" * 5000)
def test_any_text_is_data_or_a_layout_error(text):
    with contextlib.suppress(LayoutError):
        parse_source(text, "f.yaml")
