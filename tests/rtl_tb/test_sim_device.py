"""The RTL in this process: built once, loaded weights and all, and it says what is wrong."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import zynqfire
from zynqfire import Refusal
from zynqfire.board.driver import Accelerator, AcceleratorError
from zynqfire.hls import interpret, ir_text
from zynqfire.rtl_tb import simulator, test_loaded_networks
from zynqfire.rtl_tb.sim_device import SimDevice, library


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a build with weights of two layers in UltraRAM; copies of it share a library."""
    folder = tmp_path_factory.mktemp("device") / "build"
    with pytest.MonkeyPatch.context() as patch:
        test_loaded_networks.compiled(folder, patch)
        kept = os.environ.get(simulator.CACHE) or Path("build", "sim").absolute()
        patch.setenv(simulator.CACHE, str(kept))
        yield folder


def images(count):
    """Return random images of that network."""
    return np.random.default_rng(count).integers(0, 256, (count, 6, 6, 3), np.uint8)


def test_the_library_is_built_once_and_says_so(build, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv(simulator.CACHE, str(tmp_path))
    first, said = library(build), capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[0] == (
        "building the simulator of zynqfire_ip; it is kept for the next time"
    )
    assert said.err.splitlines()[1].startswith("built the simulator of zynqfire_ip in ")
    assert library(build) == first and capsys.readouterr().err == ""
    assert first.is_relative_to(tmp_path)
    first.unlink()
    first.write_bytes(b"\x7fELF")
    with pytest.raises(Refusal, match=r"^simulator .*: must be a library of this machine, delete"):
        SimDevice(build)


def test_weights_are_loaded_into_the_rtl(build):
    network = ir_text.read(build / "network.json")
    with zynqfire.Accelerator(build) as accelerator:
        assert np.array_equal(accelerator(images(5)), interpret.outputs(network, images(5)))
        accelerator.reset()
        assert np.array_equal(accelerator(images(3)), interpret.outputs(network, images(3)))


def test_a_wrong_weight_shows_in_the_signature(build, tmp_path):
    folder = shutil.copytree(build, tmp_path / "build")
    manifest = json.loads((folder / "manifest.json").read_text())
    entry, file = manifest["signatures"][1], folder / manifest["loads"][1]["file"]
    words = file.read_text().split()
    file.write_text("\n".join([f"{int(words[0], 16) ^ 4:08x}", *words[1:]]) + "\n")
    with zynqfire.Accelerator(folder) as accelerator:
        sentence = rf"memory u_middle \(layer middle\): signature must be {entry['signature']:08x}"
        with pytest.raises(AcceleratorError, match=sentence):
            accelerator(images(1))


def test_a_corrupted_rom_shows_in_the_signature(build, tmp_path):
    folder = shutil.copytree(build, tmp_path / "build")
    with zynqfire.Accelerator(folder) as accelerator:
        accelerator(images(2))
        accelerator.check_weights()
        accelerator.reset()
        accelerator.check_weights()
    file = folder / "mem" / "last.weights.mem"
    first, *others = file.read_text().split()
    file.write_text("\n".join([f"{int(first, 16) ^ 2:0{len(first)}x}", *others]) + "\n")
    with zynqfire.Accelerator(folder) as accelerator:
        sentence = r"^memory u_last \(layer last\): signature must be [0-9a-f]+, not [0-9a-f]+: "
        for use in (lambda: accelerator(images(1)), accelerator.check_weights):
            with pytest.raises(AcceleratorError, match=sentence):
                use()


@pytest.mark.parametrize("name", ["mem/u_first.load.mem", "mem/last.weights.mem", "rtl/zf_add.sv"])
def test_a_file_that_is_missing_is_refused(build, tmp_path, name):
    """Verilator would end the process."""
    folder = shutil.copytree(build, tmp_path / "build")
    (folder / name).unlink()
    with pytest.raises(Refusal, match=rf"must hold {name}, which its manifest.json names"):
        zynqfire.Accelerator(folder)


@pytest.mark.parametrize("damage", [b"", b"\0\0\0\0", b"12\n3g\n"])
def test_contents_that_are_damaged_are_refused(build, tmp_path, damage):
    """Here, too."""
    folder = shutil.copytree(build, tmp_path / "build")
    (folder / "mem" / "last.weights.mem").write_bytes(damage)
    with pytest.raises(Refusal, match=r"last.weights.mem must hold words in hexadecimal alone"):
        zynqfire.Accelerator(folder)


def test_rtl_that_does_not_compile_is_refused(build, tmp_path):
    folder = shutil.copytree(build, tmp_path / "build")
    (folder / "rtl" / "zynqfire_ip.sv").write_text("module zynqfire_ip (;")
    with pytest.raises(
        Refusal, match=r"Verilator must compile its SystemVerilog, %Error: .*syntax error"
    ):
        library(folder)


def test_registers_start_at_random_and_reset_covers_it(build):
    """Whatever reset forgets shows as a difference."""
    manifest = json.loads((build / "manifest.json").read_text())
    found = []
    for seed in (1, 2, 3):
        with Accelerator(SimDevice(build, seed=seed), manifest, build) as accelerator:
            found.append((accelerator(images(4)).tolist(), accelerator.device.clocks))
    assert found[0] == found[1] == found[2]


def test_a_closed_device_refuses(build):
    device = SimDevice(build)
    device.close()
    device.close()
    with pytest.raises(RuntimeError, match="must be open, it is closed"):
        device.read(0)


@pytest.mark.parametrize("stop", ["", "always_ff @(posedge aclk) if (s_axi_arvalid) $stop;\n"])
def test_rtl_that_never_answers_or_stops_does_not_end_the_process(build, tmp_path, stop):
    folder = shutil.copytree(build, tmp_path / "build")
    file = folder / "rtl" / "zynqfire_ip.sv"
    ports, _, _ = file.read_text().partition(");\n")
    file.write_text(f"{ports});\n{stop}endmodule\n")
    device = SimDevice(folder)
    with pytest.raises(RuntimeError, match="must answer each access and keep its assertions"):
        device.read(0)
        device.wait_sent(1)
    device.close()
