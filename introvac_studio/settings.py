"""Remembered choices: typed access to QSettings that shrugs at bad values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar, cast

from PySide6.QtCore import QByteArray, QSettings

T = TypeVar("T", str, int, float, bool)

# Keys that more than one module reads.
THEME = "look/theme"  # "system", "light" or "dark"
MOTION = "look/less_motion"  # whether nothing fades or slides
LANGUAGE = "look/language"  # a code as "de"; empty: the desktop's
DEVICE = "pictures/device"  # "auto", "cpu", "cuda" or "mps"
DESKTOP = "notifications/desktop"  # whether the desktop tells what happens behind other windows
GREETED = "welcome/seen"  # whether the greeting of a first launch was closed
PHOTOS = "photo/opened"  # files that the user opened as photos, the newest first
RUNS = "training/root"  # the folder of new runs; empty: the usual one
MOST_PHOTOS = 100  # remembered


class Settings:
    """A thin typed layer; a value that cannot be read gives the default."""

    def __init__(self, store: QSettings | None = None) -> None:
        self._store = store or QSettings()

    def get(self, key: str, default: T) -> T:
        value = self._store.value(key, default)
        kind = type(default)
        try:
            if kind is bool and isinstance(value, str):
                return kind(value.lower() == "true")
            return kind(cast(Any, value))
        except (TypeError, ValueError):
            return default

    def set(self, key: str, value: str | int | float | bool) -> None:
        self._store.setValue(key, value)

    def texts(self, key: str) -> list[str]:
        """A list of strings, as of recent files."""
        value = self._store.value(key, [])
        if isinstance(value, str):
            return [value]
        return [str(v) for v in value] if isinstance(value, list) else []

    def set_texts(self, key: str, values: list[str]) -> None:
        self._store.setValue(key, values)

    def choices(self, key: str) -> dict[str, Any]:
        """Choices by their names, as of a form; empty where there are none that can be read."""
        try:
            found = json.loads(self.get(key, "{}"))
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def set_choices(self, key: str, choices: dict[str, Any]) -> None:
        """Remember choices that are made of JSON's types."""
        self._store.setValue(key, json.dumps(choices))

    def blob(self, key: str) -> QByteArray:
        """Opaque bytes, as of a window's geometry."""
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()

    def set_blob(self, key: str, value: QByteArray) -> None:
        self._store.setValue(key, value)

    def forget(self, prefix: str) -> None:
        """Drop every key that begins with `prefix`."""
        for key in self._store.allKeys():
            if key.startswith(prefix):
                self._store.remove(key)


def remember_photo(settings: Settings, file: Path | str) -> None:
    """Note that the user knows of a photo, so that a recipe which names it may have it read."""
    before = [text for text in settings.texts(PHOTOS) if text != str(file)]
    settings.set_texts(PHOTOS, [str(file), *before][:MOST_PHOTOS])


def runs_folder(settings: Settings) -> Path:
    """Where new runs go."""
    chosen = settings.get(RUNS, "")
    return Path(chosen) if chosen else Path.home() / "IntroVAC" / "runs"
