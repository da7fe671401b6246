"""The driver with frames under way: several results, faults, resets, closing, threads."""

import threading
import time

import numpy as np
import pytest
from accelerators import OUTPUTS, compiled, computed, described, expected, frames
from model_device import ModelDevice

from zynqfire.board.driver import Accelerator, AcceleratorError


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a build."""
    return compiled(tmp_path_factory.mktemp("driver") / "build")


@pytest.fixture
def device(build):
    """Return a device that the driver has not opened."""
    return ModelDevice(described(build), computed(build))


@pytest.fixture
def accelerator(build, device):
    """Return an accelerator with packets of at most four frames."""
    with Accelerator(device, described(build), build, timeout=0.3, packet_frames=4) as opened:
        yield opened


def test_the_next_packet_is_sent_while_one_is_computed(build, device, accelerator):
    """Else the hardware would wait for the processor between any two packets."""
    calls = []
    for name in ("send", "receive", "wait_received"):
        real = getattr(device, name)

        def noted(argument, real=real, name=name):
            answer = real(argument)
            if name != "wait_received" or answer:
                calls.append(name)
            return answer

        setattr(device, name, noted)
    accelerator(frames(12))
    assert calls == [
        *("receive", "send", "send", "wait_received"),
        *("receive", "send", "wait_received", "receive", "wait_received"),
    ]


def test_several_results_are_in_flight(build, device, accelerator):
    device.frozen = True
    images = [frames(count, seed=count) for count in (1, 4, 6, 1)]
    results = [accelerator.submit(each) for each in images]
    assert not any(result.done() for result in results)
    with pytest.raises(AcceleratorError, match=r"result: must be there within 0.05 s, it is not"):
        results[0].result(timeout=0.05)
    device.frozen = False
    for each, result in zip(images, results, strict=True):
        assert np.array_equal(result.result(timeout=20), expected(build, each))
        assert result.done()


def test_a_device_that_stands_still_is_given_up(build, device, accelerator):
    accelerator(frames(3))
    device.frozen = True
    lost, behind = accelerator.submit(frames(20)), accelerator.submit(frames(5))
    with pytest.raises(AcceleratorError) as refused:
        lost.result()
    assert str(refused.value) == (
        "accelerator: a frame must move within 0.3 s, none did: "
        "running, 3 frames in, 3 out, errors: none"
    )
    device.frozen = False
    assert np.array_equal(behind.result(), expected(build, frames(5)))
    assert accelerator.status()["frames_in"] == 5  # nothing else of what was lost is computed


@pytest.mark.parametrize("still", ["FRAMES_IN", "FRAMES_OUT"])
def test_slow_hardware_is_waited_for_as_long_as_frames_move(build, device, still):
    """In or out: a packet takes longer than the timeout."""
    read, advance = device.read, device.advance
    device.read = lambda offset: 0 if device.names[offset] == still else read(offset)
    device.advance = lambda: (time.sleep(0.06), advance())
    with Accelerator(device, described(build), timeout=0.4) as accelerator:
        start = time.monotonic()
        assert np.array_equal(accelerator(frames(10)), expected(build, frames(10)))
        assert time.monotonic() - start > 0.5


def test_a_device_that_is_gone_fails_everything(build, device, accelerator):
    """As after a bus error, where even giving up what is under way is one."""
    calls = []

    def gone(*_):
        calls.append(1)
        raise OSError("no device")

    device.send = device.reset = gone
    with accelerator._changed:  # all of them are there before the first is begun
        results = [accelerator.submit(frames(3)) for _ in range(4)]
    for result in results:
        with pytest.raises(AcceleratorError, match="device: OSError: no device"):
            result.result(timeout=5)
    assert len(calls) == 2  # one send, one reset
    del device.send, device.reset
    accelerator.reset()
    assert np.array_equal(accelerator(frames(5)), expected(build, frames(5)))


def test_errors_of_the_hardware_fail_only_their_frames(build, device, accelerator):
    compute, device.compute = (
        device.compute,
        lambda image: (
            device.values.update(ERRORS=9, BAD_FRAME=device.values["FRAMES_IN"])
            or np.zeros(OUTPUTS, int)
        ),
    )
    with pytest.raises(AcceleratorError, match=r"frames must arrive whole: .*errors: short, overr"):
        accelerator(frames(1))
    device.compute = compute
    assert np.array_equal(accelerator(frames(5)), expected(build, frames(5)))
    assert accelerator.status()["errors"] == []


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data + bytes(4)])
def test_packets_of_another_length_are_errors(build, device, accelerator, change):
    device.damage = change
    with pytest.raises(AcceleratorError, match=r"a packet was (longer|shorter) than its buf"):
        accelerator(frames(2))
    device.damage = None
    assert np.array_equal(accelerator(frames(2)), expected(build, frames(2)))


def test_status_counts(accelerator):
    accelerator(frames(5))
    status = accelerator.status()
    assert status["running"] and not status["draining"] and status["packet"] == 1
    assert status["frames_in"] == status["frames_out"] == 5
    assert status["errors"] == [] and status["bad_frame"] is None
    assert {"latency_cycles", "interval_cycles", "input_stalls", "output_stalls"} <= set(status)


def test_reset_gives_up_what_was_submitted(build, device, accelerator):
    accelerator.timeout = 60
    device.frozen = True
    results = [accelerator.submit(frames(6)) for _ in range(3)]
    time.sleep(0.05)
    accelerator.reset()
    for result in results:
        with pytest.raises(AcceleratorError, match="was reset before the result was there"):
            result.result(timeout=5)
    device.frozen = False
    assert np.array_equal(accelerator(frames(6)), expected(build, frames(6)))
    assert accelerator.status()["frames_in"] == 6


def test_closing_finishes_what_was_submitted(build, device):
    with Accelerator(device, described(build), packet_frames=2) as accelerator:
        result = accelerator.submit(frames(7))
    assert result.done() and np.array_equal(result.result(), expected(build, frames(7)))
    assert device.closed
    for use in (accelerator.status, accelerator.reset, lambda: accelerator(frames(1))):
        with pytest.raises(AcceleratorError, match="accelerator: must be open, it is closed"):
            use()
    accelerator.close()


@pytest.mark.parametrize("left", [KeyError, KeyboardInterrupt])
def test_an_exception_leaves_at_once(build, device, left):
    """Nobody waits for hardware that stands still, and what was submitted says why."""
    start = time.monotonic()
    with pytest.raises(left), Accelerator(device, described(build), timeout=60) as accelerator:
        device.frozen = True
        results = [accelerator.submit(frames(2)) for _ in range(3)]
        raise left
    assert time.monotonic() - start < 20 and device.closed
    for result in results:
        with pytest.raises(AcceleratorError, match="was reset before the result was there"):
            result.result(timeout=0)


def test_ctrl_c_while_it_waits_does_no_harm(build, device, accelerator, monkeypatch):
    """Neither a reset nor closing that was interrupted leaves anything half done."""
    here, wait = threading.current_thread(), accelerator._changed.wait

    def interrupted(*_):
        if threading.current_thread() is here:
            raise KeyboardInterrupt
        wait()

    accelerator.timeout = 60
    device.frozen = True
    lost = [accelerator.submit(frames(6)) for _ in range(2)]
    time.sleep(0.05)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(accelerator._changed, "wait", interrupted)
        accelerator.reset()
    with pytest.raises(AcceleratorError, match="was reset before the result was there"):
        lost[1].result(timeout=5)
    accelerator.reset()
    device.frozen = False
    assert np.array_equal(accelerator(frames(6)), expected(build, frames(6)))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(accelerator._worker, "join", interrupted)
        accelerator.close()
    assert not device.closed
    accelerator.close()
    assert device.closed


def test_threads_share_an_accelerator(build, accelerator):
    images = [frames(9, seed) for seed in range(4)]
    found = [None] * len(images)

    def one(index):
        found[index] = accelerator(images[index])

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each, logits in zip(images, found, strict=True):
        assert np.array_equal(logits, expected(build, each))
