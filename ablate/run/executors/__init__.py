"""Where jobs run: one file an executor, found by listing this package."""
