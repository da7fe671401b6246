"""Checkpoints that are not whole are refused in one sentence."""

import numpy as np
import pytest
import torch

from zynqfire import Refusal
from zynqfire.model import run as folder
from zynqfire.model.data import Dataset
from zynqfire.model.export import export_run
from zynqfire.model.network import Network
from zynqfire.model.run import CHECKPOINT, read_checkpoint
from zynqfire.model.training.loop import Loop
from zynqfire.model.training.progress import Progress
from zynqfire.model.training.stages import planned

SIXTEEN = np.zeros((16, 8, 8, 3), np.uint8), np.zeros(16, np.int64)
DATA = Dataset("none", ("a", "b"), *SIXTEEN, *SIXTEEN, mirrored=False)


@pytest.mark.parametrize("damage", [b"", b"garbage", None, 4000])
def test_a_checkpoint_that_is_not_whole_is_refused(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    torch.save(dict.fromkeys(folder.STATE, 1) | {"network": {"w": torch.zeros(2000)}}, path)
    assert read_checkpoint(path)["epoch"] == 1
    data = bytearray(path.read_bytes())
    if damage == 4000:  # one bit of a weight
        data[damage] ^= 1
    path.write_bytes(data[:2000] if damage is None else data if damage == 4000 else damage)
    with pytest.raises(Refusal, match=r"^run .*: checkpoint\.pt cannot be read \("):
        read_checkpoint(path)


def test_another_file_of_torch_is_refused(tmp_path):
    torch.save([1], tmp_path / "checkpoint.pt")
    with pytest.raises(Refusal, match="cannot be read"):
        read_checkpoint(tmp_path / "checkpoint.pt")


def test_what_a_run_keeps_of_another_network_is_refused(tiny, tmp_path):
    run, config = tmp_path / "run", tiny()
    folder.begin(run, config, {})
    folder.write_json(run / "result.json", {"finished": True})
    sentence = rf"^run {run}: checkpoint\.pt must hold the weights of its network, not others$"
    others = Network(tiny(**{"conv1.channels": 4})).state_dict()
    state = dict.fromkeys(folder.STATE, 0) | {"network": others, "trained": others}
    torch.save(
        state | {"constraints": [{"masks": {}, "growing": False, "made": 0}]}, run / CHECKPOINT
    )
    with pytest.raises(Refusal, match=sentence):
        export_run(run, tmp_path / "x.onnx")
    with pytest.raises(Refusal, match=sentence):
        Loop(config, DATA, run, planned(config), 0, Progress("tiny", 3, None)).run()
    torch.save(others, run / "float.pt")
    with pytest.raises(
        Refusal, match=r"float\.pt must hold the weights of its network, not others"
    ):
        folder.load_float(run)
    torch.save({"network": others}, run / CHECKPOINT)
    with pytest.raises(Refusal, match=r"checkpoint\.pt cannot be read \(it has no 'trained'\)$"):
        read_checkpoint(run / CHECKPOINT)


@pytest.mark.parametrize(
    ("held_out", "sentence"),
    [
        (b"", r"cannot be read \(No data left in file\)"),
        (b"PK\3\4damaged", r"cannot be read \(File is not a zip file\)"),
        (b"text", r"cannot be read \("),
        ({"labels": np.zeros(3)}, r"cannot be read \('images is not a file in the archive'\)"),
        (
            {"images": np.zeros((3, 4, 4, 3))},
            r"must hold bytes of the shape \(8, 8, 3\) each, not float64 of \(3, 4, 4, 3\)",
        ),
    ],
)
def test_held_out_pictures_that_are_not_whole_are_refused(tiny, tmp_path, held_out, sentence):
    config = tiny()
    folder.begin(tmp_path, config, {})
    folder.write_json(tmp_path / "result.json", {"finished": True})
    torch.save({"network": Network(config).state_dict()}, tmp_path / CHECKPOINT)
    if isinstance(held_out, bytes):
        (tmp_path / "heldout.npz").write_bytes(held_out)
    else:
        np.savez(tmp_path / "heldout.npz", **held_out)
    with pytest.raises(Refusal, match=rf"^run {tmp_path}: heldout\.npz {sentence}"):
        folder.load_run(tmp_path)
