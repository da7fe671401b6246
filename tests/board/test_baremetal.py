"""The driver in C: as strict a compiler as there is, linked with the RTL in place of a board."""

import os
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from accelerators import compiled, expected, frames

from zynqfire.board.package import package
from zynqfire.rtl_tb import test_loaded_networks
from zynqfire.rtl_tb.sim_device import HARNESS, library

HERE = Path(__file__).parent
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror")


@pytest.fixture(scope="module", params=["ROM", "UltraRAM"])
def unpacked(request, tmp_path_factory):
    """Return an unpacked archive, of a network whose weights are in ROM or must be loaded."""
    folder = tmp_path_factory.mktemp("bare")
    if request.param == "ROM":
        compiled(folder / "build")
    else:
        with pytest.MonkeyPatch.context() as patch:
            test_loaded_networks.compiled(folder / "build", patch)
    package(folder / "build", folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def run(folder, program, images, more=b""):
    """Compile the C files of an archive with `program` in place of main.c and give it images."""
    made, bare = library(folder), folder / "baremetal"
    sources = [path for path in sorted(bare.glob("*.c")) if path.name != "main.c"]
    sources += [program, HARNESS.parent / "platform_sim.c"]
    link = (made, f"-Wl,-rpath,{made.parent}", "-o", folder / "program")
    includes = (f"-I{bare}", f"-I{HARNESS.parent}")
    subprocess.run(["gcc", *STRICT, *includes, *sources, *link], check=True)
    return subprocess.run(
        [folder / "program"],
        input=images.tobytes() + more,
        env=os.environ | {"ZYNQFIRE_BUILD": str(folder)},
        capture_output=True,
        check=False,
    )


def shape(folder):
    """Return the shape of an archive's images."""
    with np.load(folder / "golden.npz") as arrays:
        return arrays["inputs"].shape[1:]


def test_the_example_classifies_a_cameras_lines(unpacked):
    images = frames(5, seed=3, shape=shape(unpacked))
    done = run(unpacked, unpacked / "baremetal" / "main.c", images, b"half of one")
    logits = expected(unpacked, images)
    right = [f"frame {n}: class {row.argmax()}, logit {row.max()}" for n, row in enumerate(logits)]
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == right
    assert done.stderr == b"the last frame is cut off\n"


def test_no_cache_line_of_the_logits_holds_anything_else(unpacked):
    """What invalidates them must not throw away what was written beside."""
    run(unpacked, unpacked / "baremetal" / "main.c", frames(1, shape=shape(unpacked)))
    listed = subprocess.run(["nm", "-S", unpacked / "program"], capture_output=True, check=True)
    (line,) = [line for line in listed.stdout.split(b"\n") if line.endswith(b" logits")]
    address, size = (int(word, 16) for word in line.split()[:2])
    assert address % 64 == 0 and size % 64 == 0 and size > 0


def test_the_example_sees_another_network(unpacked):
    header = unpacked / "baremetal" / "network.h"
    kept = header.read_text()
    header.write_text(kept.replace("NETWORK_HASH 0x", "NETWORK_HASH 1 + 0x"))
    try:
        done = run(unpacked, unpacked / "baremetal" / "main.c", frames(1, shape=shape(unpacked)))
    finally:
        header.write_text(kept)
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr == b"the accelerator cannot be used: reason 3\n"


def test_packets_of_frames_live_lines_and_errors(unpacked):
    done = run(unpacked, HERE / "bare.c", frames(2, shape=shape(unpacked)))
    answers = done.stdout.decode().splitlines()
    assert len(answers) == 13 and all(line.endswith(": yes") for line in answers), answers
    assert done.returncode == 0
