"""OpenVINO's core without its model converter.

`import openvino` also imports `openvino.tools.ovc`, which reports each import to its makers over the network
and leaves an identifier in the home directory (`~/intel`), unasked. OpenVINO takes the converter for
optional, and nothing here converts a model: while the core is being imported, it cannot be found.
"""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType
from typing import Any

_CONVERTER = "openvino.tools.ovc"
_importing = threading.Lock()


def openvino() -> Any:
    """The module `openvino`.

    Raises:
        ImportError: not installed, or its libraries do not load.
    """
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    with _importing:
        if (there := modules.get("openvino")) is not None:
            return there
        modules[_CONVERTER] = None
        try:
            return importlib.import_module("openvino")
        finally:
            del modules[_CONVERTER]
