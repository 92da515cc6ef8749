import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ablate.errors import AblateError
from ablate.runners import device
from ablate.runners.environment import worker_environment
from ablate.runners.provenance import git_state, package_version, provenance


def test_worker_environment_reaches_torch():
    code = "import torch; print(torch.get_num_threads())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **worker_environment(1)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


def test_worker_environment_is_complete():
    assert worker_environment(2) == {
        "OMP_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
        "MALLOC_TRIM_THRESHOLD_": "4294967296",
        "MALLOC_TOP_PAD_": "268435456",
    }
    with pytest.raises(ValueError, match="at least 1"):
        worker_environment(0)


def test_provenance_without_torch():
    code = (
        "import sys, json; from ablate.runners.provenance import provenance; "
        "facts = provenance(threads=1).to_json(); assert 'torch' not in sys.modules; print(json.dumps(facts))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert facts["torch"] == package_version("torch")
    assert facts["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert facts["threads"] == 1
    assert facts["processor"]


def test_git_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert git_state(tmp_path) == (None, None)
    monkeypatch.chdir(tmp_path)
    assert provenance().git_commit is None

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    assert git_state(tmp_path) == (git("rev-parse", "HEAD"), False)
    (tmp_path / "file").write_text("two")
    assert git_state(tmp_path)[1] is True


def test_a_missing_package_has_no_version():
    assert package_version("no-such-distribution") is None


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta"])
def test_devices_that_are_not_there(name: str):
    with pytest.raises(AblateError, match="device"):
        device.resolve(name)


def test_devices_that_are():
    assert device.resolve("cpu") == torch.device("cpu")
    assert device.resolve("auto").type in ("cpu", "cuda", "mps")
    assert device.name_of(torch.device("cpu"))
    assert device.clocks(torch.device("cpu")) is None


def test_every_call_of_a_block_is_timed():
    calls: list[int] = []
    seconds = device.time_block(lambda: calls.append(1), 8, torch.device("cpu"))
    assert len(calls) == len(seconds) == 8
    assert min(seconds) >= 0


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("x"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_out_of_memory(error: Exception, full: bool):
    assert device.out_of_memory(error) is full


def test_out_of_memory_of_the_real_allocator():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert device.out_of_memory(caught.value)


def test_unknown_precision():
    with pytest.raises(AblateError, match="precision"), device.autocast("fp8", torch.device("cpu")):
        pass
