"""The tidy frame as CSV and Parquet."""

from __future__ import annotations

import importlib.util
import io
import json
from typing import Any

import pandas as pd

from ablate.errors import AblateError


def to_tidy_csv(frame: pd.DataFrame) -> str:
    """The frame of `load_results` as CSV: full precision, lists as JSON, nothing where a value is missing."""
    return plain_columns(frame).to_csv(index=False, lineterminator="\n")


def to_parquet(frame: pd.DataFrame) -> bytes:
    """The same as a Parquet file. Raises `AblateError` where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise AblateError("Parquet needs pyarrow: pip install 'ablate-vision[parquet]'")
    buffer = io.BytesIO()
    plain_columns(frame).to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column of one type: lists and mixed values become text, as JSON."""
    plain = frame.copy()
    for name in set(plain.select_dtypes("float")) - {"value", "low", "high"}:
        if (plain[name].dropna() % 1 == 0).all():  # a resolution beside cells that have none
            plain[name] = plain[name].astype("Int64")
    for name in plain.columns[plain.dtypes == "object"]:
        known = plain[name].dropna()
        kinds = {type(value) for value in known}
        if kinds <= {int}:  # seeds: whole numbers beside what has none
            plain[name] = plain[name].astype("Int64")
        elif len(kinds) > 1 or kinds & {list, tuple, dict}:
            plain[name] = plain[name].map(_text, na_action="ignore")
    return plain


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
