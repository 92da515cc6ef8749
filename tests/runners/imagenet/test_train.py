"""Runs on a small folder: on bit for bit after a kill, and the same on two processes or in two parts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.errors import AblateError
from ablate.layout.layout import Layout
from ablate.measurements.imagenet import ImageNetCondition, ImageNetValues
from ablate.runners.diverged import Diverged
from ablate.runners.imagenet import run_imagenet
from ablate.runners.imagenet.data import epoch_order, load_images
from ablate.runners.imagenet.recipes import RECIPES, ImageNetRecipe

SETTINGS: dict[str, Any] = {"widths": [8, 8, 16, 16], "depths": 1, "mlp_ratio": 1, "drop_path": 0.3}
LAYOUT = Layout("conv(expand=2, kernel=3)", **SETTINGS)


def small(name: str, **changes: Any) -> ImageNetRecipe:
    """A recipe on small images for a few epochs."""
    return replace(RECIPES[name], train_size=32, test_size=32, epochs=3, warmup_epochs=1, **changes)


def protocol(root: Path, **changes: Any) -> ImageNetCondition:
    fixed = {
        "data": str(root),
        "batch": 8,
        "workers": 0,
        "precision": "fp32",
        "device": "cpu",
        "check": False,
    }
    return ImageNetCondition(recipe="deit300", **{**fixed, **changes})


def losses(result: ImageNetValues) -> list[float]:
    return [loss for _, _, loss in result.curve]


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs(imagenet: Path, name: str) -> None:
    recipe = small(name, cooldown_epochs=min(1, RECIPES[name].cooldown_epochs))
    result = run_imagenet(LAYOUT, protocol(imagenet), recipe)
    epochs = 4 if name == "poolformer-300" else 3
    assert (result.epochs, result.steps, result.images_seen) == (epochs, 3 * epochs, 24 * epochs)
    assert result.complete
    assert (result.top1_ema is None) == (RECIPES[name].ema is None)
    assert (result.classes, result.test_images) == (3, 9)
    assert result.drop_path[-1] == pytest.approx(0.3)
    assert result.recipe["mixup"] == RECIPES[name].mixup
    assert ImageNetValues.from_json(json.loads(json.dumps(result.to_json()))) == result


class KilledError(Exception):
    pass


@pytest.mark.parametrize("kill_at", [4, 6])
def test_a_killed_run_goes_on_bit_for_bit(imagenet: Path, tmp_path: Path, kill_at: int) -> None:
    """Killed in the middle of an epoch, and at its end; mixing, stochastic depth and averaging take part."""
    recipe = small("deit300")
    whole = tmp_path / "whole.pt"
    run_imagenet(LAYOUT, protocol(imagenet, checkpoint=str(whole)), recipe)
    file = tmp_path / "killed.pt"
    asked = protocol(imagenet, checkpoint=str(file), checkpoint_steps=1)

    def kill(done: int, total: int) -> None:
        assert total == 9
        if done == kill_at + 1:  # step kill_at was written, this one is lost
            raise KilledError

    with pytest.raises(KilledError):
        run_imagenet(LAYOUT, asked, recipe, kill)
    torch.rand(7)  # whatever other programs draw in between
    seen = []
    resumed = run_imagenet(LAYOUT, asked, recipe, lambda done, _: seen.append(done))
    assert seen == list(range(kill_at + 1, 10))
    first, second = (torch.load(path, weights_only=True) for path in (whole, file))
    for part in ("model", "ema"):
        assert all(torch.equal(value, second[part][name]) for name, value in first[part].items())
    for key, state in first["optimizer"]["state"].items():
        assert all(torch.equal(state[name], second["optimizer"]["state"][key][name]) for name in state)
    assert first["place"]["curve"] == second["place"]["curve"]
    assert resumed.epochs == 3


def test_a_checkpoint_of_another_run_is_refused(imagenet: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.pt"
    asked = protocol(imagenet, checkpoint=str(file), stop_after=1)
    assert not run_imagenet(LAYOUT, asked, small("deit300")).complete
    with pytest.raises(AblateError, match="another run: its seed is 0, not 1"):
        run_imagenet(LAYOUT, asked.model_copy(update={"seed": 1}), small("deit300"))
    file.write_bytes(b"x")
    with pytest.raises(AblateError, match=r"c.pt: is no checkpoint"):
        run_imagenet(LAYOUT, asked, small("deit300"))


def test_accumulation_keeps_the_batch(imagenet: Path) -> None:
    """Without mixing and stochastic depth, two halves of a batch are the batch."""
    recipe = small("poolformer-300", mixup_prob=0.0, cooldown_epochs=0)
    layout = LAYOUT.replace(drop_path=0.0)
    recipe = replace(recipe, drop_path={"": 0.0})
    plain, halves = (run_imagenet(layout, protocol(imagenet, accumulate=parts), recipe) for parts in (1, 2))
    assert losses(halves) == pytest.approx(losses(plain), rel=1e-5)
    other = run_imagenet(layout, protocol(imagenet, seed=1), recipe)
    assert losses(other) != pytest.approx(losses(plain), rel=1e-5)


def test_two_processes_are_one_that_accumulates_twice(imagenet: Path, tmp_path: Path) -> None:
    """`torchrun` with two gloo processes, by the recipe but for its size and a stop after two steps."""
    job = {
        "layout": "conv(expand=2, kernel=3)",
        "settings": SETTINGS,
        "recipe": {"train_size": 32, "test_size": 32},
        "protocol": dict(protocol(imagenet, stop_after=2, checkpoint=str(tmp_path / "c.pt"))),
    }
    file, out = tmp_path / "job.json", tmp_path / "out.json"
    file.write_text(json.dumps(job))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "ablate.runners.imagenet", str(file), str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    pair = ImageNetValues.from_json(json.loads(out.read_text()))
    single = protocol(imagenet, stop_after=2, accumulate=2, checkpoint=str(tmp_path / "one.pt"))
    alone = run_imagenet(LAYOUT, single, replace(RECIPES["deit300"], train_size=32, test_size=32))
    assert (pair.world_size, alone.world_size, pair.steps, alone.steps) == (2, 1, 2, 2)
    assert pair.train_loss == pytest.approx(alone.train_loss, rel=1e-6)
    first, second = (torch.load(tmp_path / name, weights_only=True)["model"] for name in ("c.pt", "one.pt"))
    for name, value in first.items():
        assert torch.allclose(value, second[name], rtol=1e-4, atol=1e-6), name


def test_samples_follow_from_seed_epoch_and_place(imagenet: Path) -> None:
    train, _, classes = load_images(str(imagenet), small("deit300"), 0, check=False)
    assert (len(train), classes) == (24, 3)
    assert torch.equal(train[3, 5][0], train[3, 5][0])
    assert not torch.equal(train[3, 5][0], train[3, 6][0])
    order = epoch_order(train, small("deit300"), 0, 0)
    assert len(order) == 24
    assert len(set(order)) == 8  # each of a third of the images, thrice
    assert order[0] == order[1] == order[2]
    plain = epoch_order(train, small("poolformer-300"), 0, 0)
    assert sorted(plain) == list(range(24))
    assert plain != epoch_order(train, small("poolformer-300"), 1, 0)


def test_mistakes_are_one_line(imagenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IMAGENET", raising=False)
    for changes, message in [
        ({"data": None}, "where is ImageNet"),
        (
            {"data": str(tmp_path / "none")},
            r"there is no such folder; ImageNet must lie there as train/CLASS",
        ),
        ({"data": str(tmp_path)}, "has no train/ and val/"),
        ({"batch": 1024}, "24 training images do not fill one batch of 1024"),
        ({"accumulate": 8}, "cannot be dealt out"),
    ]:
        with pytest.raises(AblateError, match=message):
            run_imagenet(LAYOUT, protocol(imagenet, **changes), small("deit300"))
    broken = tmp_path / "broken"
    for split in ("train", "val"):
        for label in ("a", "b"):
            (broken / split / label).mkdir(parents=True)
            file = broken / split / label / "1.JPEG"
            file.write_bytes((imagenet / "val" / "n00000000" / "0.JPEG").read_bytes())
    file.write_bytes(b"no image")
    with pytest.raises(AblateError, match=r"val/b/1.JPEG: cannot be read as an image"):
        run_imagenet(LAYOUT, protocol(broken, check=True), small("deit300"))


def test_a_loss_that_is_not_finite_is_a_failure(imagenet: Path) -> None:
    with pytest.raises(Diverged, match="not finite"):
        run_imagenet(LAYOUT, protocol(imagenet), small("poolformer-300", lr=1e30, warmup_lr=1e30))
