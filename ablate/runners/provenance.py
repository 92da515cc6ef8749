"""Where a number comes from: versions, machine, load, commit, command line. Imports no torch."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = {"torch": "torch", "timm": "timm", "ablate": "ablate-vision"}


@dataclass(frozen=True)
class Provenance:
    """The record beside every measured value."""

    torch: str | None
    timm: str | None
    ablate: str | None
    python: str
    platform: str
    processor: str
    device: str  # what the measurement ran on: the processor, or the GPU's name
    cores: int
    threads: int | None
    load_average: float | None  # of the last minute, when the record was made
    git_commit: str | None  # of the working directory; None outside a repository
    git_dirty: bool | None
    command: str

    def to_json(self) -> dict[str, str | int | float | bool | None]:
        """The record as a flat dictionary."""
        return asdict(self)


def provenance(device: str | None = None, threads: int | None = None) -> Provenance:
    """The record of this process, now. `device` is the name of the GPU where one is used."""
    commit, dirty = git_state(Path.cwd())
    return Provenance(
        **{name: package_version(package) for name, package in PACKAGES.items()},
        python=platform.python_version(),
        platform=platform.platform(),
        processor=processor_name(),
        device=device or processor_name(),
        cores=os.cpu_count() or 1,
        threads=threads,
        load_average=load_average(),
        git_commit=commit,
        git_dirty=dirty,
        command=" ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    )


def package_version(package: str) -> str | None:
    """The installed version of a distribution, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class CpuTime:
    """Seconds that all cores together, and this process alone, have been at work; and the clock."""

    everybody: float | None  # None where the system does not say
    own: float
    clock: float

    @classmethod
    def now(cls) -> CpuTime:
        """The three clocks as they stand."""
        try:
            fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
        except OSError:
            return cls(None, time.process_time(), time.monotonic())
        user, nice, system, _idle, _wait, irq, softirq = (int(field) for field in fields[:7])
        ticks = user + nice + system + irq + softirq
        return cls(ticks / os.sysconf("SC_CLK_TCK"), time.process_time(), time.monotonic())

    def others_until(self, end: CpuTime) -> float | None:
        """How many cores other processes kept busy between here and `end`, on average."""
        if self.everybody is None or end.everybody is None or end.clock <= self.clock:
            return None
        busy = (end.everybody - self.everybody) - (end.own - self.own)
        return max(0.0, busy / (end.clock - self.clock))


def load_average() -> float | None:
    """Processes that wanted a core during the last minute; `None` where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has none
        return None


@cache
def processor_name() -> str:
    """The processor as it calls itself: `Intel(R) Xeon(R) Processor`."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def git_state(directory: Path) -> tuple[str | None, bool | None]:
    """Commit and whether tracked files differ from it; both `None` outside a repository or without git."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "--no-optional-locks", *arguments],
                cwd=directory,
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None, None
    changes = git("status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)
