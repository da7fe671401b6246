"""A placed design as text: top module, memory contents, network description and manifest.

`emit` returns ``{path: text}`` and is deterministic; `write` puts it into a build folder. The top
only instantiates library modules and wires them: every line of logic is handwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import folder, manifest
from .cuts import encode
from .design import Design, Instance, Stream
from .ir_text import dumps
from .memory import Placed, rom_files
from .passes.units import output_bits

TOP = "zynqfire_top"
LIBRARY = Path(__file__).parent / "rtl"
BYTE = 8  # bits of an input lane at the top
# Forms of the modules that instantiate primitives, by family: DSP48E1 or DSP48E2.
PRIMITIVES = {"xc7": 1, "xcup": 2}
WITH_PRIMITIVES = ("zf_conv",)  # modules with the parameter Primitives


def library_sources() -> list[str]:
    """Return the file names of the SystemVerilog library, in dependency order."""
    return (LIBRARY / "sources.f").read_text().split()


def emit(
    design: Design, placed: Mapping[str, tuple[Placed, ...]], facts: Mapping[str, Any]
) -> dict:
    """Return the files of a build folder.

    Parameters
    ----------
    design : Design
    placed : mapping
        Instance name to the placements of its memories, in their order.
    facts : mapping
        What else the manifest says: board, predictions, layers, memories.

    Returns
    -------
    dict of str to str
        Text by path within the build folder.

    """
    files = {f"rtl/{name}": (LIBRARY / name).read_text() for name in library_sources()}
    parameters = {i.name: _parameters(i, placed.get(i.name, ())) for i in design.instances}
    for instance in design.instances:
        places = placed.get(instance.name, ())
        for path, text in instance.files().items():
            weights = path == instance.parameters.get("WeightFile")
            files |= rom_files(path, text, places[0]) if weights else {path: text}
    files[f"rtl/{TOP}.sv"] = top(design, parameters, facts["family"])
    files["network.json"] = dumps(design.network)
    files[manifest.NAME] = json.dumps(_manifest(design, parameters, facts), indent=1) + "\n"
    return files


def write(files: Mapping[str, str | bytes], out: Path) -> None:
    """Write `files` beside `out` and rename the folder when it is whole, replacing an old build.

    Raises
    ------
    Refusal
        The place cannot be written, or holds something that is no build.

    """
    with folder.replaced(out, manifest.NAME, "build folder") as beside:
        for path, text in files.items():
            target = beside / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text if isinstance(text, bytes) else text.encode())


def top(design: Design, parameters: Mapping[str, Mapping[str, int | str]], family: str) -> str:
    """Return the SystemVerilog of the top module for a family of boards."""
    in_bits = design.instances[0].sinks[0].lanes * BYTE
    out_bits = output_bits(design.network.output)
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "//",
        f"// {TOP}: the network {design.network.name}. Generated: wiring only.",
        "//",
        "// s_axis: pixels row by row, channel 0 lowest, a byte a code. m_axis: one code a beat,",
        "// sign-extended, tlast on a frame's last. After reset the next beat is a frame's first.",
        "",
        f"module {TOP} #(",
        "`ifdef SYNTHESIS",
        f"    parameter int Primitives = {PRIMITIVES[family]}",
        "`else",
        "    parameter int Primitives = 0  // behaviour: the same arithmetic, fast to simulate",
        "`endif",
        ") (",
        "    input  logic aclk,",
        "    input  logic aresetn,",
        f"    input  logic [{in_bits - 1}:0] s_axis_tdata,",
        "    input  logic s_axis_tvalid,",
        "    output logic s_axis_tready,",
        "    input  logic s_axis_tlast,",
        f"    output logic [{out_bits - 1}:0] m_axis_tdata,",
        "    output logic m_axis_tvalid,",
        "    input  logic m_axis_tready,",
        "    output logic m_axis_tlast",
        ");",
        "",
        "  logic rst_q;",
        "  always_ff @(posedge aclk) rst_q <= !aresetn;",
        "",
    ]
    for stream in design.streams:
        lines.append(f"  logic [{stream.width - 1}:0] {stream.name}_tdata;")
        lines.append(f"  logic {stream.name}_tvalid, {stream.name}_tready;")
    for instance in design.instances:
        lines += ["", *_instance(instance, parameters[instance.name])]
    return "\n".join([*lines, "", "endmodule", ""])


def _instance(instance: Instance, parameters: Mapping[str, int | str]) -> list[str]:
    assigned = [f".{name}({_literal(value)})" for name, value in parameters.items()]
    if instance.module in WITH_PRIMITIVES:
        assigned.append(".Primitives(Primitives)")
    ports = [".clk_i(aclk)", ".rst_i(rst_q)"]
    after = []
    if instance.sources:
        ports += [f".s_{signal}({_join(instance.sources, signal[:-2])})" for signal in _SLAVE]
    else:
        ports += [f".s_{signal}(s_axis_{signal[:-2]})" for signal in (*_SLAVE, "tlast_i")]
    if not instance.sinks:
        ports += [f".m_{signal}(m_axis_{signal[:-2]})" for signal in (*_MASTER, "tlast_o")]
    elif len(instance.sinks) == 1:
        sink = instance.sinks[0].name
        ports += [f".m_{signal}({sink}_{signal[:-2]})" for signal in _MASTER]
    else:  # a fork: one payload, each branch its own handshake
        ports.append(f".m_tdata_o({instance.sinks[0].name}_tdata)")
        ports += [f".m_{signal}({_join(instance.sinks, signal[:-2])})" for signal in _MASTER[1:]]
        first = instance.sinks[0].name
        after = [f"  assign {sink.name}_tdata = {first}_tdata;" for sink in instance.sinks[1:]]
    return [
        f"  // {instance.layer}",
        f"  {instance.module} #(",
        *_listed(assigned),
        f"  ) {instance.name} (",
        *_listed(ports),
        "  );",
        *after,
    ]


_SLAVE = ("tdata_i", "tvalid_i", "tready_o")
_MASTER = ("tdata_o", "tvalid_o", "tready_i")


def _listed(items: list[str]) -> list[str]:
    return [f"      {item}{',' if i + 1 < len(items) else ''}" for i, item in enumerate(items)]


def _join(streams: tuple[Stream, ...], signal: str) -> str:
    names = [f"{stream.name}_{signal}" for stream in reversed(streams)]
    return names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"


def _literal(value: int | str) -> str:
    """Return a SystemVerilog constant; beyond 32 bits it needs its size."""
    if isinstance(value, str):
        return f'"{value}"'
    if -(2**31) <= value < 2**31:
        return str(value)
    size = value.bit_length() + 1
    return f"-{size}'sd{-value}" if value < 0 else f"{size}'sh{value:x}"


def _parameters(instance: Instance, placed: tuple[Placed, ...]) -> dict[str, int | str]:
    cuts = zip(instance.memory_parameters, placed, strict=False)
    return dict(instance.parameters) | {name: encode(place.cut) for name, place in cuts}


def _manifest(
    design: Design, parameters: Mapping[str, Mapping[str, int | str]], facts: Mapping[str, Any]
) -> dict[str, Any]:
    first, last = design.network.input.output, design.network.output
    entry = design.instances[0].sinks[0]
    return {
        "format": manifest.FORMAT,
        "name": design.network.name,
        "top": TOP,
        "sources": [f"rtl/{name}" for name in (*library_sources(), f"{TOP}.sv")],
        "input": {
            "shape": list(first.shape),
            **_qtype(first.qtype),
            "lanes": entry.lanes,
            "lane_bits": BYTE,
            "beats": entry.beats,
        },
        "output": {
            "shape": list(last.output.shape),
            **_qtype(last.output.qtype),
            "divisor": last.divisor,
            "tdata_bits": output_bits(last),
            "beats": last.output.elements,
        },
        "streams": [
            {
                "name": stream.name,
                "tensor": stream.tensor.name,
                "layer": stream.layer,
                "lanes": stream.lanes,
                "bits": stream.tensor.qtype.bits,
                "signed": stream.tensor.qtype.signed,
                "shape": list(stream.tensor.shape),
            }
            for stream in design.streams
        ],
        "instances": [
            {
                "layer": instance.layer,
                "module": instance.module,
                "instance": instance.name,
                "parameters": parameters[instance.name],
            }
            for instance in design.instances
        ],
        **facts,
    }


def _qtype(qtype: Any) -> dict[str, Any]:
    return {"bits": qtype.bits, "signed": qtype.signed, "frac": qtype.frac}
