"""The register map: what is committed is what it generates, and bad maps are refused."""

import pytest

from zynqfire import Refusal
from zynqfire.hls import registers
from zynqfire.hls.register_map import REGISTERS

ENTRY = """
[[register]]
name = "A"
offset = {offset}
access = "{access}"
reset = 0
description = "a"
"""
FIELD = """
[[register.field]]
name = "{name}"
low = {low}
width = 2
description = "f"
"""


def test_the_generated_files_are_committed():
    for path, text in registers.generated().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path}: run python -m zynqfire.hls.registers"
        )


def test_the_drivers_table_is_the_map():
    for register in registers.load():
        offset, access, reset, fields = REGISTERS[register.name]
        assert (offset, access, reset) == (register.offset, register.access, register.reset)
        assert fields == {field.name: (field.low, field.width) for field in register.fields}
    assert len(REGISTERS) == len(registers.load())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ENTRY.format(offset=2, access="ro"), "offset must be a multiple of 4 below 4096, not 2"),
        (ENTRY.format(offset=4096, access="ro"), "below 4096, not 4096"),
        (ENTRY.format(offset=0, access="r"), r"access must be one of .*, not r$"),
        (ENTRY.format(offset=0, access="ro") * 2, "every name must be given once"),
        (ENTRY.format(offset=0, access="ro") + "color = 1", "register A: must have"),
        (
            ENTRY.format(offset=0, access="ro") + FIELD.format(name="f", low=31),
            "field f must have free bits below 32",
        ),
        (
            ENTRY.format(offset=0, access="ro")
            + FIELD.format(name="f", low=0)
            + FIELD.format(name="g", low=1),
            "field g must have free bits below 32",
        ),
    ],
)
def test_bad_maps_are_refused(text, sentence):
    with pytest.raises(Refusal, match=sentence):
        registers.read(text)


def test_a_field_stands_in_its_bits():
    text = ENTRY.format(offset=8, access="rw") + FIELD.format(name="f", low=3)
    made = registers.verilog(registers.read(text))
    assert "input  logic [1:0] a_f_i" in made and "output logic [1:0] a_f_o" in made
    assert "{27'd0, a_f_i, 3'd0}" in made and "assign a_f_o = data_q[4:3];" in made
