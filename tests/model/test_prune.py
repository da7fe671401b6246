"""Pruning: magnitudes decide, zeros stay to the end, and dense again they come back."""

import numpy as np
import onnx
import pytest
import torch

from zynqfire import Refusal
from zynqfire.model.export import export_run
from zynqfire.model.network import Network
from zynqfire.model.run import load_float, load_run
from zynqfire.model.train import train
from zynqfire.model.training.loop import Loop
from zynqfire.model.training.prune import MASKS, RAMP, Pruning, sparsity
from zynqfire.model.training.stages import planned

PRUNED = {"training.sparsity": 0.67, "training.layer_sparsity.conv1": 0}


@pytest.fixture
def short(brief):
    """Return a function that loads the tiny network for a short training with pruning."""
    epochs = {f"training.{name}_epochs": 1 for name in ("float", "sparse", "dense", "quantized")}
    return lambda **overrides: brief(**(epochs | PRUNED | overrides))


def _zeros(network):
    return {name: int((layer.weight == 0).sum()) for name, layer in network.convolutions()}


def _goal(name, layer, share=0.67):
    return 0 if name == "conv1" else round(share * layer.weight.numel())


def test_the_smallest_weights_of_each_layer_go(tiny):
    config = tiny(**PRUNED)
    network = Network(config, quantized=False, normalized=True)
    sparse = planned(config)[1]
    pruning = Pruning(config)
    pruning.enter(network, sparse)
    before = {name: layer.weight.detach().clone() for name, layer in network.convolutions()}
    pruning.apply(network)
    for name, layer in network.convolutions():
        gone = layer.weight == 0
        assert gone.sum() == _goal(name, layer)
        assert torch.equal(layer.weight[~gone], before[name][~gone])
        if gone.any():
            assert before[name][gone].abs().max() <= before[name][~gone].abs().min()


def test_gradual_pruning_follows_its_cubic(tiny):
    config = tiny(**PRUNED, **{"training.pruning": "gradual"})
    network = Network(config, quantized=False, normalized=True)
    pruning = Pruning(config)
    pruning.enter(network, planned(config)[1])
    shares = []
    for step in range(1, 31):
        pruning.stepped(network, step / 30)
        pruning.apply(network)
        ramp = int(min(1, step / 30 / RAMP) * MASKS) / MASKS
        share = 0.67 * (1 - (1 - ramp) ** 3)
        for name, layer in network.convolutions():
            assert abs(_zeros(network)[name] - _goal(name, layer, share)) <= 1
        shares.append(share)
    assert shares == sorted(shares) and shares[5] > 0.3 and shares[19:] == [0.67] * 11


def test_a_weight_that_grows_comes_back_while_pruning_is_gradual(tiny):
    config = tiny(**PRUNED, **{"training.pruning": "gradual"})
    network = Network(config, quantized=False, normalized=True)
    pruning = Pruning(config)
    pruning.enter(network, planned(config)[1])
    pruning.stepped(network, 0.3)
    pruning.apply(network)
    gone = (network.conv10.weight == 0).nonzero()[0]
    with torch.no_grad():
        network.conv10.weight[tuple(gone)] = 100
    pruning.stepped(network, 0.4)
    pruning.apply(network)
    assert network.conv10.weight[tuple(gone)] == 100


@pytest.mark.parametrize(("average", "pruning"), [(0, "once"), (0.9, "gradual")])
def test_zeros_stay_to_the_exported_network(
    stripes, short, tmp_path, monkeypatch, average, pruning
):
    step = Loop._step

    def checked(self, engine, batch):
        stage = self.history[-1]["stage"] if self.history else ""
        if stage in ("sparse", "quantized"):  # the stage before: masks are whole by now
            for network in (self.network, self.best):
                zeros = _zeros(network)
                for name, layer in network.convolutions():
                    assert zeros[name] >= _goal(name, layer)
        return step(self, engine, batch)

    monkeypatch.setattr(Loop, "_step", checked)
    config = short(**{"training.pruning": pruning, "training.ema": average})
    result = train(config, "stripes", tmp_path / "run")
    network, _ = load_run(tmp_path / "run")
    layers = dict(network.convolutions())
    least = sum(_goal(*item) for item in layers.items())
    assert result["sparsity"] >= least / sum(v.weight.numel() for v in layers.values()) - 1e-6
    assert {key: result[key] for key in sparsity(network)} == sparsity(network)
    for name, layer in network.convolutions():
        assert _zeros(network)[name] >= _goal(name, layer)
        assert result["sparsity_by_layer"][name] >= _goal(name, layer) / layer.weight.numel() - 1e-6
    export_run(tmp_path / "run", tmp_path / "x.onnx")
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in _initializers(tmp_path / "x.onnx")}
    kernel = next(value for name, value in stored.items() if "fire2.expand3.weight" in name)
    assert np.mean(kernel == 0) >= 0.66


def _initializers(path):
    return onnx.load(path).graph.initializer


def test_dense_again(stripes, short, tmp_path):
    config = short(**{"training.dsd": True})
    result = train(config, "stripes", tmp_path / "run")
    assert [entry["stage"] for entry in result["history"]][:3] == ["float", "sparse", "dense"]
    weights = load_float(tmp_path / "run").fire3.expand3.weight
    assert (weights == 0).float().mean() < 0.01
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["constraints"][0]["masks"] == {}


def test_a_layer_that_is_not_there_is_refused(stripes, short, tmp_path):
    with pytest.raises(Refusal, match=r"layer_sparsity takes conv1, fire2/squeeze, .*, not conv2$"):
        train(short(**{"training.layer_sparsity.conv2": 0.5}), "stripes", tmp_path / "run")
    assert not (tmp_path / "run").exists()
