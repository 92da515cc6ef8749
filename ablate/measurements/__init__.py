"""The measurements: one file each, found by listing this package; no torch.

`ablate.measurements.register` is the entrance; `ablate.measurements.base` says what a measurement declares.
"""
