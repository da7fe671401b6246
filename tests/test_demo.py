"""The demo repeats a step only where its stamp no longer holds."""

import pytest

from zynqfire import demo


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Make a package of one file that steps depend on."""
    monkeypatch.setattr(demo, "PACKAGE", tmp_path / "package")
    file = tmp_path / "package" / "stage" / "code.py"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    return file


@pytest.fixture
def run(tmp_path, source):
    """Return a function that runs two steps and returns the names of those that worked."""
    folder = tmp_path / "out"
    folder.mkdir()

    def call(output=b"out"):
        worked = []
        steps = demo.Steps(folder, lambda text: None)

        def first():
            worked.append("first")
            (folder / "first.bin").write_bytes(output)
            return {"value": 1}

        def second():
            worked.append("second")
            return {"value": 2}

        steps.do("first", ["stage/*"], first, [folder / "first.bin"])
        assert steps.do("second", [], second) == {"value": 2}
        return worked

    return call


def test_second_run_reuses_everything(run):
    """Nothing has changed: nothing is done."""
    assert run() == ["first", "second"]
    assert run() == []


def test_changed_source_repeats_the_step_and_all_after_it(run, source):
    """The second step depends on the first one's sources."""
    run()
    source.write_text("2")
    assert run() == ["first", "second"]


def test_compiled_python_is_no_source(run, source):
    """Running the package does not change it."""
    run()
    (source.parent / "__pycache__").mkdir()
    (source.parent / "__pycache__" / "code.pyc").write_bytes(b"0")
    assert run() == []


def test_other_output_repeats_what_follows(run, tmp_path):
    """The second step depends on what the first one writes."""
    run()
    assert run(output=b"other") == []  # not even looked at
    (tmp_path / "out" / "first.bin").unlink()
    assert run(output=b"other") == ["first", "second"]


@pytest.mark.parametrize("damage", [lambda f: f.unlink(), lambda f: f.write_bytes(b"else")])
def test_lost_or_changed_output_is_made_again(run, damage, tmp_path):
    """A stamp holds only with the files that the step wrote."""
    run()
    damage(tmp_path / "out" / "first.bin")
    assert run() == ["first"]


def test_broken_stamp_is_made_again(run, tmp_path):
    """A stamp that is no JSON does not stop the demo."""
    run()
    (tmp_path / "out" / "first.json").write_text("{")
    assert run() == ["first"]
