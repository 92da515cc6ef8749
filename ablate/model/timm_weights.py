"""timm's weights for the backbones that are written in the language: the names of one mapped to the other's.

The layouts are those of the shipped study `backbones`, each under timm's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from ablate.errors import AblateError, did_you_mean

_LINEAR = r"\.(mlp\.fc[12]|token_mixer\.pwconv[12])\.weight$"
Rule = tuple[str, str | Callable[[re.Match[str]], str]]


def weights_from_timm(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a timm model under the names that the layout of the same name has.

    `model.load_state_dict(weights_from_timm(name, timm_model.state_dict()))` gives the same outputs. Raises
    `AblateError` for a model without a mapping.
    """
    family = next((family for prefix, family in _FAMILIES.items() if name.startswith(prefix)), None)
    if family is None:
        raise AblateError(f"no mapping of names for timm's {name!r}{did_you_mean(name, tuple(_FAMILIES))}")
    linear = re.compile(_LINEAR)
    flat = {key: value.flatten(1) if linear.search(key) else value for key, value in state.items()}
    pairs = ((_renamed(key, family), value) for key, value in flat.items())
    return {key: _table(value) if key.endswith(".relative_bias") else value for key, value in pairs}


def _renamed(key: str, rules: list[Rule]) -> str:
    """The name after all rules, in order; each may change the whole name."""
    for pattern, new in rules:
        key = re.sub(pattern, new, key)
    return key


def _table(value: Tensor) -> Tensor:
    """A table of biases (offsets, heads) as (heads, rows, columns)."""
    side = round(value.shape[0] ** 0.5)
    return value.view(side, side, -1).permute(2, 0, 1).contiguous()


def _place(prefix: str) -> Rule:
    """`stages.1.blocks.0.` is `stages.1.block1.`."""
    return rf"^{prefix}\.(\d+)\.blocks\.(\d+)\.", lambda m: f"stages.{m[1]}.block{int(m[2]) + 1}."


def _resnet(match: re.Match[str]) -> str:
    stage, index = int(match[1]) - 1, int(match[2])
    if index:
        return f"stages.{stage}.block{index}."
    return "stem.2." if stage == 0 else f"stages.{stage}.downsample."


def _resnet_basic(match: re.Match[str]) -> str:
    stage, index = int(match[1]) - 1, int(match[2])
    if stage == 0:
        return f"stages.0.block{index + 1}."
    return f"stages.{stage}.block{index}." if index else f"stages.{stage}.downsample."


def _mobile(match: re.Match[str]) -> str:
    stage, index = int(match[1]), int(match[2])
    if stage in (0, 6):
        return "stem.1." if stage == 0 else "head.0."
    if index:
        return f"stages.{stage - 1}.block{index}."
    return "stem.2." if stage == 1 else f"stages.{stage - 1}.downsample."


def _star(match: re.Match[str]) -> str:
    stage, index = int(match[1]), int(match[2])
    if index:
        return f"stages.{stage}.block{index}.mixer."
    return f"stages.{stage}.downsample." if stage else "stem.1."


_RESNET: list[Rule] = [
    (r"^conv1\.", "stem.0.conv."),
    (r"^bn1\.", "stem.0.norm."),
    (r"^fc\.", "head.fc."),
    (r"\.downsample\.([01])\.", r".shortcut.\1."),
]
_RESNET_BRANCH: list[Rule] = [
    (r"\.conv([123])\.", lambda m: f".branch.{3 * (int(m[1]) - 1)}."),
    (r"\.bn([123])\.", lambda m: f".branch.{3 * (int(m[1]) - 1) + 1}."),
]
_MOBILE: list[Rule] = [
    (r"^conv_stem\.", "stem.0.conv."),
    (r"^bn1\.", "stem.0.norm."),
    (r"^conv_head\.", "head.1.conv."),
    (r"^bn2\.", "head.1.norm."),
    (r"^classifier\.", "head.2.fc."),
    (r"\.se\.conv_(reduce|expand)\.", r".se.\1."),
    # a block without expansion numbers its parts otherwise
    (r"^blocks\.0\.0\.conv_pw\.", "blocks.0.0.conv_pwl."),
    (r"^blocks\.0\.0\.bn2\.", "blocks.0.0.bn3."),
    (r"^blocks\.0\.0\.bn1\.", "blocks.0.0.bn2."),
    (r"\.conv_pw\.", ".expand.0."),
    (r"^(blocks\..*)\.bn1\.", r"\1.expand.1."),
    (r"\.conv_dw\.", ".depthwise.0."),
    (r"^(blocks\..*)\.bn2\.", r"\1.depthwise.1."),
    (r"\.conv_pwl\.", ".project.0."),
    (r"^(blocks\..*)\.bn3\.", r"\1.project.1."),
    (r"^blocks\.(\d+)\.(\d+)\.", _mobile),
]
_PVT: list[Rule] = [
    (r"^patch_embed\.proj\.", "stem.conv."),
    (r"^patch_embed\.", "stem."),
    (r"^(stages\.\d+\.downsample)\.proj\.", r"\1.conv."),
    (r"^head\.", "head.fc."),
    (r"^stages\.3\.norm\.", "head.norm."),
    (r"^stages\.(\d+)\.norm\.", lambda m: f"stages.{int(m[1]) + 1}.downsample.prenorm."),
    _place("stages"),
    (r"\.attn\.sr\.", ".mixer.reduce."),
    (r"\.attn\.", ".mixer."),
    (r"\.mlp\.", ".ffn."),
]
_SWIN: list[Rule] = [
    (r"^patch_embed\.proj\.", "stem.conv."),
    (r"^patch_embed\.", "stem."),
    (r"^norm\.", "head.norm."),
    _place("layers"),
    (r"^layers\.(\d+)\.downsample\.reduction\.", r"stages.\1.downsample.reduce."),
    (r"^layers\.", "stages."),
    (r"\.attn\.relative_position_bias_table$", ".mixer.relative_bias"),
    (r"\.attn\.", ".mixer."),
    (r"\.mlp\.", ".ffn."),
]
_METAFORMER: list[Rule] = [
    (r"^(stages\.\d+\.downsample)\.norm\.", r"\1.before."),
    _place("stages"),
    (r"\.(layer_scale|res_scale)([12])\.scale$", r".\1\2.weight"),
    (r"\.token_mixer\.pwconv1\.", ".mixer.expand."),
    (r"\.token_mixer\.dwconv\.", ".mixer.depthwise."),
    (r"\.token_mixer\.pwconv2\.", ".mixer.project."),
    (r"\.token_mixer\.act1\.", ".mixer.act."),
    (r"\.token_mixer\.", ".mixer."),
    (r"\.mlp\.", ".ffn."),
    (r"^head\.fc\.fc1\.", "head.fc1."),
    (r"^head\.fc\.norm\.", "head.within."),
    (r"^head\.fc\.fc2\.", "head.fc."),
]
_INCEPTION: list[Rule] = [
    (r"^stem\.0\.", "stem.conv."),
    (r"^stem\.1\.", "stem.norm."),
    (r"^(stages\.\d+\.downsample)\.0\.", r"\1.before."),
    (r"^(stages\.\d+\.downsample)\.1\.", r"\1.conv."),
    _place("stages"),
    (r"\.token_mixer\.dwconv_hw\.", ".mixer.branches.1."),
    (r"\.token_mixer\.dwconv_w\.", ".mixer.branches.2."),
    (r"\.token_mixer\.dwconv_h\.", ".mixer.branches.3."),
    (r"\.mlp\.", ".ffn."),
    (r"\.gamma$", ".layer_scale.weight"),
    (r"^head\.norm\.", "head.within."),
    (r"^head\.fc2\.", "head.fc."),
]
_CONVNEXT: list[Rule] = [
    (r"^stem\.0\.", "stem.conv."),
    (r"^stem\.1\.", "stem.norm."),
    (r"^(stages\.\d+\.downsample)\.0\.", r"\1.prenorm."),
    (r"^(stages\.\d+\.downsample)\.1\.", r"\1.conv."),
    _place("stages"),
    (r"\.gamma$", ".scale"),
    (r"\.conv_dw\.", ".depthwise."),
    (r"\.mlp\.fc1\.", ".expand."),
    (r"\.mlp\.fc2\.", ".project."),
]
_STAR: list[Rule] = [
    (r"^norm\.", "head.norm."),
    (r"^head\.(weight|bias)", r"head.fc.\1"),
    (r"^stages\.(\d+)\.(\d+)\.", _star),
    (r"\.dwconv\.conv\.", ".before.0."),
    (r"\.dwconv\.bn\.", ".before.1."),
    (r"\.dwconv2\.conv\.", ".after."),
    (r"\.f([12])\.conv\.", r".f\1."),
    (r"\.g\.conv\.", ".g.0."),
    (r"\.g\.bn\.", ".g.1."),
    (r"\.bn\.", ".norm."),
]
_MAMBAOUT: list[Rule] = [
    (r"^stem\.(conv|norm)([12])\.", lambda m: f"stem.{int(m[2]) - 1}.{m[1]}."),
    (r"^head\.pre_logits\.fc\.", "head.fc1."),
    (r"^head\.pre_logits\.norm\.", "head.within."),
    _place("stages"),
    (r"(\.block\d+)\.norm\.", r"\1.norm1."),
    (r"(\.block\d+)\.fc1\.", r"\1.mixer.expand."),
    (r"(\.block\d+)\.conv\.", r"\1.mixer.depthwise."),
    (r"(\.block\d+)\.fc2\.", r"\1.mixer.project."),
]
_FOCAL: list[Rule] = [
    (r"^stem\.proj\.", "stem.conv."),
    (r"^norm\.", "head.norm."),
    (r"^layers\.(\d+)\.downsample\.proj\.", r"stages.\1.downsample.conv."),
    (r"^layers\.(\d+)\.downsample\.", r"stages.\1.downsample."),
    _place("layers"),
    (r"\.modulation\.f\.", ".mixer.expand."),
    (r"\.modulation\.h\.", ".mixer.modulator."),
    (r"\.modulation\.focal_layers\.(\d+)\.0\.", r".mixer.contexts.\1."),
    (r"\.modulation\.", ".mixer."),
    (r"\.mlp\.", ".ffn."),
]
_FAMILIES: dict[str, list[Rule]] = {
    "pvt_v2": _PVT,
    "swin_": _SWIN,
    "poolformer_": _METAFORMER,
    "convformer_": _METAFORMER,
    "caformer_": _METAFORMER,
    "inception_next": _INCEPTION,
    "convnext": _CONVNEXT,
    "resnet18": [*_RESNET, (r"^layer(\d)\.(\d+)\.", _resnet_basic), *_RESNET_BRANCH],
    "resnet34": [*_RESNET, (r"^layer(\d)\.(\d+)\.", _resnet_basic), *_RESNET_BRANCH],
    "resnet": [*_RESNET, (r"^layer(\d)\.(\d+)\.", _resnet), *_RESNET_BRANCH],
    "mobilenetv2": _MOBILE,
    "efficientnet": _MOBILE,
    "starnet": _STAR,
    "mambaout": _MAMBAOUT,
    "focalnet": _FOCAL,
}
