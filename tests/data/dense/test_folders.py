"""COCO, ADE20K, VOC and mask folders: what is read, and every kind of bad data by its file's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablate.data.dense import load_dense
from ablate.errors import AblateError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(path: Path, width: int = 48, height: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(width * height)
    Image.fromarray(random.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)


def mask(path: Path, values: list[int], width: int = 48, height: int = 40) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[0, : len(values)] = values
    Image.fromarray(pixels).save(path)


def annotation(number: int, image: int, category: int, bbox: list[float], **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "iscrowd": 0, **more}


def coco(root: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Path:
    """Three images a split; categories 1, 7 and 90, as COCO skips numbers."""
    for split in ("train2017", "val2017"):
        for number in range(3):
            picture(root / split / f"{number}.jpg")
        record: dict[str, Any] = {
            "images": [{"id": 10 + n, "file_name": f"{n}.jpg", "width": 48, "height": 40} for n in range(3)],
            "categories": [{"id": 90, "name": "c"}, {"id": 1, "name": "a"}, {"id": 7, "name": "b"}],
            "annotations": [
                annotation(1, 10, 90, [1, 2, 10, 20], area=150.0),
                annotation(2, 10, 7, [40, 30, 20, 20]),
                annotation(3, 11, 1, [0, 0, 48, 40], iscrowd=1),
                annotation(4, 12, 1, [5, 5, 5, 5]),
            ],
        }
        if change and split == "train2017":
            change(record)
        file = root / "annotations" / f"instances_{split}.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(record))
    return root


def load(root: Path, name: str = "coco", task: str = "detection") -> Any:
    return load_dense(f"{name}:{root}", task)


def test_coco(tmp_path: Path) -> None:
    dataset = load(coco(tmp_path))
    assert dataset.classes == ("a", "b", "c")
    sample = dataset.train[0]
    assert sample.image.shape == (3, 40, 48)
    assert sample.labels.tolist() == [2, 1]  # 90 and 7, by their order
    assert sample.boxes.tolist() == [[1, 2, 11, 22], [40, 30, 48, 40]]  # cut off at the image's edge
    assert sample.areas.tolist() == [150, 400]
    assert [dataset.train.ids, dataset.test.ids] == [(10, 12), (10, 11, 12)]  # a crowd alone trains nothing
    assert dataset.skipped == {"images without a box": 1}
    assert dataset.test[0].boxes[1].tolist() == [40, 30, 60, 50]  # judged as it is written
    assert dataset.test[1].crowd.tolist() == [True]


def test_what_the_protocol_skips_is_counted(tmp_path: Path) -> None:
    def change(record: dict[str, Any]) -> None:
        record["annotations"] += [
            annotation(5, 10, 1, [5, 5, 0, 5]),
            annotation(6, 10, 1, [100, 5, 5, 5]),
            annotation(7, 10, 1, [5, 5, 0.5, 5]),
        ]
        record["images"].append({"id": 13, "file_name": "small.jpg", "width": 48, "height": 20})

    picture(tmp_path / "train2017" / "small.jpg", 48, 20)
    dataset = load(coco(tmp_path, change))
    assert dataset.skipped == {
        "boxes without area, or outside their image": 2,
        "boxes of less than one pixel": 1,
        "images without a box": 1,
        "images with a side below 32 pixels": 1,
    }


def drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda record: record.pop(key)


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda record: record["annotations"][1].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop("categories"), "instances_train2017.json: has no list 'categories'"),
        (put("image_id", 99), r"instances_train2017.json: annotations\[1\] belongs to image 99"),
        (put("category_id", 2), r"annotations\[1\] \(of 0.jpg\) has category 2, which is not"),
        (put("bbox", [1, 2, 3]), "four finite numbers"),
        (put("bbox", [1, 2, float("nan"), 3]), "four finite numbers"),
        (put("bbox", [1, 2, -3, 3]), "negative width"),
        (lambda record: record["annotations"][0].pop("bbox"), r"annotations\[0\] has no 'bbox'"),
        (lambda record: record["images"][2].update(id=10), r"images\[2\] has the id 10 of another image"),
        (lambda record: record["images"][2].update(file_name="9.jpg"), r"9.jpg: there is no such file"),
        (
            lambda record: record["images"][2].update(width=50),
            r"2.jpg: is 48 x 40 pixels, but .* says 50 x 40",
        ),
        (lambda record: record["categories"].append({"id": 1, "name": "d"}), "differ in id"),
        (lambda record: record["categories"][1].update(name="z"), "do not have the same categories"),
    ],
)
def test_bad_coco(tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str) -> None:
    with pytest.raises(AblateError, match=message):
        load(coco(tmp_path, change))


def test_broken_images_are_named_before_training_and_good_sets_are_remembered(
    tmp_path: Path, own_cache: Path
) -> None:
    root = coco(tmp_path)
    load(root)
    assert len(list((own_cache / "ablate" / "checked").iterdir())) == 2
    file = root / "train2017" / "2.jpg"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])  # breaks off in the middle
    with pytest.raises(AblateError, match=r"2.jpg: cannot be read as an image"):
        load(root)
    file.unlink()
    with pytest.raises(AblateError, match=r"2.jpg: there is no such file"):
        load(root)


def test_not_a_coco_folder(tmp_path: Path) -> None:
    with pytest.raises(AblateError, match="instances_train"):
        load(tmp_path)
    root = coco(tmp_path)
    (root / "annotations" / "instances_train2017.json").write_text("{")
    with pytest.raises(AblateError, match="cannot be read as JSON"):
        load(root)


def ade20k(root: Path, values: list[int]) -> Path:
    for split in ("training", "validation"):
        picture(root / "images" / split / "1.jpg")
        mask(root / "annotations" / split / "1.png", values)
    return root


def test_ade20k_shifts_its_labels(tmp_path: Path) -> None:
    dataset = load(ade20k(tmp_path, [0, 1, 150]), "ade20k", "segmentation")
    assert dataset.train[0].mask[0, :4].tolist() == [255, 0, 149, 255]
    assert dataset.train[0].mask.dtype == torch.uint8
    assert len(dataset.classes) == 150
    table = "Idx\tRatio\tTrain\tVal\tStuff\tName\n" + "".join(
        f"{n}\t0\t0\t0\t0\tx{n}, y\n" for n in range(150)
    )
    (tmp_path / "objectInfo150.txt").write_text(table)
    assert load(tmp_path, "ade20k", "segmentation").classes[:2] == ("x0", "x1")


def test_bad_masks(tmp_path: Path) -> None:
    root = ade20k(tmp_path, [151])
    with pytest.raises(AblateError, match=r"1.png: has the label 151, but there are 150 classes"):
        load(root, "ade20k", "segmentation")
    mask(root / "annotations" / "training" / "1.png", [1], 40, 40)
    with pytest.raises(AblateError, match=r"1.png: is 40 x 40 pixels, its image 48 x 40"):
        load(root, "ade20k", "segmentation")
    picture(root / "annotations" / "training" / "1.png")
    with pytest.raises(AblateError, match="one label a pixel"):
        load(root, "ade20k", "segmentation")
    (root / "annotations" / "training" / "1.png").unlink()
    with pytest.raises(AblateError, match=r"1.jpg: has no mask"):
        load(root, "ade20k", "segmentation")
    mask(root / "annotations" / "training" / "1.png", [1], 48, 40)
    mask(root / "annotations" / "training" / "9.png", [1], 48, 40)
    with pytest.raises(AblateError, match=r"9.png: has no image in "):
        load(root, "ade20k", "segmentation")


def test_json_that_is_nested_without_end(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "train2017").mkdir()
    (tmp_path / "annotations" / "instances_train2017.json").write_text("[" * 100_000)
    with pytest.raises(AblateError, match=r"train2017\.json: cannot be read as JSON"):
        load(tmp_path, "coco", "detection")


def test_voc(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        picture(tmp_path / "JPEGImages" / f"{stem}.jpg")
        mask(tmp_path / "SegmentationClass" / f"{stem}.png", [0, 20, 255])
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n")
    (lists / "val.txt").write_text("b\n")
    dataset = load(tmp_path, "voc", "segmentation")
    assert dataset.train[0].mask[0, :3].tolist() == [0, 20, 255]
    assert (len(dataset.train), len(dataset.test), len(dataset.classes)) == (1, 1, 21)
    (lists / "val.txt").write_text("a\n")
    with pytest.raises(AblateError, match=r"a is in train.txt and in val.txt"):
        load(tmp_path, "voc", "segmentation")


def test_mask_folder(tmp_path: Path) -> None:
    for split in ("train", "val"):
        picture(tmp_path / "images" / split / "sub" / "1.jpg")
        mask(tmp_path / "masks" / split / "sub" / "1.png", [1, 255])
    with pytest.raises(AblateError, match=r"classes.txt: needs one class name a line"):
        load(tmp_path, "masks", "segmentation")
    (tmp_path / "classes.txt").write_text("ground\nroad\n")
    assert load(tmp_path, "masks", "segmentation").classes == ("ground", "road")
    mask(tmp_path / "masks" / "val" / "sub" / "1.png", [2])
    with pytest.raises(AblateError, match=r"val/sub/1.png: has the label 2"):
        load(tmp_path, "masks", "segmentation")
