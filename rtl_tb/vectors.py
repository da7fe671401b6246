"""Frames for a simulation: where they come from, and codes to and from the bits of a stream."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from .. import Refusal
from ..hls.ir import Network, QType

RANDOM_FRAMES = 8  # where a build has no golden vectors and nobody says how many
SEED = 0
UNREADABLE = (ValueError, EOFError, zipfile.BadZipFile, zlib.error)  # what NumPy says of bad files


def choose(
    build: Path,
    network: Network,
    frames: int | None = None,
    inputs: str | Path | np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the input codes to simulate and the golden outputs of the first of them.

    Parameters
    ----------
    build : Path
        Build folder; its ``golden.npz`` is the default.
    network : Network
        What the build computes.
    frames : int, optional
        How many; by default all there are. Beyond the golden vectors, seeded full-range codes.
    inputs : path or ndarray, optional
        Integer codes (frames, height, width, channels) to take instead.

    Returns
    -------
    codes : ndarray of int64, (frames, height, width, channels)
    golden : ndarray of int64, (at most frames, outputs), or None
    """
    if frames is not None and frames < 1:
        raise Refusal(f"frames must be at least 1, not {frames}")
    tensor = network.input.output
    if inputs is not None:
        name = "input array" if isinstance(inputs, np.ndarray) else str(inputs)
        array = inputs if isinstance(inputs, np.ndarray) else _load(Path(inputs))
        codes = checked(array, tensor.shape, tensor.qtype, name)
        if frames is not None and frames > len(codes):
            raise Refusal(f"{name}: has {len(codes)} frames, fewer than the {frames} asked for")
        return codes[:frames], None
    path = build / "golden.npz"
    if not path.exists():
        return full_range(RANDOM_FRAMES if frames is None else frames, network), None
    golden_in, golden_out = _golden(path, network)
    missing = (frames or 0) - len(golden_in)
    if missing > 0:
        golden_in = np.concatenate([golden_in, full_range(missing, network)])
    return golden_in[:frames], golden_out[:frames]


def full_range(frames: int, network: Network) -> np.ndarray:
    """Return seeded input codes drawn evenly from the whole range of the input's type."""
    tensor = network.input.output
    rng = np.random.default_rng(SEED)
    low, high = tensor.qtype.lo, tensor.qtype.hi
    return rng.integers(low, high, (frames, *tensor.shape), dtype=np.int64, endpoint=True)


def checked(array: np.ndarray, shape: tuple[int, ...], qtype: QType, name: str) -> np.ndarray:
    """Return `array` as int64 codes, or refuse it."""
    if array.dtype.kind not in "iu":
        raise Refusal(f"{name}: input codes must be integers, not {array.dtype}")
    if array.ndim != 4 or array.shape[1:] != tuple(shape) or not len(array):
        wanted = " x ".join(map(str, shape))
        received = " x ".join(map(str, array.shape))
        raise Refusal(f"{name}: shape must be frames x {wanted}, not {received}")
    for value in (int(array.min()), int(array.max())):
        if not qtype.lo <= value <= qtype.hi:
            raise Refusal(
                f"{name}: input codes must be from {qtype.lo} to {qtype.hi}, found {value}"
            )
    return array.astype(np.int64)


def pack(codes: np.ndarray, lanes: int) -> bytes:
    """Return `codes` as the source reads them: a byte a code, the first code of a beat last."""
    low = (codes & 0xFF).astype(np.uint8)
    return low.reshape(-1, lanes)[:, ::-1].tobytes()


def unpack(raw: bytes, lanes: int, bits: int, signed: bool) -> np.ndarray:
    """Return the codes (beats * lanes,) of a stream recorded in 32-bit words, low word first."""
    words = -(-lanes * bits // 32)
    usable = len(raw) // (4 * words) * (4 * words)
    beats = np.frombuffer(raw[:usable], np.uint8).reshape(-1, 4 * words)
    flat = np.unpackbits(beats, axis=1, bitorder="little")[:, : lanes * bits].reshape(-1, bits)
    wide = np.zeros((len(flat), 64), np.uint8)
    wide[:, :bits] = flat
    if signed:
        wide[:, bits:] = flat[:, -1:]
    return np.packbits(wide, axis=1, bitorder="little").view("<i8").reshape(-1)


def _load(path: Path) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise Refusal(f"{path}: cannot be read: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise Refusal(
            f"{path}: must be a NumPy array file (.npy) of numbers, which NumPy cannot read from it"
        ) from error
    if not isinstance(array, np.ndarray):
        raise Refusal(f"{path}: must hold one array (.npy), not an archive of {len(array.files)}")
    return array


def _golden(path: Path, network: Network) -> tuple[np.ndarray, np.ndarray]:
    tensor, elements = network.input.output, network.output.output.elements
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            codes, outputs = archive["inputs"], archive["outputs"]
    except (OSError, KeyError, *UNREADABLE) as error:
        raise Refusal(
            f"{path}: must hold the arrays inputs and outputs, which NumPy cannot read from it"
        ) from error
    codes = checked(codes, tensor.shape, tensor.qtype, str(path))
    outputs = outputs.reshape((*outputs.shape[:1], -1)) if outputs.size else outputs
    if outputs.dtype.kind not in "iu" or outputs.shape != (len(codes), elements):
        raise Refusal(
            f"{path}: outputs must be {len(codes)} x {elements} integers, not "
            f"{' x '.join(map(str, outputs.shape))} {outputs.dtype}"
        )
    return codes, outputs.astype(np.int64)
