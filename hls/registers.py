"""The register map: `registers.toml`, and what is generated from it.

``python -m zynqfire.hls.registers`` writes the decoder in SystemVerilog, the table for the driver,
the macros for programs in C and the page for people, so that no offset is typed twice. They are
committed, and a test holds that they are what `generated` returns.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import Refusal

HERE = Path(__file__).parent
MAP = HERE / "registers.toml"
ADDRESS_BITS = 12  # of a byte address: the 4 KiB that an AXI slave has at least
LINE = 100  # characters of a line of Python
ACCESS = ("ro", "rw", "wo")
_FIELD = {"name", "low", "width", "description"}
_REGISTER = {"name", "offset", "access", "reset", "description"}


@dataclass(frozen=True)
class Field:
    """`width` bits of a register from bit `low`."""

    name: str
    low: int
    width: int
    description: str
    access: str

    @property
    def mask(self) -> int:
        """Its bits in the register."""
        return ((1 << self.width) - 1) << self.low


@dataclass(frozen=True)
class Register:
    """A register of 32 bits at the byte address `offset`."""

    name: str
    offset: int
    access: str
    reset: int
    description: str
    fields: tuple[Field, ...] = ()
    constant: bool = False

    @property
    def parts(self) -> tuple[tuple[str, Field], ...]:
        """Its fields by their names in SystemVerilog; the whole register where it has none."""
        name = self.name.lower()
        if not self.fields:
            return ((name, Field(name, 0, 32, self.description, self.access)),)
        return tuple((f"{name}_{field.name}", field) for field in self.fields)

    @property
    def readable(self) -> bool:
        """Whether a read gives something."""
        return self.access != "wo"

    @property
    def writable(self) -> bool:
        """Whether a write does something."""
        return self.access != "ro"


def read(text: str) -> tuple[Register, ...]:
    """Return the registers of a map in TOML, in the order of their offsets.

    Raises
    ------
    Refusal
        Something is missing, unknown or overlaps.
    """
    found = [_register(entry) for entry in tomllib.loads(text)["register"]]
    for kind, values in (
        ("name", [register.name for register in found]),
        ("offset", [register.offset for register in found]),
    ):
        if len(set(values)) < len(values):
            raise Refusal(f"register map: every {kind} must be given once, not {values}")
    return tuple(sorted(found, key=lambda register: register.offset))


def _register(entry: dict[str, Any]) -> Register:
    fields = entry.pop("field", [])
    constant = entry.pop("constant", False)
    if entry.keys() != _REGISTER:
        raise Refusal(f"register {entry.get('name')}: must have {_REGISTER}, not {set(entry)}")
    name, offset, access = entry["name"], entry["offset"], entry["access"]
    if offset % 4 or not 0 <= offset < 1 << ADDRESS_BITS:
        raise Refusal(f"register {name}: offset must be a multiple of 4 below 4096, not {offset}")
    made, taken = [], 0
    for given in fields:
        own = given.pop("access", access)
        if given.keys() != _FIELD:
            raise Refusal(f"register {name}: a field must have {_FIELD}, not {set(given)}")
        field = Field(**given, access=own)
        if field.width < 1 or field.mask >> 32 or field.mask & taken:
            raise Refusal(f"register {name}: field {field.name} must have free bits below 32")
        taken |= field.mask
        made.append(field)
    for one in (access, *(field.access for field in made)):
        if one not in ACCESS:
            raise Refusal(f"register {name}: access must be one of {ACCESS}, not {one}")
    return Register(**entry, fields=tuple(made), constant=constant)


def load() -> tuple[Register, ...]:
    """Return the accelerator's registers."""
    return read(MAP.read_text(encoding="utf-8"))


_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
//
// zf_registers: address decoder of the registers. Generated from hls/registers.toml by
// python -m zynqfire.hls.registers; docs/registers.md describes them.
//
//   NAME_write_o(t + 1) = write_i(t) to NAME with all bytes, its fields' bits beside it
//   read_data_o(t + 2) = the fields of the register at read_word_i(t), where read_i(t)
// refused_o says a cycle after an access that no such register can be read or written, or not all
// bytes were; a read of none gives 0. read_data_o holds until the next read.
//
// Latency: 1 cycle writing, 2 reading. Throughput: a write and a read a cycle.

module zf_registers (
    input  logic clk_i,
    input  logic rst_i,
    input  logic write_i,
    input  logic [{top}:0] write_word_i,  // address / 4
    input  logic [31:0] write_data_i,
    input  logic write_whole_i,  // all four bytes
    input  logic read_i,
    input  logic [{top}:0] read_word_i,
    output logic [31:0] read_data_o,
"""


def verilog(registers: tuple[Register, ...]) -> str:
    """Return the decoder in SystemVerilog."""
    words = ADDRESS_BITS - 2
    readable = [r for r in registers if r.readable]
    writable = [r for r in registers if r.writable]
    ports, fields, values = [], [], []
    for r in readable:
        if r.constant:
            values.append(f"32'h{r.reset:08x}")
            continue
        parts = [(name, field) for name, field in r.parts if field.access != "wo"]
        ports += [f"    input  logic {_range(f.width)}{name}_i" for name, f in parts]
        values.append(_word(parts))
    for r in writable:
        ports.append(f"    output logic {r.name.lower()}_write_o")
        for name, f in r.parts:
            if f.access != "ro":
                ports.append(f"    output logic {_range(f.width)}{name}_o")
                high = f.low + f.width - 1
                bits = "" if f.width == 32 else f"[{high}:{f.low}]" if f.width > 1 else f"[{high}]"
                fields.append(f"  assign {name}_o = data_q{bits};")
    ports.append("    output logic refused_o")
    count = len(readable)
    lines = [
        f"  logic [{len(writable) - 1}:0] write_hit, write_q;",
        *(
            f"  assign write_hit[{i}] = write_word_i == {words}'d{r.offset // 4};  // {r.name}"
            for i, r in enumerate(writable)
        ),
        f"  logic [{count - 1}:0] read_hit, read_q;",
        *(
            f"  assign read_hit[{i}] = read_word_i == {words}'d{r.offset // 4};  // {r.name}"
            for i, r in enumerate(readable)
        ),
        "",
        "  logic [31:0] data_q;",
        "  logic asked_q;",
        "  always_ff @(posedge clk_i) begin",
        "    data_q    <= write_data_i;",
        "    write_q   <= (write_i && write_whole_i && !rst_i) ? write_hit : '0;",
        "    read_q    <= read_hit;",
        "    asked_q   <= read_i && !rst_i;",
        "    refused_o <= !rst_i && ((write_i && !(write_whole_i && write_hit != '0))",
        "                            || (read_i && read_hit == '0));",
        "    if (asked_q) begin",
        "      read_data_o <= " + f"\n{' ' * 10}| ".join(_masked(values)) + ";",
        "    end",
        "  end",
        "",
        *(f"  assign {r.name.lower()}_write_o = write_q[{i}];" for i, r in enumerate(writable)),
        *fields,
    ]
    head = _HEAD.replace("{top}", str(words - 1))
    return head + ",\n".join(ports) + "\n);\n\n" + "\n".join(lines) + "\n\nendmodule\n"


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


def _masked(values: list[str]) -> list[str]:
    return [f"({{32{{read_q[{i}]}}}} & {value})" for i, value in enumerate(values)]


def _word(parts: list[tuple[str, Field]]) -> str:
    """Return a register's fields in their places."""
    pieces, at = [], 0
    for name, field in sorted(parts, key=lambda part: part[1].low):
        pieces += [f"{field.low - at}'d0"] if field.low > at else []
        pieces.append(f"{name}_i")
        at = field.low + field.width
    pieces += [f"{32 - at}'d0"] if at < 32 else []
    return f"{{{', '.join(reversed(pieces))}}}" if len(pieces) > 1 else pieces[0]


def table(registers: tuple[Register, ...]) -> str:
    """Return the map as a Python module that needs nothing."""
    lines = [
        '"""The register map as literals, for the driver. Generated from registers.toml."""',
        "",
        "# name: (offset, access, reset, {field: (lowest bit, width)})",
        "REGISTERS = {",
    ]
    for r in registers:
        fields = ", ".join(f'"{f.name}": ({f.low}, {f.width})' for f in r.fields)
        reset = f"0x{r.reset:08X}"
        parts = (f"0x{r.offset:03X}", f'"{r.access}"', reset, f"{{{fields}}}")
        line = f'    "{r.name}": ({", ".join(parts)}),'
        if len(line) > LINE:  # as the formatter breaks it
            line = "\n".join(
                [f'    "{r.name}": (', *(f"        {part}," for part in parts), "    ),"]
            )
        lines.append(line)
    return "\n".join([*lines, "}", ""])


def header(registers: tuple[Register, ...]) -> str:
    """Return the map as macros of C: offsets, the bits of each field, values of constants."""
    lines = [
        "/* SPDX-License-Identifier: Apache-2.0",
        " *",
        " * The register map: byte offsets, bits of fields. Generated from hls/registers.toml.",
        " */",
        "#ifndef ZYNQFIRE_REGISTERS_H",
        "#define ZYNQFIRE_REGISTERS_H",
        "",
    ]
    for r in registers:
        lines.append(f"#define ZYNQFIRE_{r.name} 0x{r.offset:03x}u")
        if r.constant:
            lines.append(f"#define ZYNQFIRE_{r.name}_RESET 0x{r.reset:08x}u")
        lines += [f"#define ZYNQFIRE_{r.name}_{f.name.upper()} 0x{f.mask:x}u" for f in r.fields]
    return "\n".join([*lines, "", "#endif", ""])


_PAGE = """\
# Registers

Generated from [`hls/registers.toml`](../hls/registers.toml) by
`.venv/bin/python -m zynqfire.hls.registers`.

The accelerator's AXI4-Lite port `s_axi` has registers of 32 bits in 4 KiB. [ip.md](ip.md) says what
its streams do.

Where weights lie in UltraRAM, which has no contents until they are loaded, a host writes each
memory's number to SELECT and then all its words to DATA, and frames are taken once every memory is
loaded. Load while no frame is under way: one that has begun goes on, with the weights that it
finds. Where MEMORIES is 0 frames are taken at once.

SIGNATURES memories, those of MEMORIES first, have a signature: each of a layer's weights in block
RAM or UltraRAM, as the layer read them. What it must be is in the build's `manifest.json`; a ROM
that is corrupted shows in it after the next frame.

- A write takes all four bytes. Where it does not, or there is no such register, or it cannot be
  written or read, nothing happens, a read gives 0, and STATUS.refused is set; so it is by a SELECT
  of no memory, a DATA beyond the memory's last or for one in ROM, and a PACKET of 0 or above 65535.
  The response is OKAY all the same: an error response would stop the processor, not the program
  that was wrong.
- A write is a cycle when address and data come together. Reads and writes do not wait for each
  other.
- Reset forgets that memories were loaded. A soft reset does not; it clears counters, ERRORS and
  INTERRUPT, and keeps PACKET and INTERRUPT_ENABLE. The write that begins it writes the modes, too.
  Both forget the signatures, which are there again when a frame has gone through.

| offset | name | access | after reset | what it is |
|---|---|---|---|---|
"""


def page(registers: tuple[Register, ...]) -> str:
    """Return the map as Markdown."""
    lines = []
    for r in registers:
        reset = f"0x{r.reset:X}" if r.reset else "0"
        lines.append(f"| 0x{r.offset:03X} | {r.name} | {r.access} | {reset} | {r.description} |")
        for f in r.fields:
            high = f.low + f.width - 1
            bits = f"{high}:{f.low}" if f.width > 1 else f"{f.low}"
            lines.append(f"| | .{f.name} | {f.access} | | bit {bits}: {f.description} |")
    return _PAGE + "\n".join(lines) + "\n"


def generated() -> dict[Path, str]:
    """Return what is made from the map, by its place in the checkout."""
    registers = load()
    return {
        HERE / "rtl" / "zf_registers.sv": verilog(registers),
        HERE / "register_map.py": table(registers),
        HERE.parent / "board" / "baremetal" / "zynqfire_registers.h": header(registers),
        HERE.parent / "docs" / "registers.md": page(registers),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
        print(path)
