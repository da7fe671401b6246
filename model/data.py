"""Data sets by name or path: handwritten digits, characters, CIFAR-10, folders of pictures.

Pictures are bytes, red green blue, (N, height, width, 3).
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from .. import Refusal
from .glyphs.faces import CLASSES
from .glyphs.pictures import SIZES, Glyphs

SPLIT = 20160217  # seed of every split and colouring made here
DIGITS_HELD_OUT = 360
DIGITS_COLOURINGS = 6  # of every training digit
SUFFIXES = (".png", ".jpg", ".jpeg")


class Pictures(Protocol):
    """Pictures that may still have to be read."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        """Return those at `index` as uint8 (n, height, width, 3)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and held-out pictures with their classes' numbers.

    `mirrored` says whether a picture may be flipped left to right in training.
    """

    name: str
    classes: tuple[str, ...]
    train_images: Pictures
    train_labels: np.ndarray
    test_images: Pictures
    test_labels: np.ndarray
    mirrored: bool


def load(data: str | Path, size: tuple[int, int]) -> Dataset:
    """Return the data set `data` with pictures of `size` (height, width).

    Parameters
    ----------
    data : str or Path
        ``digits``; ``glyphs`` (`zynqfire.model.glyphs`, 32x32 or 64x64); ``cifar10`` (the published
        folder below the current one) or the path of that folder, Python or binary version; or a
        folder ``class/*.png|jpg``, held-out pictures in ``val/`` or ``test/`` beside ``train/`` or
        else every fifth.

    Raises
    ------
    Refusal
        Where there is no such data set or a file is not what it should be.
    """
    if str(data) == "digits":
        return _digits(size)
    if str(data) == "glyphs":
        return _glyphs(size)
    folder = Path(".") if str(data) == "cifar10" else Path(data)
    for place in (folder, folder / "cifar-10-batches-py", folder / "cifar-10-batches-bin"):
        for suffix, read in (("", _python_batch), (".bin", _binary_batch)):
            if (place / f"test_batch{suffix}").is_file():
                return _cifar10(place, suffix, read, size)
    if str(data) == "cifar10":
        raise Refusal(
            "data set cifar10: the current folder must hold the published cifar-10-batches-py or "
            f"cifar-10-batches-bin, and {folder.resolve()} does not"
        )
    if not folder.is_dir():
        raise Refusal(f"data set must be digits, glyphs, cifar10 or a folder, not {data}")
    return _folder(folder, size)


def _digits(size: tuple[int, int]) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    rng = np.random.default_rng(SPLIT)
    order = rng.permutation(len(bunch.target))
    strokes = np.stack([_enlarge(image, size) for image in bunch.images])[order]
    labels = bunch.target[order].astype(np.int64)
    test = DIGITS_HELD_OUT
    train = np.concatenate([strokes[test:]] * DIGITS_COLOURINGS)
    return Dataset(
        "digits",
        tuple(str(digit) for digit in range(10)),
        _colour(rng, train),
        np.concatenate([labels[test:]] * DIGITS_COLOURINGS),
        _colour(rng, strokes[:test]),
        labels[:test],
        mirrored=False,
    )


def _glyphs(size: tuple[int, int]) -> Dataset:
    if size not in [(side, side) for side in SIZES]:
        raise Refusal(
            f"data set glyphs: a network's input must be {' or '.join(map(str, SIZES))} pixels "
            f"wide and high, not {size[1]} by {size[0]}"
        )
    train, test = (Glyphs(split, size[0]) for split in ("train", "test"))
    return Dataset("glyphs", CLASSES, train, train.labels, test, test.labels, mirrored=False)


def _enlarge(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the 8 by 8 ink levels 0 to 16 as `size` shares of ink from 0 to 1."""
    levels = Image.fromarray((image / 16).astype(np.float32))
    shown = levels.resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(shown).clip(0, 1)


def _colour(rng: np.random.Generator, strokes: np.ndarray) -> np.ndarray:
    """Paint every picture in two random colours that differ by a third in at least one channel."""
    count = len(strokes)
    ink, paper = rng.integers(0, 256, (2, count, 1, 1, 3))
    while (dull := np.abs(ink - paper).max(-1, keepdims=True) < 85).any():
        ink = np.where(dull, rng.integers(0, 256, ink.shape), ink)
    share = strokes[..., None]
    return np.rint(paper + share * (ink - paper)).astype(np.uint8)


def _cifar10(place: Path, suffix: str, read: Any, size: tuple[int, int]) -> Dataset:
    parts = [read(place / f"data_batch_{n}{suffix}") for n in range(1, 6)]
    images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    test_images, test_labels = read(place / f"test_batch{suffix}")
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    return Dataset(
        "cifar10",
        tuple(names.split()),
        _resized(images, size),
        labels,
        _resized(test_images, size),
        test_labels,
        mirrored=True,
    )


class _ArraysOnly(pickle.Unpickler):
    """Reads the published batches; a pickle that names anything but arrays is refused."""

    KNOWN = (
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("_codecs", "encode"),
    )

    def find_class(self, module: str, name: str) -> Any:
        """Return the object the pickle asks for, if it belongs in an array."""
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _python_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with open(path, "rb") as file:
            batch = _ArraysOnly(file, encoding="bytes").load()
        pixels = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3072)
        labels = np.asarray(batch[b"labels"], np.int64)
    except OSError as error:
        raise Refusal(f"data set cifar10: {path} cannot be read ({error.strerror})") from None
    except Exception as error:  # a pickle can fail in any way
        raise Refusal(f"data set cifar10: {path} is not a published batch ({error})") from None
    return _records(path, pixels, labels)


def _binary_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise Refusal(f"data set cifar10: {path} cannot be read ({error.strerror})") from None
    if len(data) % 3073:
        raise Refusal(
            f"data set cifar10: {path} must hold records of 3073 bytes, not {len(data)} bytes"
        )
    records = data.reshape(-1, 3073)
    return _records(path, records[:, 1:], records[:, 0].astype(np.int64))


def _records(path: Path, pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(labels) or len(labels) != len(pixels):
        raise Refusal(
            f"data set cifar10: {path} must hold a label for every picture, "
            f"not {len(labels)} for {len(pixels)}"
        )
    if labels.min() < 0 or labels.max() > 9:
        raise Refusal(f"data set cifar10: {path} must hold labels 0 to 9, not {labels.max()}")
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), labels


def _resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if images.shape[1:3] == tuple(size):
        return images
    return np.stack([_fit(Image.fromarray(image), size) for image in images])


def _fit(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Return the middle of `image`, scaled so that it just covers `size`."""
    height, width = size
    scale = max(height / image.height, width / image.width)
    wide, high = (max(1, round(n * scale)) for n in image.size)
    wide, high = max(wide, width), max(high, height)
    image = image.resize((wide, high), Image.Resampling.BILINEAR)
    left, top = (wide - width) // 2, (high - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)), np.uint8)


class _Files(Sequence):
    """Picture files, read when asked for."""

    def __init__(self, paths: list[Path], size: tuple[int, int]):
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        paths = np.asarray(self.paths, dtype=object)[index]
        with ThreadPoolExecutor() as pool:
            return np.stack(list(pool.map(self._read, paths)))

    def _read(self, path: Path) -> np.ndarray:
        try:
            with Image.open(path) as image:
                if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip to 8
                    upper = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
                    return _fit(Image.fromarray(upper.astype(np.uint8)).convert("RGB"), self.size)
                return _fit(image.convert("RGB"), self.size)
        except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises on broken files
            raise Refusal(f"picture {path}: cannot be decoded ({error})") from None


def _folder(folder: Path, size: tuple[int, int]) -> Dataset:
    held_out = [folder / name for name in ("val", "test") if (folder / name).is_dir()]
    root = folder / "train" if held_out and (folder / "train").is_dir() else folder
    classes = tuple(path.name for path in sorted(root.iterdir()) if _pictures(path))
    if len(classes) < 2:
        raise Refusal(
            f"data set {folder}: must hold a folder of {', '.join(SUFFIXES)} pictures for each of "
            f"at least two classes, not {len(classes)}"
        )
    train: list[tuple[Path, int]] = []
    test: list[tuple[Path, int]] = []
    for label, name in enumerate(classes):
        paths = _pictures(root / name)
        if root != folder:
            train += [(path, label) for path in paths]
            test += [(path, label) for path in _pictures(held_out[0] / name)]
            continue
        order = np.random.default_rng(SPLIT).permutation(len(paths))
        for position, index in enumerate(order):
            (train if position % 5 else test).append((paths[index], label))
    for what, chosen in (("training", train), ("held-out", test)):
        if not chosen:
            raise Refusal(f"data set {folder}: must hold {what} pictures, not 0")
    return Dataset(
        folder.name,
        classes,
        _Files([path for path, _ in train], size),
        np.array([label for _, label in train]),
        _Files([path for path, _ in test], size),
        np.array([label for _, label in test]),
        mirrored=True,
    )


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
