"""Work of fast Fourier transforms: no contraction, so element-wise operations, by the usual count.

A complex transform of n numbers takes 5 n log2 n real operations (Cooley & Tukey, 1965: n/2 log2 n
butterflies of one complex product and two complex sums), one between real and half-spectrum numbers half of
that. Over several dimensions the lines of each are transformed one after the other, which the product of the
lengths gives for a complex transform exactly, and for a real one in its leading term.
"""

from __future__ import annotations

from math import log2, prod
from typing import Any


def transform_operations(name: str, out: Any, args: tuple[Any, ...]) -> int:
    """Real operations of one call of `_fft_c2c`, `_fft_r2c` or `_fft_c2r`, rounded."""
    signal = out if name == "_fft_c2r" else args[0]  # the real side, which has the full length
    length = prod(signal.shape[dim] for dim in args[1])
    per_number = 5 if name == "_fft_c2c" else 2.5
    work: int = round(per_number * signal.numel() * log2(length))
    return work
