"""Before Qt starts: is there a display, and can its plugin load? Qt would abort instead of saying so."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path

# Shared object -> Debian and Ubuntu package; other distributions have names close to these.
PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLX.so.0": "libglx0",
    "libOpenGL.so.0": "libopengl0",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}

VIRTUAL = "or on a server use a virtual one: sudo apt install xvfb; xvfb-run python main.py"


def _package(error: str) -> str:
    """A sentence on what to install for a loader's message such as 'libEGL.so.1: cannot open ...'."""
    library = error.split(":")[0].strip()
    library = library.rpartition("/")[2]
    package = PACKAGES.get(library)
    install = f"install it with: sudo apt install {package}" if package else "install the package that has it"
    return f"IntroVAC Studio needs the system library {library}, which is missing; {install}"


def _platform() -> str:
    """The Qt platform plugin that will be used on Linux."""
    chosen = os.environ.get("QT_QPA_PLATFORM", "").split(";")[0].partition(":")[0]
    if chosen:
        return chosen
    runtime, wayland = os.environ.get("XDG_RUNTIME_DIR", ""), os.environ.get("WAYLAND_DISPLAY", "")
    if wayland and (Path(runtime) / wayland).exists():
        return "wayland"
    return "xcb"


def _display_answers() -> bool:
    """Whether the X server of DISPLAY takes connections."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


def problem() -> str | None:
    """One sentence on why the window cannot open, or None. Windows and macOS need no check."""
    found = importlib.util.find_spec("PySide6")
    if found is None or not found.submodule_search_locations:
        return "IntroVAC Studio needs PySide6, which is not installed; run: pip install -e ."
    if not sys.platform.startswith("linux"):
        return None
    try:
        import PySide6.QtGui
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        return _package(str(error))
    platform = _platform()
    if platform != "xcb":
        return None
    plugin = Path(next(iter(found.submodule_search_locations))) / "Qt/plugins/platforms/libqxcb.so"
    if plugin.exists():
        try:
            ctypes.CDLL(str(plugin))
        except OSError as error:
            return _package(str(error))
    if not os.environ.get("DISPLAY"):
        return (
            "IntroVAC Studio needs a display and none is set (DISPLAY and WAYLAND_DISPLAY are empty); "
            f"start it in a desktop session, {VIRTUAL}"
        )
    if not _display_answers():
        return f"IntroVAC Studio cannot reach the display {os.environ['DISPLAY']!r}; check DISPLAY, {VIRTUAL}"
    return None
