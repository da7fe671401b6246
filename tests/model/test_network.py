"""The PyTorch form: merging, calibration, bypass, dropout."""

import itertools

import numpy as np
import pytest
import torch

from zynqfire import Refusal
from zynqfire.model.config import load
from zynqfire.model.exact import integers, tensor
from zynqfire.model.live import live, noise
from zynqfire.model.network import Network


def _pixels(count=16):
    return noise(np.random.default_rng(0), count, (8, 8))


@pytest.mark.parametrize("quantized", [False, True])
@pytest.mark.parametrize("kind", ["tiny", "residual"])
def test_merging_changes_no_logit_but_by_the_new_weight_codes(kind, quantized, request):
    torch.manual_seed(0)
    load = request.getfixturevalue(kind)
    network = Network(load(per_channel=True, weight_bits=8), quantized, normalized=True)
    x = tensor(_pixels(32))
    if quantized:
        network.calibrate_weights()
        network.calibrate_activations(x)
    network.train()
    for _ in range(60):  # until the running statistics have settled
        network(x)
    network.eval()
    with torch.no_grad():
        before = network(x)
        network.merge()
        after = network(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    if quantized:
        # Same codes of the weights up to rounding: strongly correlated, not equal.
        assert torch.corrcoef(torch.stack([before.flatten(), after.flatten()]))[0, 1] > 0.95
    else:
        assert torch.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("change", [{}, {"activation_bits": 2}, {"activation_bits": 8}])
def test_calibration_leaves_every_branch_clamping(tiny, change):
    torch.manual_seed(1)
    network = Network(tiny(**change), quantized=True, normalized=False)
    network.calibrate_weights()
    network.eval()
    network.calibrate_activations(tensor(_pixels(64)))
    entries = live(network, _pixels(64))
    assert all(entry["clamped"] > 0 for entry in entries)
    names = [f"fire{n}/{part}" for n in (2, 3) for part in ("squeeze", "expand1", "expand3")]
    assert [entry["name"] for entry in entries] == ["conv1", *names, "fire3/bypass"]


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("per_channel", [False, True])
def test_weights_are_narrow_integers_at_powers_of_two(tiny, bits, per_channel):
    network = Network(tiny(weight_bits=bits, per_channel=per_channel))
    network.calibrate_weights()
    for _, layer in network.convolutions():
        quantized = layer.quant_weight()
        scale = quantized.scale.flatten()
        assert len(scale) == (layer.out_channels if per_channel else 1)
        assert torch.equal(scale.log2(), scale.log2().round())
        codes = quantized.value / quantized.scale
        assert torch.equal(codes, codes.round())
        assert codes.abs().max() <= 2 ** (bits - 1) - 1


def test_bits_by_layer(tiny):
    network = Network(
        tiny(**{"layers.conv1.weight_bits": 8, "layers.fire2/expand.activation_bits": 6})
    )
    assert network.conv1.weight_quant.bit_width() == 8
    assert network.fire2.squeeze.weight_quant.bit_width() == 4
    assert network.fire2.expand_relu.act_quant.bit_width() == 6
    assert network.fire3.expand_relu.act_quant.bit_width() == 4


def test_a_bypass_adds_the_module_s_input(tiny):
    torch.manual_seed(0)
    network = Network(tiny(), quantized=False).eval()
    module = network.fire3
    x = torch.rand(1, 16, 4, 4)
    with torch.no_grad():
        squeezed = torch.relu(module.squeeze(x))
        y = torch.cat(
            [torch.relu(layer(squeezed)) for layer in (module.expand1, module.expand3)], 1
        )
        assert torch.equal(module(x), x + y)


def test_a_bypass_is_a_convolution_where_the_shape_changes(tiny):
    torch.manual_seed(0)
    network = Network(tiny(**{"fire2.bypass": True}), quantized=False).eval()
    module, x = network.fire2, torch.rand(1, 8, 8, 8)
    assert not hasattr(network.fire3, "shortcut")
    with torch.no_grad():
        squeezed = torch.relu(module.squeeze(x))
        y = torch.cat(
            [torch.relu(layer(squeezed)) for layer in (module.expand1, module.expand3)], 1
        )
        assert torch.equal(module(x), torch.relu(module.shortcut(x) + y))


def test_a_residual_block_adds_its_input_or_a_convolution_of_it(residual):
    torch.manual_seed(0)
    network = Network(residual(), quantized=False).eval()
    x = torch.rand(1, 8, 8, 8)
    with torch.no_grad():
        for block in (network.residual2, network.residual3):
            y = block.conv2(torch.relu(block.conv1(x)))
            entry = block.shortcut(x) if block is network.residual3 else x
            assert torch.equal(block(x), torch.relu(entry + y))
            assert hasattr(block, "shortcut") == (block is network.residual3)


def test_the_logits_of_a_single_layer_have_the_grid_of_pixels_and_weights(write):
    network = Network(load(write("input = 7\nclasses = 3\n[modules]\nfc = {}\n")))
    network.calibrate_weights()
    codes, frac, divisor = integers(network.eval(), _pixels()[:, :7, :7])
    with torch.no_grad():
        logits = network.double()(tensor(_pixels()[:, :7, :7], torch.float64)).numpy()
    assert divisor == 1
    assert np.array_equal(codes, logits * 2.0**frac)


@pytest.mark.parametrize("name", ["train", "body"])
def test_names_of_pytorch_are_refused(write, name):
    config = load(write(f"input = 7\nclasses = 3\n[modules]\n{name} = {{ kind = 'fc' }}\n"))
    with pytest.raises(Refusal) as refusal:
        Network(config)
    assert str(refusal.value) == (
        f"network tiny: a module must have a name that PyTorch does not use, not {name}"
    )


def test_max_pools_stand_behind_what_they_are_called_after(squeeze):
    torch.manual_seed(0)
    network = Network(squeeze(), quantized=False).eval()
    assert [name for name, _ in network.max_pools()] == ["pool1", "pool2"]
    x, sizes = tensor(noise(np.random.default_rng(0), 1, (23, 23))), []
    blocks = network.fire2, network.pool2, *network.blocks[1:]
    for module in (network.conv1, network.pool1, *blocks, network.conv10):
        module.register_forward_hook(lambda *call: sizes.append(call[2].shape[2]))
    network(x)
    assert sizes == [9, 4, 4, 2, 2, 2, 2, 4]


def test_dropout_works_in_training_only(tiny, residual):
    torch.manual_seed(0)
    for given, quantized in itertools.product((tiny, residual), (False, True)):
        network = Network(given(**{"dropout.share": 0.5}), quantized)
        x = tensor(_pixels(2))
        if quantized:
            network.calibrate_weights()
            network.calibrate_activations(x)
        network.eval()
        assert torch.equal(network(x), network(x))
        network.train()
        assert not torch.equal(network(x), network(x))
