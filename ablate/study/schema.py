"""The JSON Schema of study files, for editors."""

from __future__ import annotations

from typing import Any

from ablate.layout.settings import LayoutSettings
from ablate.study.measure import measure_model
from ablate.study.study import StudyFile

_VARIED = {"type": "string", "pattern": r"\$(\w+|\{\w+\})"}  # `widths: $widths`
_VALUE = {"type": ["string", "number", "boolean"]}


def study_json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) that accepts every valid study file; every key has its description."""
    schema = StudyFile.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    measure = measure_model().model_json_schema()
    definitions |= measure.pop("$defs", {})
    definitions["Measure"] = measure
    schema["properties"]["measure"] = {"$ref": "#/$defs/Measure", "description": "What is measured."}
    entry = LayoutSettings.model_json_schema()
    definitions |= entry.pop("$defs", {})
    schema = _without_null(schema)
    entry = _without_null(entry)
    for value in entry["properties"].values():
        choices = value.pop("anyOf", None) or value.pop("oneOf", None)
        if choices is None:
            choices = [{key: value.pop(key) for key in list(value) if key not in ("title", "description")}]
        value["anyOf"] = [*choices, _VARIED]
    text = {"type": "string", "description": "The name of a layout of this file; what is said here differs."}
    entry["properties"]["base"] = text
    entry["anyOf"] = [{"required": [key]} for key in ("layout", "stages", "base")]
    entry["not"] = {"required": ["layout", "stages"]}
    schema["$defs"]["LayoutSettings"] = entry
    properties = schema["properties"]
    properties["layouts"]["additionalProperties"] = {
        "anyOf": [
            {
                "type": "string",
                "description": "A rule, a pattern that is cycled to fill depths, or timm:NAME.",
            },
            {"$ref": "#/$defs/LayoutSettings"},
        ]
    }
    properties["vary"]["additionalProperties"] = {
        "anyOf": [_VALUE, {"type": "array", "minItems": 1, "items": {"anyOf": [_VALUE, _list_of(_VALUE)]}}]
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _without_null(node: Any) -> Any:
    """The schema without `null`: a study file leaves a key out instead."""
    if isinstance(node, list):
        return [_without_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: _without_null(value) for key, value in node.items()}
    if node.get("default", 0) is None or isinstance(node.get("default"), dict):
        del node["default"]
    if isinstance(node.get("anyOf"), list):
        node["anyOf"] = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        if len(node["anyOf"]) == 1:
            only = node.pop("anyOf")[0]
            node = {**only, **node}
    return node
