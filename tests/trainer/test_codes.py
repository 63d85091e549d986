"""Codes as a file for a spreadsheet."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from trainer import codes
from trainer.latent import Hyperplanes

NAMES = ["=1+1", "+a", "-b", "@c", "\td", "\re", "'f", "''g", "h=i", "", "ä.png"]


def test_that_no_name_is_a_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    planes = Hyperplanes(("-A", "B", "fake"), np.eye(3, 4), np.zeros(3))
    mu = -np.ones((len(NAMES), 4))
    labels = np.zeros((len(NAMES), 2), np.int8)
    codes.save(tmp_path / "codes.csv", NAMES, mu, planes, labels, "digest")
    with (tmp_path / "codes.csv").open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert [codes.unguarded(cell) for cell in head[:3]] == ["name", "-A", "B"]
    assert [codes.unguarded(line[0]) for line in lines] == NAMES
    assert not any(line[0].startswith(("=", "+", "-", "@", "\t", "\r")) for line in lines)
    assert not head[1].startswith("-") and all(line[-1] == "-1" for line in lines)
