"""The register: names, clashes, arguments read from signatures, files of the user."""

import inspect
from pathlib import Path
from typing import Literal

import pytest
from torch import Tensor, nn

import blocks
from blocks import registry
from blocks.key_only import KeyOnlyAttention

MIXER = '''
from torch import nn
from blocks import register

@register("mixer", "{name}")
class Mine(nn.Module):
    """Does nothing, at length."""

    def __init__(self, dim: int, *, strength: float = 0.5, mode: str = "a"):
        super().__init__()
        if strength < 0:
            raise ValueError(f"strength must not be negative, got {{strength}}")
        self.strength = strength

    def forward(self, x):
        return x * self.strength
'''


@pytest.fixture(autouse=True)
def _forget_afterwards(monkeypatch):
    """What a test registers is gone after it."""
    blocks.names("mixer")
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))


@pytest.fixture
def user_file(tmp_path):
    def write(name: str, text: str | None = None, file: str = "mine.py") -> Path:
        path = tmp_path / file
        path.write_text(MIXER.format(name=name) if text is None else text)
        return path

    return write


def test_the_shipped_parts():
    mixers = {"conv", "identity", "key_only", "linear", "pool", "softmax", "sra", "window", "split"}
    assert mixers <= set(blocks.names("mixer"))
    whole = {"convnext", "mbconv", "inverted", "bottleneck", "basic"}
    assert whole <= set(blocks.names("block"))
    assert set(blocks.names("mixer", "block")) >= mixers | whole
    assert blocks.names("mixer") == tuple(sorted(blocks.names("mixer")))
    assert {"conv", "overlap", "patchify", "convolution", "maxpool", "merge"} <= set(blocks.names("stem"))
    assert set(blocks.names("norm")) >= {"batch", "layer", "group", "rms", "none"}
    ffns = ["conv", "glu", "mlp", "none", "star", "swiglu"]
    assert [entry.name for entry in blocks.entries("ffn")] == ffns


def test_one_family_one_file():
    for entry in blocks.entries("mixer", "block"):
        assert entry.file.parent == Path(registry.__file__).parent
        assert entry.cls.__module__ == f"blocks.{entry.file.stem}"


def test_signature_gives_supplied_and_arguments():
    entry = blocks.get("key_only", "mixer", "block")
    assert entry.cls is KeyOnlyAttention
    assert entry.supplied == ("dim", "num_heads")
    arguments = entry.arguments
    assert list(arguments) == ["saliency", "gate", "gate_proj", "window", "kernel", "qkv_bias"]
    assert arguments["gate"].annotation == Literal["window", "global", "decay"]
    assert arguments["gate"].type_name == "'window' | 'global' | 'decay'"
    assert arguments["window"] == blocks.Argument("window", int, 7)
    assert arguments["window"].type_name == "int"
    kernel = blocks.get("overlap", "stem").arguments["kernel"]
    assert (kernel.type_name, kernel.default) == ("int | none", None)
    assert "reconstruction" in entry.summary


def test_build_passes_what_the_part_names():
    supplied = {"dim": 8, "num_heads": 2, "drop_path": 0.1}
    assert isinstance(blocks.get("identity", "mixer").build(supplied, {}), nn.Module)
    block = blocks.get("key_only", "mixer").build(supplied, {"window": 3})
    assert (block.num_heads, block.window) == (2, 3)
    assert blocks.get("mbconv", "block").build(supplied, {}).drop_path.drop_prob == 0.1
    with pytest.raises(ValueError, match="window must be odd"):
        blocks.get("key_only", "mixer").build(supplied, {"window": 2})
    with pytest.raises(TypeError):
        blocks.get("pool", "mixer").build(supplied, {"radius": 2})


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(blocks.UnknownPartError, match="unknown ffn 'mpl'; known: conv, glu, mlp") as error:
        blocks.get("mpl", "ffn")
    assert error.value.names == ("conv", "glu", "mlp", "none", "star", "swiglu")
    with pytest.raises(blocks.UnknownPartError, match="unknown mixer or block"):
        blocks.get("mlp", "mixer", "block")


def test_wrong_kind_and_wrong_name():
    with pytest.raises(ValueError, match="unknown kind 'mixers'"):
        blocks.register("mixers", "x")
    with pytest.raises(ValueError, match="'two words' cannot be a block's name"):
        blocks.register("mixer", "two words")


def test_names_of_mixers_and_blocks_clash():
    class Mine(nn.Module):
        """Not allowed to take a shipped name."""

        def __init__(self, dim: int):
            super().__init__()

        def forward(self, x: Tensor) -> Tensor:
            return x

    with pytest.raises(ValueError, match=r"the mixer 'softmax' is already defined in .*softmax\.py"):
        blocks.register("mixer", "softmax")(Mine)
    with pytest.raises(ValueError, match="the mixer 'softmax' is already defined"):
        blocks.register("block", "softmax")(Mine)
    with pytest.raises(ValueError, match="the block 'mbconv' is already defined"):
        blocks.register("mixer", "mbconv")(Mine)
    assert blocks.register("norm", "softmax")(Mine) is Mine  # norms have names of their own
    assert blocks.register("norm", "softmax")(Mine) is Mine  # and the same file may say it again


def test_load_file_registers_the_users_mixer(user_file):
    path = user_file("mine_a")
    (entry,) = blocks.load_file(path)
    assert (entry.kind, entry.name, entry.file) == ("mixer", "mine_a", path)
    assert blocks.get("mine_a", "mixer", "block") == entry
    assert "mine_a" in blocks.names("mixer")
    assert entry.supplied == ("dim",)
    assert {name: argument.type_name for name, argument in entry.arguments.items()} == {
        "strength": "float",
        "mode": "str",
    }
    with pytest.raises(ValueError, match="strength must not be negative"):
        entry.build({"dim": 4}, {"strength": -1.0})
    assert blocks.load_file(path) == [entry]  # a second time changes nothing


def test_load_file_refuses_files_without_blocks(user_file):
    with pytest.raises(ValueError, match=r"empty\.py registers no block"):
        blocks.load_file(user_file("", "x = 1\n", "empty.py"))
    with pytest.raises(ValueError, match="is not a Python file"):
        blocks.load_file(user_file("", "x", "notes.txt"))


def test_load_file_passes_on_the_files_own_errors(user_file):
    path = user_file("", "raise RuntimeError('broken')\n", "broken.py")
    for _ in range(2):  # a failed import leaves nothing behind, so it fails again
        with pytest.raises(RuntimeError, match="broken"):
            blocks.load_file(path)


def test_load_file_cannot_replace_a_shipped_block(user_file):
    with pytest.raises(ValueError, match="already defined"):
        blocks.load_file(user_file("conv", file="thief.py"))
    assert inspect.getfile(blocks.get("conv", "mixer").cls).endswith("conv.py")


def test_a_parameter_that_nobody_supplies_asks_for_a_star():
    with pytest.raises(ValueError, match=r"not 'window'; put `\*` before it"):

        @blocks.register("mixer", "starless")
        class Starless(nn.Module):
            """A mixer."""

            def __init__(self, dim: int, window: int = 7):
                super().__init__()


def test_what_a_class_says_about_itself():
    entry = blocks.get("squeeze_excite", "mixer")
    assert (entry.family, entry.caveat, entry.color) == ("modulation", "", None)
    assert entry.summary_size(64, 2, 196) == 64
    split = blocks.get("split", "mixer")
    assert split.summary_size(64, 2, 196, of=("identity", "squeeze_excite"), shares=(3, 1)) == 16
    assert blocks.get("mlp", "ffn").summary_size(64, 2, 196) is None
