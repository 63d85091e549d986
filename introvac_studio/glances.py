"""What is looked at beside the edit, when nothing else is to be done: messages, free of torch and widgets."""

from __future__ import annotations

from dataclasses import dataclass

from introvac_studio.state import Code, Image


@dataclass(frozen=True, eq=False)
class Glance:
    """The picture of a code (d,) that the pointer is on; `serial` numbers the pointer's places."""

    serial: int
    image: Image


@dataclass(frozen=True, eq=False)
class Sheet:
    """Pictures wanted of codes (n, d), to be told apart by identity."""

    stamp: int
    codes: Code


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture of a sheet."""

    sheet: Sheet
    index: int
    image: Image


@dataclass(frozen=True, eq=False)
class Judged:
    """What the pictures of codes (n, d) are encoded to: mu (n, d). `codes` is the very array that asked."""

    codes: Code
    mu: Code
