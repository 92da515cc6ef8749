"""Optuna's samplers by name, with settings for the short searches of this suite."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec

import optuna
from optuna.samplers import BaseSampler

from ablate.errors import AblateError

POPULATION = 20  # of NSGA-II and III; Optuna's 50 would leave short searches at random
_NEEDS = {"cmaes": "cmaes", "gp": "torch", "qmc": "scipy"}

# Called with the seed of this trial and the seed of the search.
_SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "tpe": lambda seed, base: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True),
    "nsga2": lambda seed, base: optuna.samplers.NSGAIISampler(seed=seed, population_size=POPULATION),
    "nsga3": lambda seed, base: optuna.samplers.NSGAIIISampler(seed=seed, population_size=POPULATION),
    "random": lambda seed, base: optuna.samplers.RandomSampler(seed=seed),
    # a sequence: every trial takes its next point
    "qmc": lambda seed, base: optuna.samplers.QMCSampler(seed=base, scramble=True),
    "gp": lambda seed, base: optuna.samplers.GPSampler(seed=seed),
    "cmaes": lambda seed, base: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False),
}


def check_sampler(name: str, objectives: int) -> None:
    """Raises `AblateError` for a sampler that cannot do this search, or whose package is not installed."""
    package = _NEEDS.get(name)
    if package is not None and find_spec(package) is None:
        raise AblateError(f"the sampler {name!r} needs the package {package!r}: pip install {package}")
    if name == "cmaes" and objectives > 1:
        raise AblateError("the sampler 'cmaes' has one objective; use tpe, nsga2, nsga3 or gp")


def make_sampler(name: str, seed: int, base: int) -> BaseSampler:
    """The sampler of one trial."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _SAMPLERS[name](seed, base)
