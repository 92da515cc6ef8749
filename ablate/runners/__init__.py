"""Measurements: memory, throughput and accuracy of built models, and the statistics of what they give.

`ablate.statistics.seeds`, `.environment` and `.provenance` import no torch, so that a driver and a report
may use them; import the other modules by name where they are needed.
"""
