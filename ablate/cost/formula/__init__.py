"""Exact formulas of a block's cost, found by rational interpolation, and their LaTeX table."""
