"""A run to be started: what the command line would be told, and where it goes. No Qt."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from introvac_studio.data_summary import DataChoice
from trainer import files, run_names


@dataclass(frozen=True)
class RunRequest:
    """A run to start: what the command line would be told."""

    preset: str
    choice: DataChoice
    run: Path
    values: tuple[tuple[str, str], ...] = ()

    def arguments(self) -> list[str]:
        """Flags of `python -m trainer train`."""
        flags = ["--preset", self.preset, "--data", self.choice.data]
        flags += ["--attributes", ",".join(self.choice.attributes), "--run", str(self.run)]
        flags += ["--subset", self.choice.subset]
        for text in self.choice.derive:
            flags += ["--derive", text]
        for name, value in self.values:
            flags += ["--set", f"{name}={value}"]
        return flags


def default_run(root: Path, preset: str, data: str, today: datetime.date) -> Path:
    """The first free `<root>/<preset>-<data>-<date>-<n>`, in letters that every file system takes."""
    kind, _, rest = data.partition(":")
    known = {"avatars": "avatars", "celeba": "celeba", "folder": Path(rest).name}
    name = known.get(kind, Path(data).name)
    first = root / f"{preset}-{run_names.plain(name) or 'data'}-{today:%Y%m%d}-1"
    return run_names.next_free(first) if files.exists(first) else first
