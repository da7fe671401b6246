"""Data sets in their published formats, made small by the tests."""

import pickle

import numpy as np
import pytest
from PIL import Image

from zynqfire import Refusal
from zynqfire.model.data import load


def test_digits_are_coloured_split_and_always_the_same():
    one, two = load("digits", (32, 32)), load("digits", (32, 32))
    assert one.test_images.shape == (360, 32, 32, 3)
    assert one.test_images.dtype == np.uint8
    assert len(one.train_images) == len(one.train_labels) >= 1797 - 360
    assert set(one.test_labels) == set(range(10))
    assert not one.mirrored
    assert np.array_equal(one.test_images, two.test_images)
    assert np.array_equal(one.train_images, two.train_images)
    # Every picture changes when red and blue are swapped.
    swapped = one.test_images[..., ::-1]
    assert (one.test_images != swapped).any((1, 2, 3)).all()
    contrast = np.ptp(one.test_images.astype(int), axis=(1, 2)).max(1)
    assert contrast.min() > 60
    assert load("digits", (16, 24)).test_images.shape == (360, 16, 24, 3)


def _batches(rng):
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    return {
        name: (rng.integers(0, 256, (4, 3072), dtype=np.uint8), rng.integers(0, 10, 4).tolist())
        for name in names
    }


def _write_python(folder, batches):
    folder.mkdir()
    for name, (pixels, labels) in batches.items():
        # The published files were written by Python 2: bytes for keys.
        content = {b"data": pixels, b"labels": labels, b"batch_label": name.encode()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))


def test_cifar10_python_and_binary_agree(tmp_path, monkeypatch):
    batches = _batches(np.random.default_rng(0))
    _write_python(tmp_path / "cifar-10-batches-py", batches)
    (tmp_path / "bin").mkdir()
    for name, (pixels, labels) in batches.items():
        records = np.concatenate([np.array(labels, np.uint8)[:, None], pixels], 1)
        records.tofile(tmp_path / "bin" / f"{name}.bin")
    python = load(tmp_path, (32, 32))
    binary = load(tmp_path / "bin", (32, 32))
    monkeypatch.chdir(tmp_path)
    named = load("cifar10", (32, 32))
    pixels, labels = batches["test_batch"]
    for data in (python, binary, named):
        assert len(data.train_images) == 20
        assert data.classes[0] == "airplane" and len(data.classes) == 10
        assert data.test_labels.tolist() == labels
        # A record is the red plane, then green, then blue, row by row.
        assert np.array_equal(data.test_images[2, 5, 7], pixels[2].reshape(3, 32, 32)[:, 5, 7])
        assert np.array_equal(data.train_images, python.train_images)
    assert load(tmp_path, (64, 64)).test_images.shape == (4, 64, 64, 3)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("ran",)

    _write_python(tmp_path / "c", _batches(np.random.default_rng(0)))
    (tmp_path / "c" / "data_batch_2").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(Refusal, match=r"data_batch_2 is not a published batch \(it names "):
        load(tmp_path / "c", (32, 32))


def test_broken_batches_are_refused(tmp_path):
    batches = _batches(np.random.default_rng(0))
    _write_python(tmp_path / "short", batches)
    (tmp_path / "short" / "data_batch_5").unlink()
    with pytest.raises(Refusal, match="data_batch_5 cannot be read"):
        load(tmp_path / "short", (32, 32))
    (tmp_path / "bin").mkdir()
    for name in batches:
        (tmp_path / "bin" / f"{name}.bin").write_bytes(bytes(3073 * 2))
    (tmp_path / "bin" / "data_batch_1.bin").write_bytes(bytes(3000))
    with pytest.raises(Refusal, match="must hold records of 3073 bytes, not 3000 bytes"):
        load(tmp_path / "bin", (32, 32))
    (tmp_path / "bin" / "data_batch_1.bin").write_bytes(bytes([11]) + bytes(3072))
    with pytest.raises(Refusal, match="must hold labels 0 to 9, not 11"):
        load(tmp_path / "bin", (32, 32))
    batches["data_batch_1"] = (batches["data_batch_1"][0], [1, 2])
    _write_python(tmp_path / "labels", batches)
    with pytest.raises(Refusal, match="a label for every picture, not 2 for 4"):
        load(tmp_path / "labels", (32, 32))


def _save(path, size, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_a_folder_of_pictures_is_resized_and_cropped(tmp_path):
    for n in range(5):
        _save(tmp_path / "red" / f"{n}.png", (40, 20), (255, 0, 0))
        _save(tmp_path / "blue" / f"{n}.JPG", (16, 48), (0, 0, 255))
    wide = Image.new("RGB", (60, 20), (0, 255, 0))
    wide.paste((255, 0, 0), (20, 0, 40, 20))  # red in the middle third
    wide.save(tmp_path / "red" / "5.png")
    Image.new("L", (16, 16), 7).save(tmp_path / "blue" / "grey.png")
    data = load(tmp_path, (16, 16))
    assert data.classes == ("blue", "red")
    assert data.mirrored
    assert len(data.train_images) == 8 and len(data.test_images) == 4
    every = np.concatenate([data.train_images[np.arange(8)], data.test_images[np.arange(4)]])
    labels = np.concatenate([data.train_labels, data.test_labels])
    assert every.shape == (12, 16, 16, 3) and every.dtype == np.uint8
    reds = every[labels == 1]
    # The middle of the wide picture is left, its green sides are cut off.
    assert (reds[:, 8, 8] == (255, 0, 0)).all() and (reds[..., 1] < 128).all()
    assert ((every[labels == 0] == 7).all((1, 2, 3))).sum() == 1


def test_a_folder_may_bring_its_split(tmp_path):
    for part, count in (("train", 3), ("val", 2)):
        for name in ("a", "b"):
            for n in range(count):
                _save(tmp_path / part / name / f"{n}.png", (8, 8), (n, n, n))
    data = load(tmp_path, (8, 8))
    assert data.classes == ("a", "b")
    assert (len(data.train_images), len(data.test_images)) == (6, 4)


def test_folders_that_are_no_data_set_are_refused(tmp_path, monkeypatch):
    with pytest.raises(
        Refusal, match="data set must be digits, glyphs, cifar10 or a folder, not im"
    ):
        load("imagenet", (32, 32))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refusal, match="data set cifar10: the current folder must hold"):
        load("cifar10", (32, 32))
    _save(tmp_path / "only" / "1.png", (8, 8), 0)
    with pytest.raises(Refusal, match="at least two classes, not 1"):
        load(tmp_path, (32, 32))
    for name in ("other/1.png", "other/2.png", "only/2.png"):
        _save(tmp_path / name, (8, 8), 0)
    (tmp_path / "only" / "1.png").write_bytes(b"\x89PNG nothing")
    data = load(tmp_path, (8, 8))
    with pytest.raises(Refusal, match=r"1\.png: cannot be decoded"):
        np.concatenate([data.train_images[np.arange(2)], data.test_images[np.arange(2)]])


def test_pictures_of_16_bits_keep_their_upper_8(tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for n in range(5):
            ramp = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024
            Image.fromarray(ramp).save(tmp_path / label / f"{n}.png")
    images = load(str(tmp_path), (8, 8)).train_images[:]
    assert np.array_equal(np.unique(images), np.arange(64) * 4)
