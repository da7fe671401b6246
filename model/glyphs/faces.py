"""The typefaces of the data set `glyphs` (`typefaces.toml`) and the masks of their characters."""

from __future__ import annotations

import importlib
import importlib.util
import io
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from ... import Refusal

# Left out is what shares its shape with a class that is here: O and o (0), I and l (1), g and q
# (9), and the small letters that are small capitals (c i j k m p s u v w x y z).
CLASSES = tuple("0123456789ABCDEFGHJKLMNPQRSTUVWXYZabdefhnrt")

OUTLINE = 192  # pixels an em at which a character is drawn before it is fitted into its mask
INK = 26 / 32  # of a mask's side, the longer side of the character in it


@dataclass(frozen=True)
class Typeface:
    """A typeface in one of the splits; see `typefaces.toml` for the fields."""

    name: str
    kin: str
    split: str
    package: str
    file: str
    styles: tuple[str, ...]
    licence: str


@lru_cache
def typefaces() -> tuple[Typeface, ...]:
    """Return all typefaces, in the order that the pictures depend on."""
    text = Path(__file__).with_name("typefaces.toml").read_text()
    return tuple(
        Typeface(**{**entry, "styles": tuple(entry["styles"])})
        for entry in tomllib.loads(text)["typeface"]
    )


@dataclass(frozen=True, eq=False)
class Masks:
    """The characters of a split's typefaces, drawn once.

    Attributes
    ----------
    ink : numpy.ndarray
        uint8 (styles, classes, size, size), 255 is ink; characters fill `INK` of a side.
    first, count : numpy.ndarray
        Of every typeface, its first style in `ink` and how many there are.
    """

    ink: np.ndarray
    first: np.ndarray
    count: np.ndarray


@lru_cache
def masks(split: str, size: int) -> Masks:
    """Draw the characters of the typefaces of `split` with masks of `size` by `size` pixels.

    Raises
    ------
    Refusal
        Where the package of a typeface is not installed.
    """
    faces = [face for face in typefaces() if face.split == split]
    ink = np.stack([_style(face, style, size) for face in faces for style in face.styles])
    count = np.array([len(face.styles) for face in faces])
    return Masks(ink, np.cumsum(count) - count, count)


def _style(face: Typeface, style: str, size: int) -> np.ndarray:
    """Return the masks of every class, (classes, size, size)."""
    try:
        # Basic layout: the other one depends on a library that not every machine has.
        font = ImageFont.truetype(_file(face, style), OUTLINE, layout_engine=ImageFont.Layout.BASIC)
    except (OSError, ImportError):
        raise Refusal(
            f"data set glyphs: typeface {face.name} must be in the package {face.package} as "
            "zynqfire's pyproject.toml pins it, and is not installed"
        ) from None
    return np.stack([_fitted(font, character, size) for character in CLASSES])


def _file(face: Typeface, style: str) -> str | io.BytesIO:
    top, *path = face.file.format(style).split("/")
    package = importlib.util.find_spec(top)
    if package is None:
        raise ImportError(top)
    place = Path(package.submodule_search_locations[0], *path)
    if place.suffix:
        return str(place)
    return io.BytesIO(importlib.import_module(".".join([top, *path])).fontbuffer)


def _fitted(font: ImageFont.FreeTypeFont, character: str, size: int) -> np.ndarray:
    """Draw `character` in the middle of a mask, as large as `INK` allows."""
    left, top, right, bottom = font.getbbox(character)
    drawn = Image.new("L", (right - left, bottom - top))
    drawn.im.paste(255, (0, 0, *drawn.size), font.getmask(character))
    scale = INK * size / max(drawn.size)
    wide, high = (max(1, round(side * scale)) for side in drawn.size)
    mask = Image.new("L", (size, size))
    fitted = drawn.resize((wide, high), Image.Resampling.BILINEAR)  # averages when it shrinks
    mask.paste(fitted, ((size - wide) // 2, (size - high) // 2))
    return np.asarray(mask)
