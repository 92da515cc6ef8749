"""The tables of a report: one file each, found by listing this package."""
