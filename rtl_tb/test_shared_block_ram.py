"""Networks whose layers share a block RAM: bit-exact, and one RAMB18 for two."""

import json
import shutil

import pytest

from zynqfire.board import catalog, yosys
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import emit
from zynqfire.hls.cuts import whole
from zynqfire.hls.design import Design
from zynqfire.hls.memory import Placed
from zynqfire.rtl_tb.simulate import simulate
from zynqfire.rtl_tb.test_loaded_networks import FOLDS, network


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a build in which `first` and `last` share a block RAM."""
    folder = tmp_path_factory.mktemp("shared") / "build"
    plain = emit.emit

    def shared(design: Design, placed, facts):
        for instance in design.instances:
            if instance.layer in ("first", "last") and instance.module == "zf_conv":
                memory = instance.memories[0]
                bits = min(memory.width, 18)
                left = memory.width - bits
                cut = whole(left, memory.depth) if left else ()
                own = Placed(memory, cut, "xc7", bits, half=True)
                placed[instance.name] = (own, *placed[instance.name][1:])
        return plain(design, placed, facts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emit, "emit", shared)
        hls_compile.build(network(), catalog.load("pynq-z2"), folder, folding=FOLDS)
    return folder


def test_it_is_bit_exact(built):
    manifest = json.loads((built / "manifest.json").read_text())
    assert [i["instance"] for i in manifest["instances"] if i["module"] == "zf_rom_pair"] == [
        "pair_0"
    ]
    result = simulate(built, frames=4, stalls=3)
    assert result["bit_exact"], result


def test_a_wrong_bit_of_either_shows(built, tmp_path):
    manifest = json.loads((built / "manifest.json").read_text())
    pair = next(i for i in manifest["instances"] if i["module"] == "zf_rom_pair")["parameters"]
    half = 1 << pair["Deep"] - 1
    for line, layer in ((0, "first"), (half, "last")):
        folder = shutil.copytree(built, tmp_path / layer)
        file = folder / pair["InitFile"]
        lines = file.read_text().split()
        assert len(lines) == 2 * half
        lines[line] = f"{int(lines[line], 16) ^ 1:05x}"
        file.write_text("\n".join(lines) + "\n")
        result = simulate(folder, frames=2)
        assert not result["bit_exact"] and result["first_mismatch"]["layer"] == layer


@pytest.mark.parametrize(("family", "primitive"), [("xc7", "RAMB18E1"), ("xcup", "RAMB18E2")])
@pytest.mark.parametrize(("deep", "bits"), [(10, 18), (11, 9), (12, 4), (10, 1)])
def test_yosys_makes_one_block_ram_of_it(family, primitive, deep, bits, tmp_path):
    half = 1 << deep - 1
    (tmp_path / "pair.mem").write_text(
        "".join(f"{n * 2654435761 % (1 << bits):x}\n" for n in range(2 * half))
    )
    (tmp_path / "zf_rom_pair.sv").write_bytes((emit.LIBRARY / "zf_rom_pair.sv").read_bytes())
    sizes = {"WidthA": bits, "DepthA": half, "WidthB": bits, "DepthB": half - 3, "Deep": deep}
    settings = " ".join(f"-chparam {name} {value}" for name, value in sizes.items())
    name = b"pair.mem".hex()
    yosys.run(
        "read_verilog -sv -defer zf_rom_pair.sv\n"
        f"hierarchy -check -top zf_rom_pair {settings} -chparam InitFile 64'h{name}\n"
        f"synth_xilinx -family {family} -run begin:map_ffram\nblackbox =A:whitebox\n"
        "write_json netlist.json\n",
        tmp_path,
    )
    modules = json.loads((tmp_path / "netlist.json").read_text())["modules"]
    (top,) = (m for name, m in modules.items() if m["attributes"].get("top"))
    found = [cell["type"] for cell in top["cells"].values() if "RAM" in cell["type"]]
    assert found == [primitive]
