"""The grammar: what it accepts, where it points when it does not, and that nothing else can happen."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ablate.layout.call import BlockCall
from ablate.layout.pattern import (
    MAX_DEPTH,
    Pattern,
    PatternError,
    cycle_blocks,
    parse_call,
    parse_pattern,
)

names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in ("alternate", "graft")
)
texts = st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters="'\""), max_size=8)
values = st.one_of(
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    texts,
)
calls = st.builds(
    lambda name, args: BlockCall(name, tuple(args.items())), names, st.dictionaries(names, values, max_size=3)
)


def words(pattern: Pattern) -> list[list[str]]:
    return [[str(word.call) for word in cycle] for cycle in pattern.cycles]


@pytest.mark.parametrize(
    ("text", "stages"),
    [
        ("conv", [["conv"]]),
        ("conv key_only", [["conv", "key_only"]]),
        ("a | b c | d", [["a"], ["b", "c"], ["d"]]),
        ("[a b]*2 c", [["a", "b", "a", "b", "c"]]),
        ("a*3|[a [b c]*2]*2", [["a"] * 3, ["a", "b", "c", "b", "c"] * 2]),
        ("  a\n\t| b ", [["a"], ["b"]]),
        ("window(size=7,shift = true)", [["window(shift=true, size=7)"]]),
        (
            "a(x=1.0, y=-2, z=1e-3, u=none, v=false, w=word)",
            [["a(u=none, v=false, w=word, x=1.0, y=-2, z=0.001)"]],
        ),
        ("a(size=3.4M, part=1%)", [["a(part=0.01, size=3400000)"]]),
        ("alternate(conv, key_only)", [["conv", "key_only"]]),
        ("alternate(conv(kernel=7), a, b)", [["conv(kernel=7)", "a", "b"]]),
        ("graft(conv, softmax, from=3)", [["conv"], ["softmax"]]),
    ],
)
def test_what_a_text_means(text, stages):
    assert words(parse_pattern(text)) == stages


def test_a_graft_begins_at_its_stage():
    pattern = parse_pattern("graft(a, b, from=3)")
    assert [pattern.cycle(stage)[0].call.name for stage in range(5)] == ["a", "a", "b", "b", "b"]


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "expected a block, got the end"),
        ("   ", 3, "expected a block, got the end"),
        ("conv |", 6, "expected a block, got the end"),
        ("| conv", 0, "expected a block, got '|'"),
        ("conv || conv", 6, "expected a block, got '|'"),
        ("conv, conv", 4, "expected a block, '|' or the end, got ','"),
        ("conv]", 4, "expected a block, '|' or the end, got ']'"),
        ("[conv", 5, "expected a block or ']', got the end"),
        ("[]", 1, "expected a block after '[', got ']'"),
        ("conv*", 5, "expected a number of repetitions, got the end"),
        ("conv*x", 5, "expected a number of repetitions, got 'x'"),
        ("conv*0", 5, "expected a number of repetitions between 1 and 1000, got 0"),
        ("conv*1.5", 5, "expected a number of repetitions, got '1.5'"),
        ("[[a]*900]*900", 0, "a stage has at most 1000 blocks"),
        ("a b*1000", 2, "a stage has at most 1000 blocks"),
        ("[" * 30 + "a" + "]" * 30, 20, "brackets nest deeper than 20"),
        ("conv(7)", 5, "expected an argument of 'conv' as key=value, got '7'"),
        ("conv()", 5, "expected an argument of 'conv' as key=value, got ')'"),
        ("conv(kernel)", 5, "expected an argument of 'conv' as key=value, got 'kernel'"),
        ("conv(kernel=)", 12, "expected a value, got ')'"),
        ("conv(kernel=3", 13, "expected ',' or ')', got the end"),
        ("conv(kernel=3 expand=2)", 14, "expected ',' or ')', got 'expand'"),
        ("conv(kernel=3, kernel=5)", 15, "argument 'kernel' is given twice"),
        ("conv(kernel=3Q)", 12, "unknown unit 'Q' in '3Q'; known: k, K, M, G, T, %"),
        ("conv; softmax", 4, "unexpected character ';'"),
        ("conv $mixer", 5, "unexpected character '$' ($names come from `vary` in a study file)"),
        ("altrnate(conv, softmax)", 0, "unknown rule 'altrnate'; did you mean 'alternate'?"),
        ("alternate", 9, "expected '(' after 'alternate', got the end"),
        (
            "alternate(conv, softmax) | conv",
            25,
            "alternate(...) is the whole layout; nothing may follow it, got '|'",
        ),
        ("graft(conv, softmax)", 0, "graft needs two patterns and a stage: graft(conv, softmax, from=3)"),
        ("graft(conv, from=3)", 0, "graft needs two patterns and a stage: graft(conv, softmax, from=3)"),
        ("graft(conv, softmax, pool, from=3)", 21, "expected from=STAGE, got 'pool'"),
        ("graft(conv, softmax, from=x)", 26, "expected a stage number, got 'x'"),
        ("graft(conv, softmax, from=0)", 26, "expected a stage number between 1 and 1000, got 0"),
    ],
)
def test_where_a_mistake_is(text, offset, message):
    with pytest.raises(PatternError) as caught:
        parse_pattern(text)
    assert (caught.value.offset, caught.value.message) == (offset, message)


def test_a_call_stands_alone():
    assert parse_call("overlap(stride=2)").call == BlockCall("overlap", (("stride", 2),))
    with pytest.raises(PatternError, match="expected nothing after 'overlap'"):
        parse_call("overlap conv")


def test_words_know_their_places():
    word = parse_pattern("a  bc(x=1,  yy = 22)").cycles[0][1]
    assert (word.offset, word.key_offset("yy"), word.value_offset("yy")) == (3, 12, 17)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(calls, min_size=1, max_size=4), min_size=1, max_size=5))
def test_a_written_layout_reads_back(stages):
    text = " | ".join(" ".join(map(str, stage)) for stage in stages)
    assert [[word.call for word in cycle] for cycle in parse_pattern(text).cycles] == stages


fragments = st.sampled_from(
    [
        "conv",
        "alternate",
        "graft",
        "(",
        ")",
        "[",
        "]",
        "*",
        "|",
        ",",
        "=",
        "from",
        "2",
        "1e9",
        "%",
        "'",
        "$",
        "-",
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(fragments, max_size=12).map(" ".join), st.lists(fragments).map("".join)))
@example("9" * 5000)
@example("a*" + "9" * 5000)
@example("a(b=" + "9" * 5000 + ")")
@example("[" * 5000)
def test_any_text_parses_or_is_a_pattern_error_inside_it(text):
    offset, cycles = 0, ()
    try:
        cycles = parse_pattern(text).cycles
    except PatternError as error:
        offset = error.offset
    assert 0 <= offset <= len(text)
    assert all(0 < len(cycle) <= MAX_DEPTH for cycle in cycles)


@given(st.integers(1, 7), st.integers(1, 40))
def test_a_cycle_fills_its_depth(length, depth):
    cycle = tuple(parse_call(f"b{i}") for i in range(length))
    filled = cycle_blocks(cycle, depth)
    assert len(filled) == depth
    assert all(word is cycle[i % length] for i, word in enumerate(filled))
