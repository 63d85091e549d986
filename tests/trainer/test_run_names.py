"""Names of runs, and giving a run another one."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from trainer import files
from trainer.control import Control
from trainer.errors import ConfigError, DataError
from trainer.presence import Vigil, attended
from trainer.run_files import ALIVE_FILE, LOCK_FILE
from trainer.run_names import check_name, next_free, portable, rename


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "before"
    run.mkdir()
    (run / "config.json").write_text("{}", encoding="utf-8")
    return run


@pytest.mark.parametrize("name", ["a", "Größe 2.5", "con-1", "nullary", "v1.0", "comet", "com10", "x" * 255])
def test_that_usual_names_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("typed", "name"),
    [("a face", "a face"), ('a/b\\c:"d"', "a-b-c--d-"), (" a. ", "a"), ("con", "con-"), ("Aux .x", "Aux-.x"),
     ("line\nbreak", "line-break"), ("..", ""), ("", "")],
)  # fmt: skip
def test_that_a_typed_name_becomes_one_of_a_file_on_any_system(typed: str, name: str) -> None:
    assert portable(typed) == name
    if name:
        check_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [("", "needs a letter"), (" ", "needs a letter"), ("..", "needs a letter"), ("a/b", "cannot hold"),
     ("a\\b", "cannot hold"), ("a:b", "cannot hold"), ("a\tb", "cannot hold"), ("what?", "cannot hold"),
     (".a", "hidden"), ("a.", "ends with"), ("a ", "ends with"), (" a", "begins with"), ("CON", "device"),
     ("nul.txt", "device"), ("Com1", "device"), ("lpt9.a.b", "device"), ("aux .x", "device"),
     ("COM²", "device"), ("ä" * 128, "255 bytes"), ("a\ud800", "half a character")],
)  # fmt: skip
def test_that_names_that_some_system_refuses_are_refused_on_all(run: Path, name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        rename(run, name, Vigil())
    assert [path.name for path in run.parent.iterdir()] == ["before"]


def test_that_a_run_is_renamed_with_all_that_is_in_it(run: Path) -> None:
    now = rename(run, "after", Vigil())
    assert now == run.parent / "after" and (now / "config.json").read_text("utf-8") == "{}"
    assert not run.exists() and rename(now, "after", Vigil()) == now
    assert (rename(now, "After", Vigil()) / "config.json").is_file()  # also where letters' case is no matter
    with pytest.raises(DataError, match="not there any more"):
        rename(run, "other", Vigil())


@pytest.mark.parametrize("taken", ["folder", "file", "link"])
def test_that_a_taken_name_is_refused(run: Path, taken: str) -> None:
    """An empty folder, too, which a rename would take the place of."""
    target = run.parent / "taken"
    if taken == "folder":
        target.mkdir()
    elif taken == "file":
        target.write_bytes(b"")
    else:
        try:
            target.symlink_to(run.parent / "nowhere")
        except OSError:
            pytest.skip("no right to make links")
    with pytest.raises(ConfigError, match="'taken' is taken"):
        rename(run, "taken", Vigil())
    assert (run / "config.json").is_file()


def test_that_a_run_in_training_keeps_its_name(run: Path) -> None:
    with attended(run, Control()):
        while Vigil().sign(run) is None:
            pass
        with pytest.raises(ConfigError, match="stop it first"):
            rename(run, "after", Vigil())
    with files.held(run / LOCK_FILE, "busy"), pytest.raises(ConfigError, match="a process trains it"):
        rename(run, "after", Vigil())  # before its first sign
    sign = {"host": "elsewhere", "pid": 1, "since": 0.0, "count": 1, "time": time.time() + 3600}
    (run / ALIVE_FILE).write_text(json.dumps(sign), encoding="utf-8")
    with pytest.raises(ConfigError, match="stop it first"):
        rename(run, "after", Vigil())
    assert run.is_dir()


@pytest.mark.parametrize(
    ("there", "run", "free"),
    [
        ((), "first", "first-2"),
        (("first-2", "first-3"), "first", "first-4"),
        (("quick-avatars-20260102-1",), "quick-avatars-20260102-1", "quick-avatars-20260102-2"),
        ((), "glasses-20260102", "glasses-20260102-2"),  # a date is no number of a run
    ],
)
def test_that_the_next_name_counts_on(tmp_path: Path, there: tuple[str, ...], run: str, free: str) -> None:
    for name in there:
        (tmp_path / name).mkdir()
    assert next_free(tmp_path / run) == tmp_path / free
