"""What a study file says when it is wrong: every message, at its line and column, and all of them at once."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ablate.layout import LayoutError
from ablate.study import parse_study

KEYS = [
    *(
        "study",
        "input",
        "defaults",
        "vary",
        "layouts",
        "match",
        "measure",
        "report",
        "search",
        "blocks",
        "more",
    ),
    *(
        "layout",
        "stages",
        "widths",
        "depths",
        "heads",
        "stem",
        "space",
        "patterns",
        "objectives",
        "constraints",
    ),
    *("params", "macs", "by", "tolerance", "memory", "complexity", "resolutions", "baseline", "m"),
]


def mistakes(text: str) -> list[str]:
    """The problems' first lines, without the file's name."""
    with pytest.raises(LayoutError) as caught:
        parse_study(text, "f.yaml")
    return [str(problem).split("\n")[0].removeprefix("f.yaml:") for problem in caught.value.problems]


def in_layouts(entry: str) -> str:
    return f"layouts:\n  {entry}\n"


def beside(line: str) -> str:
    """A line of a study that is in order otherwise."""
    return f"layouts: {{a: conv, b: softmax}}\n{line}\n"


CASES = {
    # the pattern, in every way of writing text
    "a: conv sofmax": ["2:11: unknown block 'sofmax'; did you mean 'softmax'?"],
    'a: "conv sofmax"': ["2:12: unknown block 'sofmax'; did you mean 'softmax'?"],
    "a: 'conv sofmax'": ["2:12: unknown block 'sofmax'; did you mean 'softmax'?"],
    "a: >\n    conv\n    sofmax": ["4:5: unknown block 'sofmax'; did you mean 'softmax'?"],
    "a:   # said\n    {layout: conv sofmax}": ["3:19: unknown block 'sofmax'; did you mean 'softmax'?"],
    "a:\n    stages: conv | sofmax": ["3:20: unknown block 'sofmax'; did you mean 'softmax'?"],
    "a: sofmax | sofmax": [
        "2:6: unknown block 'sofmax'; did you mean 'softmax'?",
        "2:15: unknown block 'sofmax'; did you mean 'softmax'?",
    ],
    "a: conv(krnel=3)": ["2:11: unknown argument 'krnel' of 'conv'; did you mean 'kernel'?"],
    "a: conv(kernel=big)": ["2:18: argument 'kernel' of 'conv' must be a whole number, got big"],
    "a: conv(kernel=4)": ["2:18: conv: kernel must be odd, got 4"],
    "a: conv*0": ["2:11: expected a number of repetitions between 1 and 1000, got 0"],
    "a: graft(conv, softmax, from=5)": ["2:32: from=5, but the layout has 4 stages"],
    "a: {layout: graft(conv, softmax)}": [
        "2:25: expected ',' or ')', got the end; inside [] or {} a text with commas needs quotes",
        "2:27: the key 'softmax)' has no value; inside {} a text with commas needs quotes",
    ],
    # settings of a layout
    "a: 3": ["2:6: expected a layout's text, or a mapping with `layout` or `stages`"],
    "a: {widths: 8}": ["2:6: a layout needs `layout` or `stages`"],
    "a: {layuot: conv}": ["2:7: unknown key 'layuot'; did you mean 'layout'?"],
    "a: {layout: conv, dephts: 2}": ["2:21: unknown key 'dephts'; did you mean 'depths'?"],
    "a: {layout: conv, depths: two}": ["2:29: expected a whole number, got 'two'"],
    "a: {layout: conv, depths: [1, 2, two, 2]}": ["2:36: expected a whole number, got 'two'"],
    "a: {layout: conv, depths: 1.5}": ["2:29: expected a whole number, got 1.5"],
    "a: {layout: conv, widths: {x: 1}}": ["2:29: expected a whole number, got a mapping"],
    "a: {layout: conv, drop_path: -0.1}": ["2:32: expected at least 0, got -0.1"],
    "a: {layout: conv, stem: overlp}": ["2:27: unknown stem 'overlp'; did you mean 'overlap'?"],
    "a: {layout: conv, ffn: mpl(x=1)}": ["2:26: unknown ffn 'mpl'; did you mean 'mlp'?"],
    "a: {layout: conv, norm: 3}": ["2:27: expected text, got 3"],
    "a: {layout: conv sofmax, widths: x}": [
        "2:20: unknown block 'sofmax'; did you mean 'softmax'?",
        "2:36: expected a whole number, got 'x'",
    ],
    "a: {layout: conv, stages: conv}": ["2:15: `layout` and `stages` say the same thing; give one of them"],
    "a: {stages: conv, widths: 8, depths: 2}": [
        "2:32: `stages` spells the depths out; give `depths` with `layout`, not with `stages`"
    ],
    "a: {stages: 'graft(conv, softmax, from=2)'}": [
        "2:22: `stages` spells every block out; graft(...) goes with `layout`"
    ],
    "a: {layout: a | b, widths: [1, 2, 3]}": ["2:15: the pattern has 2 stages, but `widths` has 3 values"],
    "a: {layout: softmax, heads: [1, 2, 3, 4]}": ["2:38: 3 heads cannot share the 320 channels of stage 3"],
    # timm
    "a: timm:resnet51": ["2:11: timm has no model 'resnet51'; did you mean 'resnet51q'?"],
    "a: {layout: timm:resnet50, depths: 2}": ["2:30: 'depths' does not apply to a model of timm"],
    # the form of the file
    "a: conv\n  a: conv": ["3:3: the key 'a' is given twice; first on line 2"],
    "a:": ["2:3: the key 'a' has no value"],
    "a: !!python/name:os.system": ["2:6: tags are not allowed, got !!python/name:os.system"],
    "a: [conv": ["3:1: not YAML: expected ',' or ']', but got '<stream end>'"],
}


@pytest.mark.parametrize("entry", CASES, ids=range(len(CASES)))
def test_mistakes_in_layouts(entry):
    assert mistakes(in_layouts(entry)) == CASES[entry]


SECTIONS = {
    "inptu: {}": ["2:1: unknown key 'inptu'; did you mean 'input'?"],
    "study: a/b": ["2:8: a study's name is made of letters, digits, '_', '-' and '.', got 'a/b'"],
    "input: {resolution: 0}": ["2:21: expected at least 1, got 0"],
    "input: 224": ["2:8: expected a mapping, got 224"],
    "input: {chanels: 3}": ["2:9: unknown key 'chanels'; did you mean 'channels'?"],
    "defaults: {widths: [8, 8], depths: [1]}": ["2:36: `depths` has 1 value, but `widths` has 2"],
    "defaults: {stem: overlp}": ["2:18: unknown stem 'overlp'; did you mean 'overlap'?"],
    "defaults: {layout: conv}": [
        "2:12: unknown key 'layout'; known: stem, downsample, widths, depths, heads, head_dim, mlp_ratio, "
        "ffn, norm, norm_place, layer_scale, res_scale, position, recipe, head, drop_path"
    ],
    "match: {params: 1M, macs: 1G}": ["2:8: match one quantity, not params and macs"],
    "match: {params: 1M, macs: 1X}": [
        "2:8: match one quantity, not params and macs",
        "2:27: unknown unit 'X' in '1X'; known: k, K, M, G, T, %",
    ],
    "match: {by: width}": ["2:8: match needs one of params, macs, memory"],
    "match: {params: 1M, by: widht}": [
        "2:25: expected 'width', 'depth' or 'expansion', got 'widht'; did you mean 'width'?"
    ],
    "match: {params: -3}": ["2:17: expected more than 0, got -3"],
    "match: {params: 3M, tolerance: 150%}": ["2:8: the tolerance must be below 100%, got 150%"],
    "match: {memory: 1%}": [
        "2:17: unknown unit '%' in '1%'; known: k, K, M, G, T, B, kB, KB, MB, GB, TB, KiB, MiB, GiB, TiB, kiB"
    ],
    "measure: {speed: {}}": [
        "2:11: unknown key 'speed'; known: complexity, scaling, audit, memory, throughput, accuracy, "
        "dense, imagenet, detection, diagnostics, receptive_field, segmentation",
    ],
    "measure: {complexity: {resolutions: [224, 0]}}": ["2:43: expected at least 1, got 0"],
    "measure: {complexity: {resolutions: [8, 8]}}": ["2:37: 8 is given twice"],
    "measure: {complexity: {resolutions: []}}": ["2:37: the list is empty"],
    "measure: {complexity: {audit: 1}}": ["2:31: expected true or false, got 1"],
    "measure: {memory: {modes: trainig}}": [
        "2:27: expected 'inference' or 'training', got 'trainig'; did you mean 'training'?"
    ],
    "measure: {throughput: {precison: fp32}}": ["2:24: unknown key 'precison'; did you mean 'precision'?"],
    "measure: {accuracy: {epochs: 0, dataset: digits}}": ["2:30: expected more than 0, got 0"],
    "measure: {accuracy: {seeds: 0, dataset: digits}}": ["2:29: expected at least 1, got 0"],
    "measure: {accuracy: {dataset: digits, flip_test: true}}": [
        "2:50: digits: a mirrored image may change its class; flip_test cannot be used"
    ],
    "measure: {segmentation: {dataset: 'cutouts:shaps'}}": [
        "2:35: cutouts takes shapes, drawn, clipart after its colon, got 'shaps'; did you mean 'shapes'?"
    ],
    "measure: {detection: {dataset: coco}}": ["2:32: coco needs a folder: coco:PATH"],
    "measure: {accuracy: {}}": ["2:11: the key 'dataset' is missing"],
    "report: {baseline: c}": ["2:20: unknown layout 'c'; known: a, b"],
    "search: {objectives: [minimize mac], space: {depths: [[1, 2]]}}": [
        "2:23: unknown metric 'mac'; did you mean 'macs'?"
    ],
    "search: {objectives: [maximise accuracy], space: {depths: [[1, 2]]}}": [
        "2:23: unknown direction 'maximise'; did you mean 'maximize'?"
    ],
    "search: {objectives: [minimize macs, maximize macs], space: {}}": ["2:9: macs is given twice"],
    "search: {objectives: [minimize macs], constraints: [params < 3M], space: {}}": [
        "2:53: unknown comparison '<'; use <= or >="
    ],
    "search: {objectives: [minimize macs], space: {depths: [[1, 2]], widths: [[8], [8]]}}": [
        "2:73: `widths` has 2 stages, but `depths` has 1"
    ],
    "search: {objectives: [minimize macs], space: {depths: [[3, 2]]}}": ["2:56: the range 3 to 2 is empty"],
    "search: {objectives: [minimize macs], space: {patterns: [conv, conv sofmax, a|b]}}": [
        "2:69: unknown block 'sofmax'; did you mean 'softmax'?",
        "2:77: expected a pattern of one stage",
    ],
    "search: {objectives: [minimize macs], space: {depths: [[1], [1, 2, 3]]}}": [
        "2:56: expected two numbers, the least and the greatest depth, got 1; "
        "a step is written as '1..6 step 2'",
        "2:61: expected two numbers, the least and the greatest depth, got 3; "
        "a step is written as '1..6 step 2'",
    ],
    "search: {objectives: [minimize macs], space: {patterns: 3}}": ["2:57: expected a list, got 3"],
    "blocks: [none.py]": ["2:10: there is no file 'none.py'"],
    "vary: {mixer: [$x, 1, {}]}": ["2:23: expected a word, a number, or a list of them"],
    "vary: {mixer: []}": ["2:15: the list is empty"],
}


@pytest.mark.parametrize("line", SECTIONS, ids=range(len(SECTIONS)))
def test_mistakes_beside_layouts(line):
    assert mistakes(beside(line)) == SECTIONS[line]


VARIED = {
    # in a value: at the value, and once, however many layouts use it
    "vary: {mixer: [softmax, sofmax]}\nlayouts:\n  a-$mixer: conv $mixer\n  b-$mixer: $mixer\n": [
        "1:25: unknown block 'sofmax'; did you mean 'softmax'?"
    ],
    "vary:\n  mixer:\n    - softmax\n    - conv(kernel=4)\nlayouts: {a-$mixer: $mixer}\n": [
        "4:19: conv: kernel must be odd, got 4"
    ],
    "vary: {w: [[8, 16], [8, x]]}\nlayouts:\n  a-$w: {layout: conv, widths: $w}\n": [
        "1:25: expected a whole number, got 'x'"
    ],
    "vary: {k: [3, 4]}\nlayouts:\n  a-$k: conv(kernel=$k)\n": ["1:15: conv: kernel must be odd, got 4"],
    # beside a value: in the layout, and once
    "vary: {mixer: [softmax, window]}\nlayouts:\n  a-$mixer: $mixer cnv\n": [
        "3:20: unknown block 'cnv'; did you mean 'conv'?"
    ],
    "vary: {mixer: [softmax, window]}\nlayouts:\n  a-$mixer: alternate($mixer, conv\n": [
        "3:35: expected ',' or ')', got the end"
    ],
    # names
    "vary: {mixer: [softmax]}\nlayouts:\n  a-$mixr: conv\n": [
        "3:3: unknown name '$mixr'; did you mean 'mixer'?"
    ],
    "layouts:\n  a: conv $mixer\n": ["2:11: unknown name '$mixer'; the file has no `vary`"],
    "vary: {mixer: [softmax, conv]}\nlayouts:\n  a: $mixer\n": [
        "3:3: two layouts have the name 'a'; write $mixer in the name"
    ],
    "vary: {mixer: [softmax, conv]}\nlayouts:\n  a-softmax: conv\n  a-$mixer: $mixer\n": [
        "4:3: two layouts have the name 'a-softmax', as 'a-softmax' has"
    ],
}


@pytest.mark.parametrize("text", VARIED, ids=range(len(VARIED)))
def test_mistakes_through_vary(text):
    assert mistakes(text) == VARIED[text]


def test_five_mistakes_are_five_problems_with_their_lines():
    text = """\
study: five
defaults:
  dephts: [2, 2, 2, 2]
layouts:
  a: alternate(conv, sofmax)
  b: {layout: conv, widths: [64, two, 320, 512]}
measure:
  complexity: {resolutions: [224, 0]}
report: {baseline: c}
"""
    with pytest.raises(LayoutError) as caught:
        parse_study(text, "layouts.yaml")
    assert (
        str(caught.value)
        == """\
layouts.yaml:3:3: unknown key 'dephts'; did you mean 'depths'?
      dephts: [2, 2, 2, 2]
      ^
layouts.yaml:5:22: unknown block 'sofmax'; did you mean 'softmax'?
      a: alternate(conv, sofmax)
                         ^
layouts.yaml:6:34: expected a whole number, got 'two'
      b: {layout: conv, widths: [64, two, 320, 512]}
                                     ^
layouts.yaml:8:35: expected at least 1, got 0
      complexity: {resolutions: [224, 0]}
                                      ^
layouts.yaml:9:20: unknown layout 'c'; known: a, b
    report: {baseline: c}
                       ^"""
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n- b\n", "1:1: a study is a mapping of keys"),
        ("study: x\n", "1:1: a study needs `layouts` or `search`"),
        ("layouts: [conv]\n", "1:10: expected a mapping of names to layouts"),
        ("layouts: {a: conv}\nvary: [x]\n", "2:7: expected a mapping of names to lists of values"),
    ],
)
def test_files_of_another_shape(text, problem):
    assert mistakes(text) == [problem]


fragments = st.sampled_from(
    [
        "",
        " ",
        ":",
        "[]",
        "{}",
        "[1]",
        "{a: 1}",
        "3",
        "-1",
        "true",
        "x",
        "$mixer",
        "$",
        "'",
        '"',
        "\n",
        "&a ",
        "*a",
        "<<: ",
    ]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_file_is_a_layout_error(example, data):
    text = example
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(fragments) + text[end:]
    with contextlib.suppress(LayoutError):
        parse_study(text, check=False)


values = st.recursive(
    st.sampled_from(
        [None, True, 0, -1, 3, 2.5, "", "x", "$m", "conv", "1M", "minimize macs", "params <= 1M"]
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS[:11]), values))
def test_a_file_with_other_values_is_a_layout_error(data):
    text = json.dumps(data)
    with contextlib.suppress(LayoutError):
        parse_study(text, check=False)
