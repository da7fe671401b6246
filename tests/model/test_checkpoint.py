"""Checkpoints that are not whole are refused in one sentence."""

import pytest
import torch

from zynqfire import Refusal
from zynqfire.model.run import read_checkpoint


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_checkpoint_that_is_not_whole_is_refused(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    torch.save({"network": {"w": torch.zeros(2000)}, "epoch": 1}, path)
    assert read_checkpoint(path)["epoch"] == 1
    path.write_bytes(path.read_bytes()[:2000] if damage is None else damage)
    with pytest.raises(Refusal, match=r"^run .*: checkpoint\.pt cannot be read \("):
        read_checkpoint(path)


def test_another_file_of_torch_is_refused(tmp_path):
    torch.save([1], tmp_path / "checkpoint.pt")
    with pytest.raises(Refusal, match="cannot be read"):
        read_checkpoint(tmp_path / "checkpoint.pt")
