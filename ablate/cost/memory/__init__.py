"""Bytes without a device: every live storage of a run followed, and composed along a chain of parts."""
