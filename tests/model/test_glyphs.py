"""The data set of characters: seeded, streamed, typefaces apart, balanced, of two sizes."""

import dataclasses
import re
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zynqfire import Refusal
from zynqfire.model.config import load as load_network
from zynqfire.model.data import load
from zynqfire.model.glyphs import faces as glyph_faces
from zynqfire.model.glyphs import pictures as glyphs
from zynqfire.model.glyphs.faces import CLASSES, masks, typefaces
from zynqfire.model.glyphs.pictures import Glyphs
from zynqfire.model.glyphs.sheet import sheet
from zynqfire.model.train import train

DOCS = Path(__file__).parents[2] / "docs"
SUMS = {
    ("train", 32): 1402587259,
    ("train", 64): 318497956,
    ("test", 32): 3709852600,
    ("test", 64): 2527871721,
}
SOME = np.array([7, 42_999, 0, 12_345, 8, 7])


@pytest.fixture(scope="module")
def data():
    return load("glyphs", (32, 32))


def test_it_is_as_large_and_as_balanced_as_promised(data):
    assert data.name == "glyphs" and not data.mirrored
    assert len(data.classes) == len(set(data.classes)) >= 36
    assert len(data.train_images) == len(data.train_labels) >= 40_000
    assert len(data.test_images) == len(data.test_labels) >= 10_000
    for labels in (data.train_labels, data.test_labels):
        assert len(set(np.bincount(labels, minlength=len(data.classes)))) == 1
        # The first thousand, which a run keeps, are balanced as well.
        assert np.ptp(np.bincount(labels[:1000], minlength=len(data.classes))) <= 1


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_picture_depends_on_its_number_alone(split, size):
    images = Glyphs(split, size)
    index = SOME % len(images)
    some = images[index]
    assert some.shape == (6, size, size, 3) and some.dtype == np.uint8
    assert np.array_equal(images[index[::-1]], some[::-1])
    for n, one in zip(index, some, strict=True):
        assert np.array_equal(images[n : n + 1][0], one)
    assert np.array_equal(some[0], some[5])
    wide = images[:100]
    assert np.array_equal(wide[7], some[0])
    assert np.array_equal(images[np.arange(100)], wide)
    assert np.array_equal(images[-1], images[len(images) - 1])
    assert images[:0].shape == (0, size, size, 3)
    with pytest.raises(IndexError):
        images[len(images)]


def test_another_process_makes_the_same_pictures(data):
    code = (
        "import zlib, numpy as np\n"
        "from zynqfire.model.glyphs.pictures import Glyphs\n"
        "print(zlib.crc32(Glyphs('train', 32)[np.arange(300)[::-1]].tobytes()))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert int(printed) == zlib.crc32(data.train_images[np.arange(300)[::-1]].tobytes())


def test_seed_split_and_number_all_matter():
    images = Glyphs("train", 32)
    for other in (Glyphs("train", 32, seed=1)[:64], Glyphs("test", 32)[:64], images[43:107]):
        assert (images[:64] != other).any((1, 2, 3)).all()


def test_typefaces_are_many_and_apart():
    faces = typefaces()
    assert len({face.name for face in faces}) == len(faces) >= 20
    splits = {
        split: {face.kin for face in faces if face.split == split} for split in ("train", "test")
    }
    assert {face.split for face in faces} == set(splits)
    assert not splits["train"] & splits["test"]
    drawn = {
        split: {mask.tobytes() for mask in masks(split, 32).ink.reshape(-1, 32 * 32)}
        for split in splits
    }
    assert not drawn["train"] & drawn["test"]


def test_every_typeface_draws_every_class_in_a_shape_of_its_own():
    for split in ("train", "test"):
        drawn = masks(split, 32)
        assert drawn.ink.shape[1:] == (len(CLASSES), 32, 32)
        assert drawn.count.sum() == len(drawn.ink)
        shapes = drawn.ink.reshape(*drawn.ink.shape[:2], -1).astype(np.float32) / 255
        # No empty or missing character, which fonts draw as a full box, and room at the edge.
        share = shapes.mean(2)
        assert share.min() > 0.02 and share.max() < 0.6
        assert not drawn.ink[:, :, [0, -1]].any() and not drawn.ink[..., [0, -1]].any()
        for style in shapes:
            squared = (style**2).sum(1)
            # Squared distances; einsum starts no threads, which wait for each other on busy cores.
            apart = squared[:, None] + squared - 2 * np.einsum("ip,jp->ij", style, style)
            np.fill_diagonal(apart, np.inf)
            assert apart.min() > 0.06 * style.sum() / len(style)


def test_ink_stands_off_the_paper(data):
    pictures = data.test_images[:256].astype(int)
    spread = np.percentile(pictures, 98, (1, 2)) - np.percentile(pictures, 2, (1, 2))
    assert spread.max(1).min() > 40


def test_sizes_show_the_same_scene():
    small, large = Glyphs("train", 32)[:64], Glyphs("train", 64)[:64]
    halved = large.reshape(64, 32, 2, 32, 2, 3).mean((2, 4))
    for one, other in zip(small, halved, strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.6


def test_nothing_is_stored(data):
    data.train_images[:64]
    tracemalloc.start()
    for start in range(0, 2048, 64):
        data.train_images[np.arange(start, start + 64)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20  # 2048 pictures alone are 6 MiB, all of them 126


def test_other_sizes_are_refused():
    for size in ((48, 48), (32, 64)):
        with pytest.raises(Refusal) as refusal:
            load("glyphs", size)
        assert str(refusal.value) == (
            "data set glyphs: a network's input must be 32 or 64 pixels wide and high, "
            f"not {size[1]} by {size[0]}"
        )


def test_a_typeface_that_is_missing_is_refused(monkeypatch):
    masks.cache_clear()
    expected = (
        "data set glyphs: typeface DejaVu Sans must be in the package matplotlib as zynqfire's "
        "pyproject.toml pins it, and is not installed"
    )
    with monkeypatch.context() as patched:
        patched.setattr(glyph_faces.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(Refusal) as refusal:
            load("glyphs", (32, 32))
        assert str(refusal.value) == expected
    # Another version of the package without the file.
    face = glyph_faces.typefaces()[0]
    without = dataclasses.replace(face, file="matplotlib/fonts/{}.ttf")
    monkeypatch.setattr(glyph_faces, "typefaces", lambda: (without,))
    with pytest.raises(Refusal) as refusal:
        masks("train", 32)
    assert str(refusal.value) == expected


def test_a_network_needs_enough_classes(tmp_path):
    with pytest.raises(Refusal, match="classes must be at least the 43 of data set glyphs, not 10"):
        train(load_network("zynqnet-32"), "glyphs", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_trains_on_it(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(glyphs, "LENGTHS", {"test": 43, "train": 86})
    config = tiny(input=32, classes=47, head=48, **{"training.batch": 32})
    result = train(config, "glyphs", tmp_path / "run", epochs=3)
    assert result["finished"] and result["held_out"] == 43
    with np.load(tmp_path / "run" / "heldout.npz") as kept:
        assert np.array_equal(kept["images"], Glyphs("test", 32)[:])


def test_the_page_is_up_to_date():
    page = (DOCS / "glyphs.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| (train|test) \| (\d+) \| `(.+)` \| (.+) \|$", page, re.M)
    assert rows == [
        (face.name, face.split, str(len(face.styles)), face.package, face.licence)
        for face in typefaces()
    ]
    shown = Image.open(DOCS / "glyphs.png")
    assert np.array_equal(np.asarray(shown.convert("RGB")), np.asarray(sheet().convert("RGB")))
    assert (DOCS / "glyphs.png").stat().st_size < 300_000


def test_pictures_are_the_ones_that_the_accuracies_are_of():
    # Where they change, through another package too, the accuracies in docs/ are to be remeasured.
    sums = {
        (split, size): zlib.crc32(Glyphs(split, size)[SOME % 10_000].tobytes())
        for split in ("train", "test")
        for size in (32, 64)
    }
    assert sums == SUMS
