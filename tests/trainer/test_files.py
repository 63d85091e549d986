"""Files that are whole or not there, and which failures are the user's to mend."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from trainer import files
from trainer.errors import DataError, RunError


def test_that_a_full_disk_is_a_failure_and_a_missing_folder_is_bad_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="nowhere"):
        files.write_text(tmp_path / "nowhere" / "a.txt", "x")

    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(RunError, match="No space"):
        files.write_text(tmp_path / "a.txt", "x")
    assert list(tmp_path.iterdir()) == []


def test_that_windows_is_given_time_to_let_go_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    tries, naps, clock = [], [], [0.0]
    real = Path.replace

    def in_use(self: Path, target: Path) -> Path:
        tries.append(self)
        if len(tries) <= 3:
            raise PermissionError(13, "in use by a virus scanner")
        return real(self, target)

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(Path, "replace", in_use)
    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    files.write_text(path, "new")
    assert path.read_text() == "new" and len(tries) == 4
    assert naps == sorted(naps)

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "no")

    tries.clear()
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match=r"a\.txt"):
        files.write_text(path, "newer")
    assert 2 <= clock[0] < 3 and path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_that_a_target_is_checked_and_its_folder_made(tmp_path: Path) -> None:
    files.check_target(tmp_path / "new" / "deep" / "a.npz")
    assert (tmp_path / "new" / "deep").is_dir()
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "new", tmp_path / "file" / "a.npz"):
        with pytest.raises(DataError):
            files.check_target(bad)
