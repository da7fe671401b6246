"""Compares the accelerator here with the golden vectors; the exit code is 1 where one differs.

Run it on the board, whose bitstream is beside it, as `sudo -E python3 selftest.py`; or, where
zynqfire is installed, with `--device sim` on the RTL beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

HERE = Path(__file__).resolve().parent


def connect(device: str, **options: Any) -> Any:
    """Return the accelerator of this folder: `pynq`, this board, or `sim`, its RTL."""
    if device == "sim":
        try:
            import zynqfire
        except ImportError as error:
            what = "device sim: zynqfire must be installed here, for it compiles the RTL"
            raise RuntimeError(f"{what}: {error}") from None
        return zynqfire.Accelerator(HERE, device="sim", **options)
    from driver import Accelerator

    return Accelerator.on_board(HERE, **options)


def golden() -> tuple[np.ndarray, np.ndarray]:
    """Return the images and the logits that the network has for them."""
    entry = json.loads((HERE / "manifest.json").read_text())["input"]
    try:
        with np.load(HERE / "golden.npz") as arrays:
            images = arrays["inputs"].astype(np.int8 if entry["signed"] else np.uint8)
            return images, arrays["outputs"].reshape(len(images), -1)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise RuntimeError(f"golden.npz: must hold inputs and outputs: {error}") from None


def check(accelerator: Any, images: np.ndarray, logits: np.ndarray) -> int:
    """Return how many frames differ: of a batch, one by one, and of a batch after a reset."""
    wrong = 0

    def compare(what: str, found: np.ndarray) -> None:
        nonlocal wrong
        bad = np.flatnonzero((found != logits).any(axis=1))
        wrong += len(bad)
        where = f"{len(bad)} differ, the first one is {bad[0]}" if len(bad) else "all are equal"
        print(f"{len(images)} frames {what}: {where}")

    start = time.perf_counter()
    found = accelerator(images)
    seconds = time.perf_counter() - start
    compare("in a batch", found)
    pending = [accelerator.submit(image) for image in images]
    compare("one by one", np.concatenate([each.result() for each in pending]))
    status = accelerator.status()
    accelerator.reset()
    compare("after a reset", accelerator(images))
    accelerator.check_weights()
    memories = len(accelerator.manifest["signatures"])
    print(f"{memories} memories of weights: all signatures are right")
    cycles = f"{status['latency_cycles']} cycles latency, {status['interval_cycles']} a frame"
    print(f"the hardware counts {cycles}; the batch took {seconds:.4f} s here")
    return wrong


def main() -> int:
    """Run the self-test and return the exit code: 2 where it could not run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("pynq", "sim"), default="pynq")
    try:
        with connect(parser.parse_args().device) as accelerator:
            wrong = check(accelerator, *golden())
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        print(f"selftest: {error}", file=sys.stderr)
        return 2
    print("selftest: failed" if wrong else "selftest: passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
