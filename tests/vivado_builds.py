"""Small builds for the tests of Vivado's flow, and a program `vivado` that runs the stubs."""

import json
import os
import sys
from pathlib import Path

from zynqfire.hls.register_map import REGISTERS

FOLDER = Path(__file__).parent / "board" / "vivado"
REPORTS = FOLDER / "reports"
PARTS = {"xc7": ("pynq-z2", "xc7z020clg400-1"), "xcup": ("zcu104", "xczu7ev-ffvc1156-2-e")}
COST = {"lut": 0, "lutram": 0, "srl": 0, "ff": 0, "bram36": 0, "dsp": 0}
# instance: layer; as in the reports of REPORTS, but for the last, which Vivado dissolved
INSTANCES = {
    "u_axis_in": "input",
    "u_conv1": "conv1",
    "u_fire2_squeeze": "fire2/squeeze",
    "u_fire2_squeeze_fork": "fire2/squeeze",
}
LITE = (
    *(("awaddr", 12, 1), ("awprot", 3, 1), ("awvalid", 1, 1), ("awready", 1, 0)),
    *(("wdata", 32, 1), ("wstrb", 4, 1), ("wvalid", 1, 1), ("wready", 1, 0), ("bresp", 2, 0)),
    *(("bvalid", 1, 0), ("bready", 1, 1), ("araddr", 12, 1), ("arprot", 3, 1)),
    *(("arvalid", 1, 1), ("arready", 1, 0), ("rdata", 32, 0), ("rresp", 2, 0)),
    *(("rvalid", 1, 0), ("rready", 1, 1)),
)


def top(in_bits: int, out_bits: int) -> str:
    """Return the Verilog top that the packager reads, as `compile` writes it, but empty."""
    clock = "ASSOCIATED_BUSIF s_axis:m_axis:s_axi, ASSOCIATED_RESET aresetn"
    ports = [
        ("aclk", 1, 1, "signal:clock:1.0 aclk CLK", clock),
        ("aresetn", 1, 1, "signal:reset:1.0 aresetn RST", "POLARITY ACTIVE_LOW"),
        ("irq", 1, 0, "signal:interrupt:1.0 irq INTERRUPT", "SENSITIVITY LEVEL_HIGH"),
    ]
    for bus, bits, inward in (("s_axis", in_bits, 1), ("m_axis", out_bits, 0)):
        wires = [("tdata", bits), ("tkeep", bits // 8), ("tvalid", 1), ("tlast", 1)]
        wires += [("tuser", 1)] if inward else []
        signals = [(*wire, inward) for wire in wires] + [("tready", 1, 1 - inward)]
        for name, width, way in signals:
            ports.append((f"{bus}_{name}", width, way, f"interface:axis:1.0 {bus} {name.upper()}"))
    for name, width, way in LITE:
        ports.append((f"s_axi_{name}", width, way, f"interface:aximm:1.0 s_axi {name.upper()}"))
    lines = []
    for name, width, way, info, *parameter in ports:
        lines.append(f'(* X_INTERFACE_INFO = "xilinx.com:{info}" *)')
        lines += [f'(* X_INTERFACE_PARAMETER = "{text}" *)' for text in parameter]
        size = f"[{width - 1}:0] " if width > 1 else ""
        lines.append(f"{'input ' if way else 'output'} wire {size}{name},")
    lines[-1] = lines[-1].rstrip(",")
    return "\n".join(["module zynqfire (", *lines, ");", "endmodule", ""])


def build(folder: Path, family: str = "xc7", in_bits: int = 32, out_bits: int = 32) -> Path:
    """Write a build that synthesizes to nothing but has all that Vivado's flow reads."""
    board, part = PARTS[family]
    sources = {
        "rtl/zynqfire_top.sv": "module zynqfire_top #(\n`ifdef SYNTHESIS\nparameter P = 1\n`else\n"
        'parameter P = 0\n`endif\n); zf_rom #(.InitFile("mem/a.mem")) u_conv1 (); endmodule\n',
        "rtl/zynqfire_ip.sv": "module zynqfire_ip; endmodule\n",
        "rtl/zynqfire.v": top(in_bits, out_bits),
    }
    contents = {"mem/a.mem.000": "1\n2\n", "mem/a.mem.001": "3\n4\n", "mem/b.mem": "5\n"}
    for name, text in (sources | contents).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    memories = {"WeightFile": "mem/a.mem", "BiasFile": "mem/b.mem", "Other": ""}
    manifest = {
        "format": 1,
        "board": board,
        "part": part,
        "family": family,
        "instances": [
            {"layer": layer, "module": "zf_conv", "instance": name}
            | {"parameters": memories if layer == "conv1" else {"Width": 8}}
            for name, layer in INSTANCES.items()
        ],
        "estimate": COST | {"lut": 2566, "dsp": 6},
        "estimate_by_layer": {
            **{layer: COST for layer in INSTANCES.values()},
            "conv1": COST | {"lut": 2200, "ff": 2600, "dsp": 6},
        },
        "ip": {
            "top": "zynqfire_ip",
            "packager_top": "zynqfire",
            "sources": list(sources),
            "in_bits": in_bits,
            "out_bits": out_bits,
            "input_bytes": 192,
            "output_bytes": 12,
            "network_hash": 305419896,
            "interval_cycles": 64,
            "registers": REGISTERS,
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def install(folder: Path) -> dict[str, str]:
    """Put a program `vivado` into a new folder; return the environment in which it is found."""
    folder.mkdir(exist_ok=True)
    program = folder / "vivado"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FOLDER / "fake.py"}" "$@"\n')
    program.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "ZYNQFIRE_STUB_REPORTS": str(REPORTS / "xc7")}
