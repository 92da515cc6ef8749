"""Search for layouts: Optuna over depths, widths and patterns, with the cells and ledger of `ablate run`."""

from ablate.search.driver import SearchResult, run_search
from ablate.search.space import SearchSpace

__all__ = ["SearchResult", "SearchSpace", "run_search"]
