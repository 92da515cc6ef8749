"""A real Slurm of one node, and a real Ray: the same study, the same accuracies bit for bit.

Slurm is started here from Debian's `slurm-wlm` and `munge` where they are installed and this user is root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablate.run.execute import run_study
from ablate.run.executors.base import Executor, Setup, make_executor
from ablate.run.ledger import Ledger
from ablate.study.load import parse_study

pytestmark = pytest.mark.long

STUDY = """
input: {resolution: 8, channels: 1, classes: 10}
defaults: {stem: overlap(stride=2), widths: [8, 16], depths: [1, 1]}
layouts: {a: conv, b: pool}
measure:
  complexity: {resolutions: [8]}
  throughput: {resolutions: [8], batch: 1, processes: 2, rounds: 1, seconds: 0.05}
  accuracy: {dataset: digits, resolution: 8, epochs: 1, subset: 64, seeds: 2, batch: 32, precision: fp32}
"""
CONF = """
ClusterName=one
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={port}
SlurmdPort={port_of_node}
MpiDefault=none
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
NodeName={host} CPUs={cores} RealMemory=1000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
CGROUP = "CgroupPlugin=cgroup/v1\nCgroupMountpoint={folder}/cgroup\nCgroupAutomount=no\n"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "sbatch")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm of one node, this machine."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs {', '.join(missing) or 'root'}: apt install slurm-wlm munge")
    folder = tmp_path / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    told = {"folder": folder, "host": socket.gethostname().partition(".")[0], "cores": os.cpu_count()}
    conf = CONF.format(port=free_port(), port_of_node=free_port(), **told)
    (folder / "slurm.conf").write_text(conf)
    (folder / "cgroup.conf").write_text(CGROUP.format(folder=folder))
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    munged = [
        "munged", "--force", f"--socket={folder}/munge.sock", f"--key-file={folder}/munge.key",
        f"--pid-file={folder}/munge.pid", f"--log-file={folder}/munge.log",
        f"--seed-file={folder}/munge.seed",
    ]  # fmt: skip
    try:
        for command in (munged, ["slurmctld"], ["slurmd"]):
            started = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            if started.returncode:
                pytest.skip(f"{command[0]} cannot be started here: {started.stderr.strip()}")
        end = time.monotonic() + 60
        while (
            "idle" not in subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout
        ):
            if time.monotonic() > end:
                pytest.skip(f"the node does not come up: {(folder / 'slurmd.log').read_text()[-500:]}")
            time.sleep(0.5)
        yield
    finally:
        for name in ("slurmd", "slurmctld", "munge"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder / f"{name}.pid").read_text()), 15)


def accuracies(executor: Executor, folder: Path) -> dict[tuple[str, int], float]:
    with executor, Ledger(folder / "ledger.sqlite") as ledger:
        assert run_study(parse_study(STUDY), ledger, executor).failed == 0, ledger.records()
        records = ledger.records()
        assert len(ledger.ask("SELECT 1 FROM rows")) == len(records) == 8
        assert all(record.provenance.host and record.provenance.device for record in records)
        return {(r.layout, r.at("seed")): r.values.top1 for r in records if r.kind == "accuracy"}


def expected(folder: Path) -> dict[tuple[str, int], float]:
    return accuracies(make_executor("local", Setup(workers=1)), folder / "local")


def test_slurm(slurm: None, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    options = {"poll": "1", "grace": "10", "time": "10"}
    cluster = make_executor("slurm", Setup(folder=tmp_path / "cluster", options=options))
    assert accuracies(cluster, tmp_path / "cluster") == expected(tmp_path)


def test_ray(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    away = accuracies(make_executor("ray", Setup(workers=2)), tmp_path / "ray")
    assert away == expected(tmp_path)
