"""The weights that are open, kept while training writes newer ones over their file."""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from trainer import files, modelfile
from trainer.errors import IntroVACError
from trainer.run_files import EVENTS_FILE

_log = logging.getLogger(__name__)
_MOST = 4  # copies; an evaluation may still read the one before


class Keeping:
    """Copies of models that lie in a run, in a folder that goes when the studio does.

    A run replaces its model at the end of each epoch. What reads the open model once more, as generation,
    exports and evaluations do, reads the copy, and so the weights that the user sees.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copies: list[Path] = []

    def keep(self, path: Path, digest: str) -> Path | None:
        """A copy of a model that a run may write over; None of others, or where it cannot be made."""
        path = path.absolute()
        if not any(files.is_file(folder / EVENTS_FILE) for folder in path.parents[:2]):  # or its checkpoints
            return None
        try:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="introvac-", ignore_cleanup_errors=True)
            copy = Path(self._folder.name) / digest[:16] / path.name
            if copy in self._copies and copy.is_file():
                self._copies.append(self._copies.pop(self._copies.index(copy)))
                return copy
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, copy)
            if modelfile.load(copy).digest != digest:  # written since it was opened
                copy.unlink()
                return None
        except (OSError, IntroVACError) as error:  # whoever reads the file later says what lacks
            _log.warning("%s is not kept: %s", path, error)
            return None
        self._copies = [*(c for c in self._copies if c != copy), copy]
        while len(self._copies) > _MOST:
            with suppress(OSError):  # on Windows, when somebody reads it
                self._copies.pop(0).unlink(missing_ok=True)
        return copy

    def close(self) -> None:
        """Remove all copies."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self._copies = []
