"""`match:` of a study file: layouts brought to one budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ablate.layout.settings import Model
from ablate.study.fields import Bytes, Size


class Match(Model):
    """Make all layouts equal in one quantity by changing one dimension of each."""

    params: Size | None = Field(default=None, description="Parameters, as 13.1M.")
    macs: Size | None = Field(default=None, description="MACs at the input's resolution, as 0.6G.")
    memory: Bytes | None = Field(
        default=None, description="Peak memory of one inference in bytes, as 512MiB."
    )
    tolerance: Size = Field(default=0.01, description="Largest relative difference that is accepted, as 1%.")
    by: Literal["width", "depth", "expansion"] = Field(
        default="width", description="The dimension that is changed."
    )

    @model_validator(mode="after")
    def _one_quantity(self) -> Match:
        given = [name for name in ("params", "macs", "memory") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"match one quantity, not {' and '.join(given)}")
        if not given:
            raise ValueError("match needs one of params, macs, memory")
        check_tolerance(self.tolerance)
        return self

    @property
    def quantity(self) -> Literal["params", "macs", "memory"]:
        """The quantity that is matched."""
        return "params" if self.params is not None else "macs" if self.macs is not None else "memory"

    @property
    def target(self) -> float:
        """The budget, in the quantity's unit."""
        return float(getattr(self, self.quantity))


def check_tolerance(tolerance: float) -> None:
    """Raise `ValueError` for a relative difference that accepts everything."""
    if tolerance >= 1:
        raise ValueError(f"the tolerance must be below 100%, got {tolerance:.0%}")
