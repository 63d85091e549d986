"""`python -m trainer`."""

import logging
import os
import sys

from trainer.cli import main


def _end(code: int) -> None:
    """Leave without taking Python and torch apart, which takes a second; what is buffered is written."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:  # whoever listened is gone
            code = code or 1
    os._exit(code)


if __name__ == "__main__":
    _end(main())
