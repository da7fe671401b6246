"""The IP around a core: its widths, what they bound, its ports and what the manifest says of it."""

import hashlib
import json
import math
import re

import numpy as np
import pytest
from random_networks import Builder, random_network

from zynqfire import Refusal
from zynqfire.board.catalog import load
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import ip, manifest, register_map
from zynqfire.hls.emit import library_sources
from zynqfire.hls.ir import QType


def shell(shape=(32, 32, 3), lanes=3, interval=1024, family="xc7"):
    return ip.Shell("core", shape, lanes, 10, 32, (), 0, 1, interval, ip.WIDTHS[family])


@pytest.mark.parametrize(
    ("family", "lanes", "interval", "bits", "cycles"),
    [
        ("xc7", 1, 3072, 32, 3072),
        ("xc7", 3, 1024, 32, 1024),
        ("xcup", 3, 1024, 32, 1024),
    ],
)
def test_the_narrowest_input_that_keeps_the_interval(family, lanes, interval, bits, cycles):
    own = shell(lanes=lanes, interval=interval, family=family)
    assert (own.in_bits, own.interval) == (bits, cycles)


@pytest.mark.parametrize(
    ("family", "lanes", "bits", "cycles"),
    [
        ("xc7", 4, 32, 1024),  # of 64 channels, 8 by 8
        ("xc7", 8, 64, 512),
        ("xc7", 16, 64, 512),  # the input bounds the rate
        ("xcup", 16, 128, 256),
        ("xcup", 64, 128, 256),
        ("xcup", 32, 128, 256),
    ],
)
def test_many_channels(family, lanes, bits, cycles):
    own = shell((8, 8, 64), lanes, 4096 // lanes, family)
    assert (own.in_bits, own.interval) == (bits, cycles)
    assert own.lanes % own.step == 0 and own.step <= bits // 8


def test_lanes_that_no_width_holds_enter_in_parts():
    own = shell((2, 2, 22), 22, 4, "xcup")
    assert (own.in_bits, own.step, own.interval) == (128, 11, 8)
    own = shell((2, 2, 17), 17, 4, "xcup")
    assert (own.in_bits, own.step, own.interval) == (32, 1, 68)  # no width takes more at a time


def test_the_manifest_describes_it(tmp_path):
    result = hls_compile.build(random_network(2), load("pynq-z2"), tmp_path / "b", interval=900)
    read = manifest.read(tmp_path / "b", "ip", "input", "output", "sources", "interval_cycles")
    own, names = read["ip"], library_sources()
    assert own["sources"] == [*read["sources"], "rtl/zynqfire_ip.sv", "rtl/zynqfire.v"]
    assert read["sources"] == [f"rtl/{name}" for name in (*names, "zynqfire_top.sv")]
    assert own["input_bytes"] == math.prod(read["input"]["shape"])
    assert own["output_bytes"] == read["output"]["beats"] * read["output"]["tdata_bits"] // 8
    digest = hashlib.sha256((tmp_path / "b" / "network.json").read_bytes()).hexdigest()
    assert f"{own['network_hash']:08x}" == digest[:8]
    assert own["registers"] == json.loads(json.dumps(register_map.REGISTERS))
    for key in ("in_bits", "out_bits", "interval_cycles"):
        assert result[f"ip_{key}"] == own[key]


def test_a_manifest_that_is_damaged_is_refused(tmp_path):
    """Before anything is computed from it."""
    hls_compile.build(random_network(2), load("pynq-z2"), tmp_path / "b", interval=900)
    whole = (tmp_path / "b" / "manifest.json").read_text()

    def refused(sentence, change):
        damaged = json.loads(whole)
        change(damaged)
        (tmp_path / "b" / "manifest.json").write_text(json.dumps(damaged))
        with pytest.raises(Refusal, match=sentence):
            manifest.with_ports(tmp_path / "b", "input")

    refused("'VERSION' is a required property", lambda m: m["ip"]["registers"].pop("VERSION"))
    refused("is not of type 'integer'", lambda m: m["ip"].update(network_hash=1.5))
    refused("STATUS.*'8' is not of", lambda m: m["ip"]["registers"]["STATUS"].__setitem__(0, "8"))
    refused("input.shape: .* is too short", lambda m: m["input"]["shape"].pop())
    refused("input.shape: .* is too long", lambda m: m["input"]["shape"].append(1))


def test_the_two_tops_have_the_same_ports(tmp_path):
    hls_compile.build(random_network(2), load("pynq-z2"), tmp_path / "b", interval=900)
    port = re.compile(r"^ +(input|output) +(?:logic|wire) (\[\d+:0\] )?(\w+)", re.MULTILINE)
    tops = [
        (tmp_path / "b" / "rtl" / name).read_text() for name in ("zynqfire_ip.sv", "zynqfire.v")
    ]
    found = [port.findall(text) for text in tops]
    assert found[0] == found[1] and len(found[0]) == 33
    buses = re.findall(r'INFO = "xilinx.com:(\w+:\w+:1.0 \w+ \w+)" \*\)', tops[1])
    assert len(buses) == 33 == len(set(buses))
    assert (
        "interface:aximm:1.0 s_axi AWADDR" in buses and "interface:axis:1.0 s_axis TDATA" in buses
    )
    assert "ASSOCIATED_BUSIF s_axis:m_axis:s_axi, ASSOCIATED_RESET aresetn" in tops[1]


@pytest.mark.parametrize(("simd", "cycles"), [(64, 64), (16, 256)])
def test_compile_says_when_the_input_bounds_the_rate(simd, cycles, tmp_path):
    grown = Builder(np.random.default_rng(1), (8, 8, 64), QType(8, False, 8))
    conv = grown.convolution("c", grown.operations[0].output, 1, (1, 1), (1, 1), (0,) * 4)
    said, folds = [], {"c": {"pe": 1, "simd": simd, "pixels": 1}}
    result = hls_compile.build(
        grown.output(conv), load("zcu102"), tmp_path / "b", folding=folds, report=said.append
    )
    assert (result["interval_cycles"], result["ip_interval_cycles"]) == (cycles, 256)
    found = [text for text in said if "bounds" in text]
    assert found == [
        "warning: the IP's input of 128 bits takes a frame of 4096 bytes in 256 cycles: it bounds "
        "the frame rate, not the core's 64"
    ] * (cycles < 256)
