"""Names of files and run directories that every system takes, and giving a run another one; free of torch."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from trainer import files
from trainer.errors import ConfigError, DataError
from trainer.presence import Vigil
from trainer.run_files import LOCK_FILE

LONGEST = 255  # bytes of a name, on the usual file systems
_FORBIDDEN = '<>:"/\\|?*'
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"}
_DEVICES |= {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}


def check_name(name: str) -> None:
    """Make sure that a run may be called so, here and on any system that it is copied to.

    Raises:
        ConfigError: it may not, and why.
    """
    why = ""
    if not name.strip(" ."):
        why = "a name needs a letter or a digit"
    elif any(c in _FORBIDDEN or ord(c) < 32 or ord(c) == 127 for c in name):
        why = f"a name cannot hold {' '.join(_FORBIDDEN)} or control characters"
    elif name[0] == ".":
        why = "runs whose names begin with a dot are hidden"
    elif name[0] == " " or name[-1] in " .":
        why = "Windows takes no name that begins with a space, or ends with a space or a dot"
    elif _names_device(name):
        why = "Windows keeps this name for a device"
    elif len(name.encode("utf-8", "replace")) > LONGEST:
        why = f"a name has at most {LONGEST} bytes"
    elif any("\ud800" <= c <= "\udfff" for c in name):
        why = "it holds half a character"
    if why:
        raise ConfigError(f"{name!r} is no name for a run: {why}")


def plain(text: str, longest: int = 40) -> str:
    """A name in letters that every file system and shell takes: "Märchen, alt" becomes "Marchen-alt"."""
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    letters = "".join(c for c in letters if not unicodedata.combining(c))
    return re.sub(r"[^A-Za-z0-9_-]+", "-", letters).strip("-.")[:longest].rstrip("-.")


def next_free(run: Path) -> Path:
    """The first directory of a run's name with another number at its end that is not there: `first-2`, ..."""
    stem, number = run.name, 2
    if (found := re.fullmatch(r"(.+)-(\d{1,4})", run.name)) is not None:
        stem, number = found[1], int(found[2]) + 1
    while files.exists(path := run.with_name(f"{stem}-{number}")):
        number += 1
    return path


def portable(name: str) -> str:
    """The name of a file, without its ending, with what some system refuses replaced; may come out empty."""
    name = "".join("-" if c in _FORBIDDEN or ord(c) < 32 or ord(c) == 127 else c for c in name).strip(" .")
    first, dot, rest = name.partition(".")
    return f"{first.rstrip()}-{dot}{rest}" if _names_device(name) else name


def _names_device(name: str) -> bool:
    """Whether Windows keeps a name for a device, whatever its ending."""
    return name.split(".")[0].rstrip().lower() in _DEVICES


def rename(run: Path, name: str, vigil: Vigil) -> Path:
    """Give a run's directory another name, in the same folder; gives where it is now.

    Raises:
        ConfigError: no name for a run, one that is taken, or a process trains the run.
        DataError, RunError: the system refuses.
    """
    check_name(name)
    target = run.with_name(name)
    if target == run:
        return run
    busy = f"{run}: a process trains it"
    if vigil.sign(run) is not None:
        raise ConfigError(f"{busy}; stop it first, then rename it")
    if not files.is_dir(run):
        raise DataError(f"{run}: is not there any more")
    same = files.exists(target) and target.samefile(run)  # where "a" and "A" are one
    if os.path.lexists(target) and not same:
        raise ConfigError(f"{name!r} is taken: {target} is there already; choose another name")
    with files.held(run / LOCK_FILE, busy):
        pass  # let go before the folder moves: Windows moves none with an open file
    try:
        run.rename(target)
    except OSError as error:
        raise files.write_error(target, error) from error
    return target
