"""Codebook weights: the table, its indices, their training and what is kept of it."""

import contextlib
import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from zynqfire.hls import interpret
from zynqfire.hls.lower import from_onnx
from zynqfire.model import train as training
from zynqfire.model.codebook import CodebookConv2d
from zynqfire.model.data import Dataset
from zynqfire.model.exact import integers, tensor
from zynqfire.model.export import export_run
from zynqfire.model.live import noise
from zynqfire.model.network import Network
from zynqfire.model.run import load_run
from zynqfire.model.train import train
from zynqfire.model.training.loop import Loop


def _tiny(tiny, seed=0, **overrides):
    torch.manual_seed(seed)
    network = Network(tiny(**({"codebook_bits": 3} | overrides)))
    network.calibrate_weights()
    return network


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_weights_are_few_narrow_integers_at_a_power_of_two(tiny, bits):
    for _, layer in _tiny(tiny, codebook_bits=bits).convolutions():
        assert isinstance(layer, CodebookConv2d)
        quantized = layer.quant_weight()
        assert quantized.bit_width == 8 and quantized.scale.ndim == 0
        assert quantized.scale.log2() == quantized.scale.log2().round()
        codes = quantized.value / quantized.scale
        assert codes.shape == layer.weight.shape == layer.indices.shape
        assert torch.equal(codes, codes.round()) and codes.abs().max() <= 127
        assert 2 ** (bits - 1) < len(codes.unique()) <= 2**bits == len(layer.table)
        assert (quantized.value - layer.weight).square().mean() < layer.weight.square().mean()


def test_widths_of_layers(tiny):
    settings = {"layers.conv1.codebook_bits": 0, "layers.fire2/expand3.codebook_bits": 5}
    settings["layers.fire3/squeeze.weight_bits"] = 6
    network = _tiny(tiny, **settings)
    assert not isinstance(network.conv1, CodebookConv2d)
    assert network.conv1.weight_quant.bit_width() == 4
    assert len(network.fire2.expand3.table) == 32 and len(network.fire2.expand1.table) == 8
    assert network.fire3.squeeze.weight_quant.bit_width() == 6
    only = Network(tiny(**{"layers.fire2/squeeze.codebook_bits": 2}))
    found = [name for name, layer in only.convolutions() if isinstance(layer, CodebookConv2d)]
    assert found == ["fire2/squeeze"]


def test_gradients_reach_the_weights_and_summed_the_entries(tiny):
    layer = _tiny(tiny).fire2.squeeze.eval()  # its indices stay
    with torch.no_grad():
        layer.table[-1] *= 4  # far beyond the grid
    weights = layer.quant_weight().value
    slope = torch.randn(weights.shape)
    (weights * slope).sum().backward()
    assert len(layer.indices.unique()) == 8
    for entry in range(8):
        total = slope[layer.indices == entry].sum()
        assert layer.table.grad[entry] == pytest.approx(total.item(), abs=1e-5)
    assert torch.equal(layer.weight.grad, slope)


def test_an_entry_of_zeros_stays_zero(tiny):
    network = Network(tiny(codebook_bits=3))
    pruned = {}

    def prune():  # as the training does after each step
        with torch.no_grad():
            for name, layer in network.convolutions():
                layer.weight[pruned[name]] = 0

    for name, layer in network.convolutions():
        pruned[name] = layer.weight.detach().abs() < layer.weight.detach().abs().median()
    prune()
    network.calibrate_weights()
    optimizer = _optimizer(network)
    for step in range(3):
        _steps(network, 1, optimizer, first=step)
        prune()
    network.eval()
    for name, layer in network.convolutions():
        assert torch.all(layer.quant_weight().value[pruned[name]] == 0)
        assert torch.count_nonzero(layer.quant_weight().value) > 0.3 * layer.weight.numel()


def _optimizer(network):
    return torch.optim.Adam(network.learned(), lr=0.01)


def _steps(network, count, optimizer=None, first=0):
    """Train so many steps, the batches from `first`."""
    optimizer = optimizer or _optimizer(network)
    network.train()
    for step in range(first, first + count):
        x = tensor(noise(np.random.default_rng(step), 8, (8, 8)))
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), torch.arange(8)).backward()
        optimizer.step()
    return optimizer


def _calibrated(tiny, **overrides):
    network = _tiny(tiny, **overrides)
    network.calibrate_activations(tensor(noise(np.random.default_rng(9), 16, (8, 8))))
    return network


def test_a_step_moves_entries_and_every_index_is_of_the_nearest(tiny):
    network = _calibrated(tiny)
    layers = dict(network.convolutions())
    before = {name: (x.table.clone(), x.indices.clone()) for name, x in layers.items()}
    _steps(network, 1)
    network.eval()
    moved = 0
    for name, (table, indices) in before.items():
        layer = layers[name]
        assert not torch.equal(layer.table, table)
        distances = (layer.weight[..., None].double() - layer.table.double()).abs()
        near = distances.gather(-1, layer.indices[..., None])[..., 0]
        assert torch.equal(near, distances.amin(-1))
        moved += int((layer.indices != indices).sum())
    assert 0 < moved < 0.5 * sum(layer.indices.numel() for layer in layers.values())


def test_an_entry_may_overtake_another(tiny):
    """A table that training has put out of order is looked up as one in order is."""
    layer = _tiny(tiny).conv1.eval()
    values = layer.table[layer.indices].detach()
    with torch.no_grad():
        layer.table.copy_(layer.table[torch.randperm(len(layer.table))])
    assert torch.equal(layer.eval().table[layer.indices], values)


def test_in_evaluation_indices_stay_whatever_the_precision(tiny):
    network = _calibrated(tiny).eval()
    before = {name: x.indices.clone() for name, x in network.convolutions()}
    values = {name: x.quant_weight().value for name, x in network.convolutions()}
    for name, layer in copy.deepcopy(network).double().eval().convolutions():
        assert torch.equal(layer.indices, before[name])
        assert torch.equal(layer.quant_weight().value, values[name].double())


def test_training_goes_on_from_its_state_as_if_unbroken(tiny):
    whole = _calibrated(tiny)
    optimizer = _steps(whole, 2)
    again = Network(whole.config)
    again.load_state_dict(whole.state_dict())
    resumed = _optimizer(again)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    _steps(whole, 3, optimizer, first=2)
    _steps(again, 3, resumed, first=2)
    states = whole.state_dict(), again.state_dict()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert states[0]["fire2.squeeze.indices"].dtype == torch.int64


def test_a_float_network_s_state_is_taken_and_the_codebook_made_of_it(tiny):
    torch.manual_seed(4)
    plain = Network(tiny(), quantized=False)
    network = Network(tiny(codebook_bits=4))
    missing, extra = network.load_state_dict(plain.state_dict(), strict=False)
    assert not extra and all("_quant." in key for key in missing)
    network.calibrate_weights()
    weights = dict(plain.convolutions())
    for name, layer in network.convolutions():
        error = (layer.quant_weight().value - weights[name].weight).square().mean()
        assert error < 0.03 * weights[name].weight.square().mean()
    state = network.state_dict()
    del state["conv1.table"]
    with pytest.raises(RuntimeError, match=r"Missing key.*conv1\.table"):
        Network(tiny(codebook_bits=4)).load_state_dict(state)


def test_merging_makes_the_codebook_of_the_folded_weights(tiny):
    torch.manual_seed(5)
    network = Network(tiny(codebook_bits=5), normalized=True)
    network.calibrate_weights()
    x = tensor(noise(np.random.default_rng(0), 32, (8, 8)))
    network.calibrate_activations(x)
    network.train()
    for _ in range(60):  # until the running statistics have settled
        network(x)
    network.eval()
    norm = network.fire2.squeeze_bn
    gain = (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None, None]
    with torch.no_grad():
        folded = network.fire2.squeeze.weight * gain
        before = network(x)
        network.merge()
        after = network(x)
    error = (network.fire2.squeeze.quant_weight().value - folded).square().mean()
    assert error < 0.01 * folded.square().mean()
    assert torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1] > 0.95


@pytest.fixture
def corners(monkeypatch):
    """Replace the data sets by small pictures of two classes, bright in one or another corner."""
    rng = np.random.default_rng(0)
    labels = np.arange(96) % 2
    images = rng.integers(0, 96, (96, 8, 8, 3))
    images[labels == 0, :4, :4] += 120
    images[labels == 1, 4:, 4:] += 120
    images = images.astype(np.uint8)
    parts = images[:64], labels[:64], images[64:], labels[64:]
    monkeypatch.setattr(training, "load", lambda *_: Dataset("corners", ("a", "b"), *parts, False))


class _Killed(BaseException):
    pass


def test_a_run_with_a_codebook_learns_resumes_and_exports(corners, tiny, tmp_path, monkeypatch):
    settings = {"training.batch": 8, "training.rate": 0.02, "training.float_epochs": 3}
    config = tiny(codebook_bits=3, **settings, **{"training.sparsity": 0.4, "training.ema": 0.5})
    config = replace(config, training=replace(config.training, sparse_epochs=1))
    whole = train(config, "corners", tmp_path / "whole")
    assert whole["accuracy_quantized"] > 0.9
    assert all(0.38 < share < 0.9 for share in whole["sparsity_by_layer"].values())
    record, calls = Loop._record, itertools.count()

    def dying(self, finished):
        if next(calls) % 2:
            raise _Killed
        return record(self, finished)

    monkeypatch.setattr(Loop, "_record", dying)
    broken = None
    while broken is None:
        with contextlib.suppress(_Killed):
            broken = train(config, "corners", tmp_path / "broken")
    assert broken["history"] == whole["history"] and next(calls) > 6
    result = export_run(tmp_path / "whole", tmp_path / "x.onnx")
    with np.load(result["golden"]) as golden:
        network = load_run(tmp_path / "broken")[0]
        assert np.array_equal(integers(network, golden["inputs"])[0], golden["outputs"])
        lowered = from_onnx(tmp_path / "x.onnx")
        assert np.array_equal(interpret.outputs(lowered, golden["inputs"]), golden["outputs"])
    assert all(conv.stored_bits == 3 for conv in lowered.convolutions)
