"""hls4ml's stock Vitis project of a network: exact, whole, with sane streams."""

import re

import numpy as np
import pytest
from qonnx_nets import Net, codes, fire_net, pixels

from zynqfire import Refusal
from zynqfire.hls import executors, vitis


def test_emulation_equals_the_interpreter():
    """One C++ build of a network with all that is delicate for hls4ml.

    Channels with scales of their own, also of weights out of a table, a map with two different
    quantizers, branches of different types, a sum, a maximum, ties and clamps, padding classes, an
    average.
    """
    rng = np.random.default_rng(4)
    net = Net((2, 7, 9))
    fracs = rng.integers(3, 6, 4)
    x = net.conv(
        net.last,
        codes(rng, 4, 2, (3, 3)),
        fracs,
        bias=rng.integers(-99, 99, 4),
        bias_frac=8 + fracs,
        stride=(2, 1),
        pads=(1, 1, 1, 0),
        name="stem",
    )
    a = net.quant(x, 3, 4, True, narrow=True)
    b = net.quant(net.relu(x), 4, 3, False)
    x = net.concat(a, b, net.quant(net.add(a, b), 3, 5, True))
    x = net.max_pool(x, [2, 2], [2, 2])
    table = [-100, -41, -7, 0, 3, 22, 90]
    places, shifts = rng.integers(0, 7, (5, 12, 1, 1)), [0, 1, 2, 3, 0]
    weight = net.looked_up(table, places, shifts=shifts, name="head")
    x = net.conv(x, places, name="head", weight=weight)
    net.slice(net.flatten(net.pool(net.quant(x, 2, 6, True))), 0, 4)
    model = net.model()
    frames = pixels(rng, 16, (2, 7, 9))
    expected = executors.by_interpreter(model, frames)
    assert np.array_equal(executors.by_qonnx(model, frames), expected)
    assert len(np.unique(expected)) > 8
    assert np.array_equal(executors.by_vitis(model, frames), expected)


def test_project_is_whole_and_replaced(tmp_path):
    """The folder holds a project of hls4ml, an old one goes, and nothing stays beside it."""
    model = fire_net(np.random.default_rng(1), per_channel=True).model()
    out = tmp_path / "project"
    result = vitis.write_project(model, out)
    (out / "old").write_text("")
    assert vitis.write_project(model, out)["layers"] == result["layers"]
    assert [path.name for path in tmp_path.iterdir()] == ["project"]
    assert not (out / "old").exists()
    assert (out / "firmware" / f"{vitis.PROJECT}.cpp").is_file()
    assert (out / "build_prj.tcl").is_file()
    assert [layer["name"] for layer in result["layers"]] == [
        *("conv1", "fire2/squeeze", "fire2/expand1", "fire2/expand3", "conv10")
    ]


def test_streams_are_not_whole_maps(tmp_path):
    """A stream holds rows, enough for branches that lag, where hls4ml would hold the map."""
    rng = np.random.default_rng(1)
    net = Net((2, 32, 8))
    entry = net.last
    a = net.quant(net.conv(entry, codes(rng, 2, 2, (1, 1)), name="a"), 3, 4, True)
    b = net.conv(entry, codes(rng, 2, 2, (3, 3)), pads=(1,) * 4, name="b")
    net.concat(a, net.quant(b, 3, 4, True))
    vitis.write_project(net.model(), tmp_path / "project")
    text = (tmp_path / "project" / "firmware" / f"{vitis.PROJECT}.cpp").read_text()
    depths = [int(depth) for depth in re.findall(r"STREAM variable=\w+ depth=(\d+)", text)]
    assert depths
    assert max(depths) < 32 * 8 / 4
    assert min(depths) >= 2


def test_somebody_elses_folder_is_left_alone(tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "cat.jpg").write_text("")
    with pytest.raises(Refusal, match=r"hls4ml project .*: must be new, empty or such a one"):
        vitis.write_project(fire_net(np.random.default_rng(1)).model(), out)
    assert (out / "cat.jpg").exists()


def test_average_that_hls4ml_rounds(tmp_path):
    """Its division by 15 is no integer arithmetic."""
    net = Net((2, 3, 5))
    net.pool(net.conv(net.last, codes(np.random.default_rng(0), 4, 2, (1, 1))))
    with pytest.raises(Refusal, match="hls4ml cannot average over 15 positions exactly"):
        vitis.write_project(net.model(), tmp_path / "project")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pads", "sentence"),
    [
        ([1, 1, 1, 1], "hls4ml cannot pad a pool in a stream, not by"),
        ([0, 0, 0, 0], "a pool of hls4ml in a stream must have the stride of its kernel"),
    ],
)
def test_a_pool_that_hls4ml_has_not_is_refused(pads, sentence, tmp_path):
    net = Net((2, 7, 7))
    x = net.quant(net.conv(net.last, codes(np.random.default_rng(1), 2, 2, (1, 1))), 3, 4, True)
    net.max_pool(x, [3, 3], [2, 2], pads)
    with pytest.raises(Refusal, match=rf"^layer conv/pool: {sentence}"):
        vitis.write_project(net.model(), tmp_path / "project")
    assert not list(tmp_path.iterdir())


def test_a_bypass_holds_the_rows_of_all_windows_beside_it(tmp_path):
    rng = np.random.default_rng(1)
    net = Net((2, 32, 8))
    x = first = net.quant(net.conv(net.last, codes(rng, 2, 2, (1, 1)), name="a"), 3, 4, True)
    for name in ("b", "c"):
        x = net.conv(x, codes(rng, 2, 2, (5, 5)), pads=(2,) * 4, name=name)
        x = net.quant(x, 3, 4, True)
    net.add(first, x)
    vitis.write_project(net.model(), tmp_path / "project")
    text = (tmp_path / "project" / "firmware" / f"{vitis.PROJECT}.cpp").read_text()
    depths = [int(depth) for depth in re.findall(r"STREAM variable=\w+ depth=(\d+)", text)]
    assert 2 * 5 * 8 <= max(depths) < 32 * 8
