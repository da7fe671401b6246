"""Longest paths of hand-made netlists."""

import pytest

from zynqfire.board.levels import longest


class Netlist:
    """A module in Yosys's JSON format, a cell at a time."""

    def __init__(self):
        self.cells, self.ports, self.nets = {}, {}, 1

    def net(self, count=1):
        """Return new nets."""
        self.nets += count
        return list(range(self.nets - count + 1, self.nets + 1))

    def add(self, kind, inputs, outputs, **parameters):
        """Add a cell; return its output nets by port."""
        made = {port: self.net(width) for port, width in outputs.items()}
        self.cells[f"c{len(self.cells)}"] = {
            "type": kind,
            "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(made, "output"),
            "connections": inputs | made,
            "parameters": parameters,
        }
        return made

    def register(self, bit):
        """Return the output of a flip-flop that takes `bit`."""
        return self.add("FDRE", {"C": ["0"], "CE": ["1"], "R": ["0"], "D": [bit]}, {"Q": 1})["Q"][0]

    def lut(self, *bits):
        """Return the output of a LUT of `bits`."""
        inputs = {f"I{i}": [bit] for i, bit in enumerate(bits)}
        return self.add(f"LUT{len(bits)}", inputs, {"O": 1})["O"][0]

    def carry(self, select, data, ci=("0",), cyinit=("0",)):
        """Return O and CO of a CARRY4."""
        inputs = {"CI": list(ci), "CYINIT": list(cyinit), "S": select, "DI": data}
        made = self.add("CARRY4", inputs, {"O": 4, "CO": 4})
        return made["O"], made["CO"]

    def levels(self):
        """Return the longest path's levels."""
        return longest({"cells": self.cells, "ports": self.ports}).levels


@pytest.fixture
def n():
    """Return an empty netlist."""
    return Netlist()


def test_luts_in_a_row(n):
    """Each counts one; a flip-flop begins anew; constants are at no level."""
    bit = n.register("1")
    for _ in range(3):
        bit = n.lut(bit, "0")
    bit = n.register(bit)
    n.register(n.lut(n.lut(bit)))
    assert n.levels() == 3


def test_the_deepest_input_counts(n):
    """Of two branches the longer."""
    a = n.register("0")
    n.register(n.lut(a, n.lut(a), n.lut(n.lut(a), a)))
    assert n.levels() == 3


def test_path_is_named(n):
    """From the register through the LUT to the register."""
    a = n.register("0")
    n.register(n.lut(a))
    nets = {
        "u_long.count_q": {"hide_name": 0, "bits": ["0", a]},
        "count": {"hide_name": 0, "bits": [a, "x"]},
        "$1": {"hide_name": 1, "bits": [a]},
    }
    path = longest({"cells": n.cells, "ports": {}, "netnames": nets})
    assert path.cells == ("FDRE count[0]", "LUT1 c1", "FDRE c2.D")


def test_wide_multiplexers(n):
    """MUXF7 and MUXF8 count one each, from their select too."""
    a = n.register("0")
    seven = [
        n.add("MUXF7", {"I0": [n.lut(a)], "I1": [n.lut(a)], "S": [a]}, {"O": 1})["O"][0]
        for _ in range(2)
    ]
    n.register(n.add("MUXF8", {"I0": seven[:1], "I1": seven[1:], "S": [a]}, {"O": 1})["O"][0])
    assert n.levels() == 3
    late = n.lut(n.lut(n.lut(n.lut(a))))
    n.register(n.add("MUXF8", {"I0": [a], "I1": [a], "S": [late]}, {"O": 1})["O"][0])
    assert n.levels() == 5


def test_carry_chain(n):
    """1 + bits/16, over as many CARRY4 as it takes."""
    a = n.register("0")
    propagate = n.lut(a)
    _, carries = n.carry([propagate] * 4, [a] * 4)
    sums, _ = n.carry(["0"] * 4, ["0"] * 4, ci=carries[3:])
    n.register(sums[3])
    assert n.levels() == 1 + 1 + 8 / 16


def test_carry_needs_lower_bits_only(n):
    """A late upper bit does not delay a lower sum."""
    a = n.register("0")
    late = n.lut(n.lut(n.lut(a)))
    sums, _ = n.carry([a, a, a, late], [a] * 4)
    n.register(sums[1])
    assert n.levels() == 1 + 2 / 16
    n.register(sums[3])
    assert n.levels() == 3 + 1 + 1 / 16


def test_carry_in_from_logic_begins_a_chain(n):
    """A carry-in that is no carry-out costs the entry."""
    a = n.register("0")
    sums, _ = n.carry(["0"] * 4, ["0"] * 4, ci=[n.lut(a)])
    n.register(sums[0])
    assert n.levels() == 1 + 1 + 1 / 16
    sums, _ = n.carry(["0"] * 4, ["0"] * 4, cyinit=[n.lut(n.lut(a))])
    n.register(sums[0])
    assert n.levels() == 2 + 1 + 1 / 16


def table(function):
    """Return the INIT of a LUT6_2 whose input n is bit n of the function's argument."""
    return "".join(str(int(function(i))) for i in reversed(range(64)))


def test_o5_needs_five_inputs(n):
    """The lower output of LUT6_2 does not depend on I5."""
    a = n.register("0")
    late = n.lut(n.lut(a))
    inputs = {f"I{i}": [a] for i in range(5)} | {"I5": [late]}
    parity = table(lambda i: i.bit_count() % 2)
    made = n.add("LUT6_2", inputs, {"O5": 1, "O6": 1}, INIT=parity)
    n.register(made["O5"][0])
    assert n.levels() == 1  # late itself ends nowhere
    n.register(made["O6"][0])
    assert n.levels() == 3


def test_a_table_depends_on_the_inputs_that_it_reads(n):
    """Each output of LUT6_2 has inputs of its own: bit 0 of two numbers and bit 3 of them."""
    a = n.register("0")
    late, later = n.lut(n.lut(a)), n.lut(n.lut(n.lut(a)))
    inputs = {f"I{i}": [a] for i in range(6)} | {"I0": [late], "I3": [later]}
    halves = table(lambda i: i >> 3 & 1 if i >> 5 else i & 1)
    made = n.add("LUT6_2", inputs, {"O5": 1, "O6": 1}, INIT=halves)
    n.register(made["O5"][0])
    assert n.levels() == 3
    n.register(made["O6"][0])
    assert n.levels() == 4
    fixed = n.add("LUT6_2", inputs, {"O5": 1}, INIT="x" * 64)
    n.register(n.lut(fixed["O5"][0]))
    assert n.levels() == 4


@pytest.mark.parametrize("kind", ["RAMB18E1", "RAMB36E2", "DSP48E1", "URAM288"])
def test_cut_at(n, kind):
    """Nothing passes through a block RAM or DSP in a clock."""
    a = n.register("0")
    out = n.add(kind, {"A": [n.lut(n.lut(a))]}, {"P": 1})["P"][0]
    n.register(n.lut(out))
    assert n.levels() == 2


def test_lut_ram(n):
    """A read counts one from its own address; writes end."""
    a = n.register("0")
    late = n.lut(n.lut(n.lut(a)))
    ports = {"ADDRA": [a] * 6, "ADDRB": [n.lut(a)] * 6, "ADDRD": [late] * 6, "DIA": [a], "WE": [a]}
    made = n.add("RAM64M", ports, {"DOA": 1, "DOB": 1})
    assert n.levels() == 3  # into the write address
    n.register(n.lut(n.lut(n.lut(made["DOB"][0]))))
    assert n.levels() == 1 + 1 + 3
    read = n.add("RAM64X1D", {"A0": [late], "DPRA0": [a], "D": [a]}, {"SPO": 1, "DPO": 1})
    n.register(n.lut(read["DPO"][0]))
    assert n.levels() == 5
    n.register(n.lut(n.lut(read["SPO"][0])))
    assert n.levels() == 3 + 1 + 2


def test_shift_register(n):
    """A fixed tap is a register, a variable tap counts one from its address."""
    a = n.register("0")
    late = n.lut(n.lut(a))
    fixed = n.add("SRL16E", {"D": [late], "A0": ["1"], "A1": ["0"]}, {"Q": 1})["Q"][0]
    n.register(n.lut(n.lut(fixed)))
    assert n.levels() == 2
    moving = n.add("SRLC32E", {"D": [a], "A": [late, "0"]}, {"Q": 1, "Q31": 1})
    n.register(moving["Q31"][0])
    assert n.levels() == 2
    n.register(moving["Q"][0])
    assert n.levels() == 3


def test_ports_are_ends(n):
    """Paths from inputs and to outputs count."""
    (a,) = n.net()
    out = n.lut(n.lut(a))
    n.ports = {
        "a": {"direction": "input", "bits": [a]},
        "y": {"direction": "output", "bits": [out]},
    }
    assert n.levels() == 2


def test_deep_paths_do_not_recurse(n):
    """Far deeper than Python's stack."""
    bit = n.register("0")
    for _ in range(20_000):
        bit = n.lut(bit)
    n.register(bit)
    assert n.levels() == 20_000


def test_a_loop_is_an_error(n):
    """Not an endless walk."""
    a = n.lut(99)
    n.cells["c0"]["connections"]["I0"] = [a]
    n.register(a)
    with pytest.raises(ValueError, match="combinational loop through c0"):
        n.levels()


def test_an_unknown_cell_is_an_error(n):
    """Not silently a register."""
    n.register(n.add("PLL", {"A": ["0"]}, {"O": 1})["O"][0])
    with pytest.raises(ValueError, match="cell type PLL is not known"):
        n.levels()
