"""Weights out of a table: read from QONNX, carried through hls4ml, kept as a codebook."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import onnx
import pytest
from qonnx_nets import Net, assert_as_qonnx, codes, pixels

from zynqfire import Refusal
from zynqfire.hls import ir_text, prepare, verify
from zynqfire.hls.fewer_bits import all_at_most, weight_bits, with_weight_bits
from zynqfire.hls.lower import from_onnx, lower

SIXTEEN = np.array([-99, -60, -41, -30, -19, -11, -6, -2, 0, 3, 8, 14, 25, 37, 58, 120])


def drawn(entries, shape, seed=0):
    """Return indices, each at least once where there is room."""
    rng = np.random.default_rng(seed)
    flat = rng.integers(0, entries, np.prod(shape))
    flat[:entries] = np.arange(entries)[: flat.size]
    return rng.permutation(flat).reshape(shape)


def layer(shape=(5, 3, 3, 3), table=SIXTEEN, indices=None, **settings):
    """Return the model and the only convolution of its IR."""
    net = Net((3, 6, 6))
    x = net.last
    indices = drawn(len(table), shape) if indices is None else indices
    weight = net.looked_up(table, indices, **settings)
    net.conv(x, np.zeros(shape), weight=weight, group=3 // shape[1])
    model = net.model()
    return model, from_onnx(model).operations[1]


def refusal(model) -> str:
    """Return the sentence with which a model is refused."""
    with pytest.raises(Refusal) as caught:
        from_onnx(model)
    return str(caught.value)


def test_a_table_becomes_the_codebook():
    indices = drawn(16, (5, 3, 3, 3))
    model, conv = layer(indices=indices)
    assert conv.codebook == tuple(SIXTEEN.tolist())
    assert (conv.weight_bits, conv.stored_bits) == (8, 4)
    assert np.array_equal(conv.weights, SIXTEEN[indices].transpose(0, 2, 3, 1))
    assert np.array_equal(conv.stored, indices.transpose(0, 2, 3, 1))  # the table is ascending
    assert_as_qonnx(model, pixels(np.random.default_rng(1), 3, (3, 6, 6)))


def test_order_duplicates_unused_entries_and_negative_indices():
    """The codebook is what the weights are, whatever the table looks like."""
    table = np.array([50, -7, 50, 9, 100, -7, 0])
    indices = drawn(4, (5, 3, 3, 3)) - 7  # ONNX counts these from the end
    model, conv = layer(table=table, indices=indices)
    assert conv.codebook == (-7, 9, 50)
    assert (conv.weight_bits, conv.stored_bits) == (7, 2)
    assert np.array_equal(conv.weights, table[indices].transpose(0, 2, 3, 1))
    assert_as_qonnx(model, pixels(np.random.default_rng(2), 3, (3, 6, 6)))


@pytest.mark.parametrize(
    ("table", "bits", "stored"),
    [
        ([-7, -2, 0, 5], 4, 2),  # as narrow as the values are
        ([-1, 1], 2, 1),
        (range(-7, 8), 4, 4),  # places as wide as the weights save nothing
        (range(-20, 12), 6, 5),
        ([3], 3, 1),
    ],
)
def test_widths(table, bits, stored):
    table = np.array([*table])
    model, conv = layer(table=table)
    assert (conv.weight_bits, conv.stored_bits) == (bits, stored)
    assert conv.codebook == (tuple(table.tolist()) if stored < bits else ())
    assert_as_qonnx(model, pixels(np.random.default_rng(3), 2, (3, 6, 6)))


def test_channels_with_factors_keep_the_table():
    """Also where a channel's own values have trailing zeros, which its shift might take."""
    indices = drawn(16, (5, 3, 3, 3))
    indices[2] = 8  # a dead channel: its scale means nothing
    indices[3] = drawn(2, (3, 3, 3)) * 2 + 10  # 8 and 25
    indices[4] = 10  # 8, a single bit
    model, conv = layer(indices=indices, shifts=[0, 2, -9, 3, 1])
    assert conv.codebook == tuple(SIXTEEN.tolist())
    assert np.array_equal(conv.weights, SIXTEEN[indices].transpose(0, 2, 3, 1))
    assert conv.output.align == (3, 1, 3, 0, 2)
    assert_as_qonnx(model, pixels(np.random.default_rng(4), 3, (3, 6, 6)))


def test_biases_are_on_the_grids_of_their_channels():
    """Where one is on a finer one, its channel cannot be shifted as far as its table was."""
    table, indices, shifts = SIXTEEN // 4, drawn(16, (5, 3, 1, 1)), [-1, -2, 0, 0, 0]
    for bias, codebook in (([4, 8, 1, 3, 5], 1), ([4, 6, 1, 3, 5], 0)):
        net = Net((3, 6, 6))
        x = net.last
        weight = net.looked_up(table, indices, shifts=shifts)
        net.conv(x, np.zeros((5, 3, 1, 1)), weight=weight, bias=bias, bias_frac=15)
        model = net.model()
        conv = from_onnx(model).convolutions[0]
        assert bool(conv.codebook) == codebook
        assert_as_qonnx(model, pixels(np.random.default_rng(8), 3, (3, 6, 6)))


def test_depthwise():
    model, op = layer((3, 1, 3, 3), indices=drawn(16, (3, 1, 3, 3)), shifts=[1, 0, 2])
    assert type(op).__name__ == "Depthwise"
    assert op.codebook == tuple(SIXTEEN.tolist())
    assert_as_qonnx(model, pixels(np.random.default_rng(5), 3, (3, 6, 6)))


def test_groups_that_become_one_add_a_zero():
    net = Net((4, 6, 6))
    table, x = np.array([-100, -3, 2, 90]), net.last
    weight = net.looked_up(table, drawn(4, (6, 2, 1, 1)))
    net.conv(x, np.zeros((6, 2, 1, 1)), weight=weight, group=2)
    conv = from_onnx(net.model()).operations[1]
    assert conv.codebook == (-100, -3, 0, 2, 90)
    assert conv.stored_bits == 3


def test_fully_connected():
    net = Net((4, 4, 4))
    pooled = net.quant(net.pool(net.last), 4, 4, False)
    flat = net.flatten(pooled)
    weight = net.looked_up(SIXTEEN, drawn(16, (6, 4)), shifts=range(6), name="fc")
    net.gemm(flat, np.zeros((6, 4)), weight=weight)
    model = net.model()
    conv = from_onnx(model).convolutions[0]
    assert (conv.name, len(conv.codebook)) == ("fc", 16)
    assert_as_qonnx(model, pixels(np.random.default_rng(6), 3, (4, 4, 4)))


def test_filters_that_a_slice_drops_take_their_entries_along():
    net = Net((3, 4, 4))
    indices, x = drawn(2, (4, 3, 1, 1)), net.last
    indices[3:] = 15
    weight = net.looked_up(SIXTEEN, indices)
    x = net.conv(x, np.zeros((4, 3, 1, 1)), weight=weight)
    net.slice(net.flatten(net.pool(x)), 0, 3)
    assert from_onnx(net.model()).convolutions[0].codebook == (-99, -60)


def test_network_description_keeps_it():
    network = from_onnx(layer()[0])
    again = ir_text.loads(ir_text.dumps(network))
    assert again.convolutions[0].codebook == network.convolutions[0].codebook
    assert isinstance(again.convolutions[0].codebook, tuple)


def graph_of(source):
    """Return hls4ml's graph of a prepared model, a path or the model itself."""
    from hls4ml.converters import convert_from_onnx_model

    with contextlib.redirect_stdout(io.StringIO()):
        return convert_from_onnx_model(source, backend="zynqfire", output_dir="a", hls_config={})


def test_hls4ml_itself_keeps_it(tmp_path):
    """A user's own conversion of the prepared model, from a file as well."""
    model, conv = layer(shifts=range(5))
    prepared = prepare(model)
    onnx.save(prepared, str(tmp_path / "prepared.onnx"))
    for source in (prepared, str(tmp_path / "prepared.onnx")):
        found = lower(graph_of(source), "net").convolutions[0]
        assert found.codebook == conv.codebook
        assert np.array_equal(found.weights, conv.weights)
        assert found.output.align == conv.output.align


def test_weights_edited_in_the_graph_change_the_codebook():
    """One more value fits; too many, or a channel off its grid, are stored as they are."""
    indices = drawn(16, (5, 3, 3, 3))
    indices[0] = drawn(5, (3, 3, 3)) + 6  # small enough for a finer grid
    model, conv = layer(indices=indices, shifts=[0, 0, 0, 0, 1])
    graph = graph_of(prepare(model))
    (node,) = (node for node in graph.get_layers() if "Conv" in node.class_name)
    data = node.weights["weight"].data  # rows, columns, inputs, outputs
    data[0, 0, 0, 1] = 77 / 128
    found = lower(graph, "net").convolutions[0]
    assert set(found.codebook) == {*conv.codebook, 77}
    assert found.stored_bits == 5
    data[0, 0, 0, 0] += 1 / 256
    assert lower(graph, "net").convolutions[0].codebook == ()
    data[0, 0, 0, 0] -= 1 / 256
    data[:, :, :, 1:3] = np.arange(54).reshape(3, 3, 3, 2) / 128
    assert lower(graph, "net").convolutions[0].codebook == ()


def test_fewer_bits_are_fewer_values():
    network = from_onnx(layer()[0])
    assert weight_bits(network) == {"conv": 4}
    fewer = with_weight_bits(network, {"conv": 3})
    conv = verify.check(fewer).convolutions[0]
    assert conv.codebook == (-11, -6, -2, 0, 3, 8, 14)
    assert with_weight_bits(network, {"conv": 4}).convolutions[0] is network.convolutions[0]
    assert weight_bits(all_at_most(network, 2)) == {"conv": 2}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            {"table": np.arange(33)},
            "its table of weights must be a list of 1 to 32 values, not 33",
        ),
        (
            {"table": SIXTEEN.reshape(4, 4), "indices": drawn(4, (5, 3, 3, 3))},
            "its table of weights must be a list of 1 to 32 values, not 4x4",
        ),
        (
            {"indices": drawn(16, (5, 3, 3, 3)) + 1},
            "the indices of its weights must be from 0 to 15, not 16",
        ),
        (
            {"indices": drawn(16, (5, 3, 3, 3)) - 17},
            "the indices of its weights must be from 0 to 15, not -17",
        ),
        (
            {"indices": np.ones((5, 3, 3, 3), np.float32)},
            "the indices of its weights must be constant integers, one a weight, not float32 of "
            "4 axes",
        ),
        (
            {"table": np.zeros(0)},
            "its table of weights must be a list of 1 to 32 values, not 0",
        ),
        ({"indices": np.zeros((5, 3, 0, 3), int)}, "must have at least one weight, not 5x3x0x3"),
        ({"axis": 1}, "Gather /conv/Gather must be along axis 0, not 1"),
        (
            {"shifts": np.zeros(3)},
            "the factors of its weights must be constants of the shape (5, 1, 1, 1), not of the "
            "shape (3, 1, 1, 1)",
        ),
        (
            {"shifts": np.log2([1, 1, 4 / 3, 1, 1])},
            "the factors of its weights must be powers of two, not 0.75",
        ),
        ({"bits": 9}, "weights must have 2 to 8 bits, not 9"),
    ],
)
def test_what_is_refused(change, rule):
    net = Net((3, 6, 6))
    x = net.last
    weight = net.looked_up(**{"table": SIXTEEN, "indices": drawn(16, (5, 3, 3, 3))} | change)
    net.conv(x, np.zeros((5, 3, 3, 3)), weight=weight)
    assert refusal(net.model()) == f"layer conv: {rule}"


def test_factors_that_are_no_floats_are_refused():
    net = Net((3, 6, 6))
    found = net.looked_up(SIXTEEN, drawn(16, (5, 3, 3, 3)))
    for factors in (np.full((5, 1, 1, 1), "a"), np.full((5, 1, 1, 1), 2)):
        weight = net.node("Mul", [found, net.constant(factors)], (5, 3, 3, 3))
        net.conv("t0", np.zeros((5, 3, 3, 3)), weight=weight)
        kind = "object" if factors.dtype.kind == "U" else factors.dtype
        assert refusal(net.model()).endswith(
            f": the factors of its weights must be floats, not {kind}"
        )
        del net.nodes[-2:]


def test_tables_that_are_refused():
    """One that is not quantized, one of several scales, one that is computed."""

    def looked_up_in(make):
        net = Net((3, 6, 6))
        x = net.last
        inputs = [make(net), net.constant(drawn(4, (5, 3, 3, 3)))]
        weight = net.node("Gather", inputs, (5, 3, 3, 3), "/conv/Gather")
        net.conv(x, np.zeros((5, 3, 3, 3)), weight=weight)
        return refusal(net.model())

    assert looked_up_in(lambda net: net.constant(np.float32([1, 2, 3, 4]))) == (
        "layer conv: weights must come from a Quant node (Brevitas' "
        "Int8WeightPerTensorFixedPoint), but are float constants"
    )
    scales = np.array([3, 3, 4, 3])
    assert looked_up_in(
        lambda net: net.quant(net.constant(np.float32([1, 2, 3, 4])), scales, 8, True)
    ) == ("layer conv: its table of weights must have one scale, not 2 different ones")
    assert looked_up_in(lambda net: net.last) == (
        "layer conv: Gather /conv/Gather must look weights up in a constant that goes through a "
        "Quant node, not in t0"
    )


def test_a_map_is_not_looked_up_nor_scaled():
    net = Net((3, 6, 6))
    net.conv(net.last, codes(np.random.default_rng(0), 2, 3, (1, 1)))
    net.node("Gather", [net.last, net.constant(np.array([0]))], (1, 2, 6, 6), "pick")
    assert refusal(net.model()).startswith("layer pick: Gather pick must look weights up in a ")
    net = Net((3, 6, 6))
    net.conv(net.last, codes(np.random.default_rng(0), 2, 3, (1, 1)))
    net.node("Mul", [net.last, net.constant(np.float32(2))], (1, 2, 6, 6), "twice")
    assert refusal(net.model()) == (
        "layer twice: Mul must scale quantized weights, not a feature map"
    )


def test_indices_that_are_computed_are_refused():
    net = Net((3, 6, 6))
    x = net.last
    table = net.quant(net.constant(np.float32([0, 1, 2, 3])), 4, 8, True, True)
    weight = net.node("Gather", [table, x], (5, 3, 3, 3), "/conv/Gather")
    net.conv(x, np.zeros((5, 3, 3, 3)), weight=weight)
    assert refusal(net.model()) == (
        "layer conv: the indices of its weights must be constant integers, one a weight, not "
        "computed"
    )


def test_verify():
    network = from_onnx(layer()[0])
    conv = network.convolutions[0]

    def broken(**changes):
        wrong = replace(conv, **changes)
        operations = [wrong if op is conv else op for op in network.operations]
        with pytest.raises(Refusal) as caught:
            verify.check(network.with_operations(operations))
        return str(caught.value)

    rule = "layer conv: its codebook must be its different weights, ascending, not "
    assert broken(codebook=(1, 2)) == f"{rule}[1, 2]"
    assert broken(codebook=conv.codebook[::-1]) == f"{rule}{list(conv.codebook[::-1])}"
    assert broken(codebook=(*conv.codebook, 125)).startswith(rule)
    assert broken(codebook=tuple(range(33))) == (
        "layer conv: a codebook may have 32 entries, not 33"
    )


@pytest.mark.parametrize(
    ("op", "count", "rule"),
    [
        ("Gather", 1, "must have 2 inputs, not 1"),
        ("Gather", 0, "must have 2 inputs, not 0"),
        ("Mul", 1, "must have 2 inputs, not 1"),
        ("Conv", 1, "must have 2 to 3 inputs, not 1"),
        ("Quant", 2, "must have 4 inputs, not 2"),
    ],
)
def test_operators_that_lack_inputs(op, count, rule):
    net = Net()
    weight = net.looked_up([1, 2], np.zeros((4, 3, 1, 1), int), shifts=[0] * 4)
    net.conv("t0", np.zeros((4, 3, 1, 1)), weight=weight)
    node = next(node for node in net.nodes[::-1] if node.op_type == op)
    inputs = list(node.input)[:count]
    del node.input[:]
    node.input.extend(inputs)
    assert refusal(net.model()) == f"layer {node.name}: {op} {rule}"


def test_constants_that_an_operator_cannot_join():
    net = Net()
    table, places = net.constant(np.float32([1, 2])), net.constant(np.full((4, 3, 1, 1), 7))
    picked = net.node("Gather", [table, places], (4, 3, 1, 1), "pick")
    weight = net.quant(picked, 4, 4, True)
    net.conv("t0", np.zeros((4, 3, 1, 1)), weight=weight)
    assert refusal(net.model()).startswith("layer pick: Gather must fit the constants it is of (")
