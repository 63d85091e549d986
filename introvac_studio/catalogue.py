"""The texts to translate, as a gettext template: `python -m introvac_studio.catalogue` renews it.

A translator copies the template to `resources/locale/<code>/LC_MESSAGES/introvac_studio.po`, fills it in and
compiles it (`pybabel compile -D introvac_studio -d resources/locale`); the studio finds it at its next start.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

from introvac_studio import language, resources
from trainer import config
from trainer.errors import IntroVACError
from trainer.files import atomic_file

_KEYWORDS = {"tr": None, "mark": None, "trn": (1, 2)}
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)  # a template that changes only with its texts


def template() -> str:
    """The template of all texts in this package.

    Raises:
        IntroVACError: Babel is not there.
    """
    try:
        from babel.messages.catalog import Catalog
        from babel.messages.extract import extract_from_dir
        from babel.messages.pofile import write_po
    except ImportError:
        raise IntroVACError(
            "the texts are collected by Babel, which is not installed; pip install 'introvac-studio[test]'"
        ) from None
    catalog = Catalog(
        domain=language.DOMAIN,
        project="IntroVAC Studio",
        version="1",
        copyright_holder="the IntroVAC Studio maintainers",
        creation_date=_WHEN,
        charset="utf-8",
    )
    root = Path(__file__).parent
    found = extract_from_dir(root, method_map=[("**.py", "python")], keywords=_KEYWORDS)
    for name, _, message, _, _ in sorted(found, key=lambda item: (str(item[2]), item[0])):
        catalog.add(message, locations=[(f"introvac_studio/{Path(name).as_posix()}", 0)])
    for text in (*settings_texts(), *map(preset_help, config.PRESETS)):
        catalog.add(text, locations=[("trainer/config.py", 0)])
    out = io.BytesIO()
    write_po(out, catalog, width=0, sort_output=True, include_lineno=False)
    return out.getvalue().decode()


def settings_texts() -> list[str]:
    """What the form of settings shows of the engine's own descriptions: names and helps."""
    found = [(setting.name, str(setting.metadata.get("help", ""))) for _, setting in config.settings()]
    return sorted({text for name, tip in found for text in (name_of(name), tip) if text})


def name_of(setting: str) -> str:
    """A setting's name in words, where the form has no better one."""
    return setting.replace("_", " ").capitalize()


def preset_help(name: str) -> str:
    """What a preset is for; empty where nobody says."""
    text = config.PRESET_HELP.get(name, "")
    return text[:1].upper() + text[1:]


def path() -> Path:
    """Where the template is kept."""
    return resources.path("locale") / f"{language.DOMAIN}.pot"


if __name__ == "__main__":
    path().parent.mkdir(exist_ok=True)
    with atomic_file(path()) as file:
        file.write(template().encode())
