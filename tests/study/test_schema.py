"""The JSON Schema: valid itself, says what every key is, accepts what the language accepts."""

import jsonschema
import pytest

from ablate.study import parse_study, study_json_schema
from ablate.study.shipped import shipped_studies
from ablate.study.source import parse_source

SCHEMA = study_json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def accepts(text: str) -> bool:
    return VALIDATOR.is_valid(parse_source(text, "f.yaml").data)


def test_it_is_a_schema():
    VALIDATOR.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_key_is_described():
    def properties(node):
        if isinstance(node, dict):
            yield from node.get("properties", {}).items()
            for below in node.values():
                yield from properties(below)

    assert [key for key, value in properties(SCHEMA) if not {"description", "$ref"} & value.keys()] == []


@pytest.mark.parametrize("path", shipped_studies().values(), ids=str)
def test_it_accepts_the_shipped_studies(path):
    assert list(VALIDATOR.iter_errors(parse_source(path.read_text(), path.name).data)) == []


GOOD = (
    "layouts: {a: conv}\nmatch: {params: 13.1M, tolerance: 1%}\n",
    "layouts: {a: conv}\nmatch: {macs: 600000000}\n",
    "layouts: {a: {stages: conv | softmax, widths: 8}}\nmeasure: {complexity: {resolutions: 64}}\n",
    "vary: {w: [[8, 16]], m: conv}\nlayouts:\n  a-$w-$m: {layout: $m, widths: $w}\n",
    "search: {objectives: [minimize macs], space: {patterns: [[conv], [softmax]]}}\n",
    "search: {objectives: [minimize macs], constraints: [macs <= 3M], space: {patterns: [conv]}}\n",
    "layouts: {a: conv}\nmeasure: {throughput: {precision: bf16, modes: [inference], seconds: 0.5}}\n",
)


@pytest.mark.parametrize("text", GOOD)
def test_it_accepts_what_the_language_accepts(text):
    parse_study(text)
    assert accepts(text)


def test_it_accepts_the_documented_example(example):
    assert accepts(example)


@pytest.mark.parametrize(
    "text",
    [
        "layuots: {a: conv}",
        "layouts: {a: 3}",
        "layouts: {a: {widths: 8}}",
        "layouts: {a: {layout: conv, stages: conv}}",
        "layouts: {a: {layout: conv, depths: two}}",
        "layouts: {a: {layout: conv, dephts: 2}}",
        "input: {resolution: 0}",
        "input: {resolution: '224'}",
        "measure: {throughput: {precision: fp8}}",
        "measure: {accuracy: {epochs: 3}}",
        "match: {params: []}",
        "report: []",
    ],
)
def test_it_refuses_what_the_language_refuses(text):
    assert not accepts(text)
