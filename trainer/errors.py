"""What can go wrong, as exceptions whose text a user can act on.

Every message says what happened, to which file or value, and what to do next.
The command line turns an `IntroVACError` into one line on stderr and exit 2, a `RunError` into exit 1.
"""

from __future__ import annotations


class IntroVACError(Exception):
    """Base of all errors that are caused by input or circumstances, not by a fault of ours."""


class ConfigError(IntroVACError):
    """A setting has a value that makes no sense; names the field and the value."""


class DataError(IntroVACError):
    """Data that cannot be used: a folder, a label file, a cache, a picture."""


class CheckpointError(IntroVACError):
    """A model or resume file that is missing, broken, or of another kind."""


class ModelError(IntroVACError):
    """A request that the open model cannot serve, such as an unknown attribute."""


class RunError(IntroVACError):
    """Work that failed although it was asked for rightly: a full disk, a dead process, a diverged loss."""


class Cancelled(IntroVACError):  # noqa: N818  it is no error
    """The user asked to stop; not a failure."""
