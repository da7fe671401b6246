"""A placed design as text: top module, memory contents, network description and manifest.

`emit` returns ``{path: text}`` and is deterministic; `write` puts it into a build folder. The top
only instantiates library modules and wires them: every line of logic is handwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import boot, folder, ip, ip_tops, load, manifest, pairs, signatures
from .cuts import encode
from .design import Design, Instance, Stream
from .ir_text import dumps
from .load import Outside
from .memory import Placed, rom_files
from .passes.units import output_bits
from .verilog import listed as _listed
from .verilog import literal as _literal

TOP = "zynqfire_top"
LIBRARY = Path(__file__).parent / "rtl"
BYTE = 8  # bits of an input lane at the top
# Forms of the modules that instantiate primitives, by family: DSP48E1 or DSP48E2.
PRIMITIVES = {"xc7": 1, "xcup": 2}
WITH_PRIMITIVES = ("zf_conv",)  # modules that always take the parameter Primitives
WITH_OUTSIDE = "zf_conv"  # whose weights may lie outside
WITH_ROM = ("zf_conv", "zf_depthwise")  # that show their weights as they read them


def library_sources() -> list[str]:
    """Return the file names of the SystemVerilog library, in dependency order."""
    return (LIBRARY / "sources.f").read_text().split()


def emit(
    design: Design,
    placed: Mapping[str, tuple[Placed, ...]],
    facts: Mapping[str, Any],
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
    design = _as_placed(design, placed)
    files = {f"rtl/{name}": (LIBRARY / name).read_text() for name in library_sources()}
    parameters = {i.name: _parameters(i, placed.get(i.name, ())) for i in design.instances}
    outside, shared = _outside(design, placed), pairs.pairs(design, placed)
    signed = signatures.signed(design, placed)
    words: dict[str, list[int]] = {}
    for instance in design.instances:
        places = placed.get(instance.name, ())
        if places and places[0].outside:
            parameters[instance.name]["Outside"] = places[0].outside
            if places[0].outside == places[0].memory.width:
                del parameters[instance.name]["WeightFile"]
        for path, text in instance.files().items():
            weights = path == instance.parameters.get("WeightFile")
            if weights and places[0].signed:
                words[instance.name] = [int(line, 16) for line in text.split()]
            files |= rom_files(path, text, places[0]) if weights else {path: text}
    for own in outside:
        low = [word & ((1 << own.bits) - 1) for word in words[own.instance]]
        files[own.file] = load.lines(load.writes(low, own.bits))
    files |= {pair.file: pair.contents(words) for pair in shared}
    files[f"rtl/{TOP}.sv"] = top(design, parameters, facts["family"], outside, shared, signed)
    files["network.json"] = dumps(design.network)
    services = [
        *boot.services(outside),
        *signatures.services(signed),
        *pairs.services(shared),
    ]
    described = _manifest(design, parameters, facts, [*_services(design, services)])
    described["loads"] = [boot.entry(each) for each in outside]
    described["signatures"] = [signatures.entry(own, words[own.instance]) for own in signed]
    digest = hashlib.sha256(files["network.json"].encode()).digest()
    network_hash = int.from_bytes(digest[:4], "big")
    shell = ip.Shell.of(described, facts["family"], design.interval, network_hash)
    files |= ip_tops.tops(shell, described["name"])
    described["ip"] = shell.described(described["sources"])
    files[manifest.NAME] = json.dumps(described, indent=1) + "\n"
    return files


def has_primitives(module: str, parameters: Mapping[str, int | str]) -> bool:
    """Tell whether an instance of a module takes the parameter Primitives."""
    return module in WITH_PRIMITIVES or "IndexBits" in parameters


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


def top(
    design: Design,
    parameters: Mapping[str, Mapping[str, int | str]],
    family: str,
    outside: Sequence[Outside] = (),
    shared: Sequence[pairs.Pair] = (),
    signed: Sequence[signatures.Signed] = (),
) -> str:
    """Return the SystemVerilog of the top module for a family of boards.

    With weights `outside`, it also has ports over which they are loaded; weights in `shared` block
    RAMs are beside their layers. Of those `signed` it has the signatures as ports.
    """
    ports = [*(boot.ports(outside) if outside else ())]
    ports += signatures.ports(signed) if signed else []
    in_bits = design.instances[0].sinks[0].lanes * BYTE
    out_bits = output_bits(design.network.output)
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "//",
        f"// {TOP}: the network {design.network.name}. Generated: wiring only.",
        "//",
        "// s_axis: pixels row by row, channel 0 lowest, a byte a code. m_axis: one code a beat,",
        "// sign-extended, tlast on a frame's last. After reset the next beat is a frame's first.",
        *(boot.REMARK if outside else ()),
        *(signatures.REMARK if signed else ()),
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
        f"    output logic m_axis_tlast{',' if ports else ''}",
        *_listed(ports, indent=4),
        ");",
        "",
        "  logic rst_q;",
        "  always_ff @(posedge aclk) rst_q <= !aresetn;",
        "",
    ]
    for stream in design.streams:
        lines.append(f"  logic [{stream.width - 1}:0] {stream.name}_tdata;")
        lines.append(f"  logic {stream.name}_tvalid, {stream.name}_tready;")
    roms = signatures.wires(signed)
    lines += signatures.wiring(signed)
    lines += boot.wiring(outside, roms) if outside else []
    lines += ["", *pairs.wiring(shared, roms)] if shared else []
    apart = {each.instance for each in outside}
    apart |= {half.instance for pair in shared for half in pair.halves}
    entry = "gate" if outside else "s_axis"
    for instance in design.instances:
        rom, word = roms.get(instance.name), instance.name in apart
        lines += ["", *_instance(instance, parameters[instance.name], entry, rom, word)]
    return "\n".join([*lines, "", "endmodule", ""])


def _instance(
    instance: Instance,
    parameters: Mapping[str, int | str],
    entry: str,
    rom: str | None,
    word: bool,
) -> list[str]:
    """Return an instance.

    `entry` brings the frames; `rom` begins the names of the wires that show its weights, those that
    lie outside it come as a `word`.
    """
    assigned = [f".{name}({_literal(value)})" for name, value in parameters.items()]
    if has_primitives(instance.module, parameters):
        assigned.append(".Primitives(Primitives)")
    ports = [".clk_i(aclk)", ".rst_i(rst_q)"]
    after = []
    if instance.sources:
        ports += [f".s_{signal}({_join(instance.sources, signal[:-2])})" for signal in _SLAVE]
    else:
        shakes = [f".s_{signal}({entry}_{signal[:-2]})" for signal in _SLAVE[1:]]
        ports += [".s_tdata_i(s_axis_tdata)", *shakes, ".s_tlast_i(s_axis_tlast)"]
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
    if instance.module in WITH_ROM:
        ports += [f".rom_{s}_o({f'{rom}_{s}' if rom else ''})" for s in _ROM]
    if instance.module == WITH_OUTSIDE:
        low = f"{rom}_word" if word else "1'b0"
        ports.append(f".rom_word_i({low})")
    return [
        f"  // {instance.layer}",
        f"  {instance.module} #(",
        *_listed(assigned),
        f"  ) {instance.name} (",
        *_listed(ports),
        "  );",
        *after,
    ]


_ROM = ("addr", "step", "data")
_SLAVE = ("tdata_i", "tvalid_i", "tready_o")
_MASTER = ("tdata_o", "tvalid_o", "tready_i")


def _join(streams: tuple[Stream, ...], signal: str) -> str:
    names = [f"{stream.name}_{signal}" for stream in reversed(streams)]
    return names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"


def _as_placed(design: Design, placed: Mapping[str, tuple[Placed, ...]]) -> Design:
    """Return `design` with units whose weights are in LUTs as they are smaller there."""
    instances = (
        i.plain if i.plain and not placed[i.name][0].block else i for i in design.instances
    )
    return replace(design, instances=tuple(instances))


def _outside(design: Design, placed: Mapping[str, tuple[Placed, ...]]) -> list[Outside]:
    """Return what lies in UltraRAM, in the order of loading."""
    return [
        Outside(i.name, own.outside, own.memory.depth, f"mem/{i.name}.load.mem")
        for i in design.instances
        for own in placed.get(i.name, ())[:1]
        if own.ultra
    ]


def _parameters(instance: Instance, placed: tuple[Placed, ...]) -> dict[str, int | str]:
    cuts = zip(instance.memory_parameters, placed, strict=False)
    found = dict(instance.parameters) | {name: encode(place.cut) for name, place in cuts}
    if placed and placed[0].block:
        found.pop("RestInit", None)  # of a ROM in LUTs
    return found


def _manifest(
    design: Design,
    parameters: Mapping[str, Mapping[str, int | str]],
    facts: Mapping[str, Any],
    services: Sequence[Mapping[str, Any]],
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
                "parameters": manifest.written(parameters[instance.name]),
            }
            for instance in design.instances
        ]
        + list(services),
        **facts,
    }


def _services(
    design: Design, services: Sequence[tuple[str, str, str, Mapping[str, int | str]]]
) -> Iterator[dict[str, Any]]:
    """Yield what the manifest says of the modules beside the layers."""
    layers = {instance.name: instance.layer for instance in design.instances}
    for module, name, served, values in services:
        yield {
            "layer": layers.get(served, boot.LAYER),
            "module": module,
            "instance": name,
            "parameters": manifest.written(values),
        }


def _qtype(qtype: Any) -> dict[str, Any]:
    return {"bits": qtype.bits, "signed": qtype.signed, "frac": qtype.frac}
