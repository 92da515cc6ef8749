"""What is known of a network's feature maps, in the form of timm's `feature_info`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload


class FeatureInfo(Sequence[dict[str, Any]]):
    """A record for each stage: `num_chs` (channels), `reduction` (stride against the image), `module`.

    `channels()`, `reduction()` and `module_name()` give those of the stages that are put out, as in timm.
    """

    def __init__(self, info: Sequence[dict[str, Any]], out_indices: Sequence[int]):
        self.info = list(info)
        self.out_indices = tuple(out_indices)

    def channels(self, index: int | Sequence[int] | None = None) -> Any:
        """Channels of the maps that are put out, or of one or several stages."""
        return self._get("num_chs", index)

    def reduction(self, index: int | Sequence[int] | None = None) -> Any:
        """Their strides against the image."""
        return self._get("reduction", index)

    def module_name(self, index: int | Sequence[int] | None = None) -> Any:
        """The modules that make them."""
        return self._get("module", index)

    def get_dicts(
        self, keys: Sequence[str] | None = None, out_indices: Sequence[int] | None = None
    ) -> list[dict[str, Any]]:
        """The records of the maps that are put out."""
        chosen = self.out_indices if out_indices is None else out_indices
        return [
            {key: value for key, value in self.info[i].items() if keys is None or key in keys} for i in chosen
        ]

    def _get(self, key: str, index: int | Sequence[int] | None) -> Any:
        if isinstance(index, int):
            return self.info[index][key]
        return [self.info[i][key] for i in (self.out_indices if index is None else index)]

    def __len__(self) -> int:
        return len(self.info)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        return self.info[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.info)
