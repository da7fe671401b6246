"""`zynqfire.Accelerator` on the RTL: the same tests in this process and through PYNQ's calls."""

import gc
import sys
import threading

import numpy as np
import pytest
from accelerators import OUTPUTS, bitstream, compiled, described, expected, frames, opened
from fake_pynq import Misuse, Pynq
from model_device import ModelDevice

import zynqfire
from zynqfire import Refusal
from zynqfire.board import driver
from zynqfire.board.driver import AcceleratorError, PynqDevice


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a build."""
    return compiled(tmp_path_factory.mktemp("accelerator") / "build")


@pytest.fixture(params=["sim", "pynq"])
def accelerator(request, build, monkeypatch):
    """Return an accelerator with packets of at most four frames, over either device."""
    with opened(build, request.param, monkeypatch, packet_frames=4) as made:
        yield made


def test_a_batch_an_image_and_nothing(build, accelerator):
    images = frames(10)
    right = expected(build, images)
    assert np.array_equal(accelerator(images), right)
    assert np.array_equal(accelerator(images[3]), right[3:4])
    assert accelerator(images[:0]).shape == (0, OUTPUTS)
    assert np.array_equal(accelerator(images[::-2]), right[::-2])


def test_the_best_classes(build, accelerator):
    images = frames(5)
    best = np.argsort(-expected(build, images), axis=1, kind="stable")
    assert np.array_equal(accelerator.top_k(images, 3), best[:, :3])
    assert np.array_equal(accelerator.top_k(images[0]), best[:1, :1])


def test_several_in_flight(build, accelerator):
    images = [frames(count, seed=count) for count in (1, 5, 2, 8, 1, 1)]
    results = [accelerator.submit(each) for each in images]
    for each, result in zip(images, results, strict=True):
        assert np.array_equal(result.result(timeout=60), expected(build, each))
        assert result.done()


def test_counters_count(build, accelerator):
    accelerator(frames(10))
    status = accelerator.status()
    assert status["running"] and status["frames_in"] == status["frames_out"] == 10
    assert status["packet"] == 2 and status["errors"] == [] and not status["refused"]
    ip = described(build)["ip"]
    assert status["interval_cycles"] == ip["interval_cycles"]
    assert status["latency_cycles"] > ip["interval_cycles"]
    assert status["input_stalls"] == accelerator.read("INPUT_STALLS")


def test_status_while_frames_move(build, accelerator):
    result = accelerator.submit(frames(400))
    seen = set()
    while not result.done():
        seen.add(accelerator.status()["frames_out"])
    assert np.array_equal(result.result(), expected(build, frames(400)))
    assert max(seen) <= 400 and len(seen) > 1


def test_a_reset_in_between(build, accelerator):
    result = accelerator.submit(frames(400))
    while not accelerator.status()["frames_out"]:
        pass
    accelerator.reset()
    with pytest.raises(AcceleratorError, match="was reset before the result was there"):
        result.result()
    assert accelerator.status()["frames_in"] == 0
    assert np.array_equal(accelerator(frames(9)), expected(build, frames(9)))
    assert accelerator.status()["errors"] == []


@pytest.mark.parametrize(
    ("packet", "sentence"), [(3, r"must have 112 bytes, not 84"), (5, r"must end with its buffer")]
)
def test_a_packet_of_another_length_is_an_error_and_the_next_one_right(
    build, accelerator, packet, sentence
):
    """The register says something else than the driver wrote."""
    accelerator(frames(8))
    accelerator.write("PACKET", packet)
    with pytest.raises(AcceleratorError, match=sentence):
        accelerator(frames(4))
    assert np.array_equal(accelerator(frames(8)), expected(build, frames(8)))


def test_hardware_that_stands_still_says_so(build, accelerator):
    """In line mode it waits for the start of a frame, which a DMA does not mark."""
    accelerator(frames(4))
    accelerator.timeout = 0.3
    accelerator.write("CONTROL", accelerator.bit("CONTROL", "lines"))
    with pytest.raises(AcceleratorError, match=r"must move within 0.3 s, none did: running"):
        accelerator(frames(4))
    assert np.array_equal(accelerator(frames(4)), expected(build, frames(4)))


def test_packets_follow_each_other_without_a_gap(build):
    """The next images are there before the last logits of the packet before them."""
    interval = described(build)["ip"]["interval_cycles"]
    with zynqfire.Accelerator(build, packet_frames=40) as accelerator:
        accelerator(frames(40))
        start = accelerator.device.clocks
        accelerator(frames(400))
        passed = accelerator.device.clocks - start
    assert 400 * interval <= passed < 1.03 * 400 * interval


def test_two_accelerators_in_one_process(build, tmp_path):
    """Each has its own model, also where the library is the same."""
    with zynqfire.Accelerator(build) as one, zynqfire.Accelerator(build) as other:
        threads = [threading.Thread(target=a, args=(frames(50),)) for a in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert np.array_equal(one(frames(3, 5)), expected(build, frames(3, 5)))
        assert one.status()["frames_in"] == 53 and other.status()["frames_in"] == 50


def test_other_devices_and_folders_are_refused(build, tmp_path):
    with pytest.raises(Refusal, match="device must be one of sim, pynq, not fpga"):
        zynqfire.Accelerator(build, "fpga")
    with pytest.raises(Refusal, match=r"must be a folder with a manifest.json"):
        zynqfire.Accelerator(tmp_path, "sim")
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(Refusal, match=r"manifest.json must have the key ip.* compile it again"):
        zynqfire.Accelerator(tmp_path)


@pytest.fixture
def modelled(build, monkeypatch):
    """Return the stand-in for pynq over a device without RTL, and a folder with a bitstream."""
    bitstream(build)
    manifest = described(build)
    pynq = Pynq(
        ModelDevice(manifest, lambda image: np.arange(OUTPUTS) * image.sum()), manifest["ip"]
    )
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    return pynq


def test_a_board_is_left_tidy(build, modelled):
    """No buffer outlives the accelerator, and growing ones replace the smaller before they grow."""
    allocate, most = modelled.allocate, []
    modelled.allocate = lambda *form: (most.append(modelled.alive()), allocate(*form))[1]
    with zynqfire.Accelerator(build, "pynq") as accelerator:
        for count in (1, 3, 3, 200, 5):
            images = frames(count)
            sums = images.reshape(count, -1).sum(axis=1, dtype=np.int64)
            assert np.array_equal(accelerator(images), sums[:, None] * np.arange(OUTPUTS))
            gc.collect()
            assert modelled.alive() == 4
    assert max(most) < 4 + 2  # the DMA holds the last two until the next transfers
    gc.collect()
    assert modelled.alive() == 0
    assert modelled.bitstreams == [str(build / "vivado" / "zynqfire.bit")]


@pytest.mark.parametrize(
    ("vlnv", "dma", "sentence"),
    [
        ("a:b:c:1.0", "axi_dma_0", r"must hold axi_dma_0 and one zynqfire:.*:1.0, not zynqfire_0"),
        (driver.VLNV, "dma_1", r"must hold axi_dma_0 and one .*, not zynqfire_0, dma_1"),
    ],
)
def test_other_bitstreams_are_refused(build, modelled, vlnv, dma, sentence):
    modelled.vlnv, modelled.dma = vlnv, dma
    with pytest.raises(AcceleratorError, match=sentence):
        zynqfire.Accelerator(build, "pynq")


def test_transfers_have_a_length(build, modelled):
    device = PynqDevice(build / "vivado" / "zynqfire.bit")
    for shape in ((0,), (2**26,)):
        with pytest.raises(AcceleratorError, match=rf"from 1 to 67108863 bytes, not {shape[0]}"):
            device.send(modelled.allocate(shape, "u1"))


def test_a_dma_that_stays_in_reset_is_an_error(build, modelled, monkeypatch):
    """Its clock may stand still, or a bus that never answers; closing lets go all the same."""
    monkeypatch.setattr(driver, "RESET", 0.05)
    device = PynqDevice(build / "vivado" / "zynqfire.bit")
    device._dma.stuck = True
    with pytest.raises(AcceleratorError, match=r"DMA: must be reset within 0.05 s, it is not"):
        device.close()
    device.close()


def misuse(call, sentence):
    with pytest.raises(Misuse, match=sentence):
        call()


def test_the_stand_in_fails_on_misuse(build, modelled):
    """Each of these works in a simple model, and fails on some board, now and then."""
    overlay = modelled.Overlay("zynqfire.bit")
    dma, images = overlay.axi_dma_0, modelled.allocate((2, 90), "u1")
    logits = modelled.allocate((2, OUTPUTS), "i4")
    misuse(lambda: dma.sendchannel.wait(), "a wait without a transfer")
    misuse(lambda: dma.recvchannel.transfer(np.zeros(4, "u1")), "needs a buffer of pynq.allocate")
    misuse(lambda: dma.recvchannel.transfer(logits), "not flushed")
    logits.flush()
    misuse(lambda: dma.sendchannel.transfer(images), "not flushed")
    images.flush()
    misuse(lambda: dma.sendchannel.transfer(images), "before anything is ready to receive")
    dma.recvchannel.transfer(logits)
    misuse(lambda: dma.recvchannel.transfer(logits), "not flushed|not idle")
    misuse(lambda: dma.sendchannel.transfer(images[0, 1:]), "not aligned")
    misuse(lambda: dma.sendchannel.transfer(images[0], nbytes=91), "beyond its buffer")
    misuse(lambda: dma.sendchannel.transfer(images.copy()), "physical address|allocate")
    dma.sendchannel.transfer(images[0])
    misuse(lambda: dma.sendchannel.transfer(images[1]), "aligned|idle")
    while not dma.recvchannel.idle:
        assert dma.recvchannel.running or not dma.recvchannel.idle
        if not dma.recvchannel.running:
            break
    images.freebuffer()
    misuse(lambda: images[0].flush(), "after it was freed")
    misuse(lambda: modelled.MMIO(0, 4096), "an address that no block has")


@pytest.mark.parametrize("forgotten", ["flush", "invalidate"])
def test_a_driver_without_cache_maintenance_fails(build, modelled, monkeypatch, forgotten):
    from fake_pynq import Buffer

    monkeypatch.setattr(Buffer, forgotten, lambda self: None)
    with zynqfire.Accelerator(build, "pynq") as accelerator:
        images = frames(3)
        right = images.reshape(3, -1).sum(axis=1, dtype=np.int64)[:, None] * np.arange(OUTPUTS)
        if forgotten == "flush":
            with pytest.raises(AcceleratorError, match=r"Misuse: .* that was not flushed"):
                accelerator(images)
        else:
            assert not np.array_equal(accelerator(images), right)
