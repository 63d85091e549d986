"""Texts in the user's language."""

from __future__ import annotations

import gettext
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from introvac_studio import language, resources
from introvac_studio.language import tr, trn


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    catalog = Catalog("de", domain=language.DOMAIN)
    catalog.add("Open model…", "Modell öffnen …")
    catalog.add("opening {name}…", "{name} wird geöffnet …")
    catalog.add("saved {path}", "{pfad} gespeichert")
    catalog.add(("{n} face", "{n} faces"), ("{n} Gesicht", "{n} Gesichter"))
    file = tmp_path / "locale" / "de" / "LC_MESSAGES" / f"{language.DOMAIN}.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as out:
        write_mo(out, catalog)
    monkeypatch.setattr(resources, "path", lambda name: tmp_path / name)
    before = language.speak(gettext.NullTranslations())
    language.use(["de-AT", "de"])
    yield
    language.speak(before)


def test_that_a_text_is_translated_and_its_values_put_in(german: None) -> None:
    assert tr("Open model…") == "Modell öffnen …"
    assert tr("opening {name}…", name="demo") == "demo wird geöffnet …"
    assert [trn("{n} face", "{n} faces", n) for n in (1, 2)] == ["1 Gesicht", "2 Gesichter"]


def test_that_a_text_without_translation_stays_english(german: None) -> None:
    assert tr("Reset edit") == "Reset edit"
    assert tr("") == "", "an empty text is not the catalogue's header"


def test_that_a_translation_with_other_values_gives_way_to_english(
    german: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert tr("saved {path}", path="a.png") == "saved a.png"
    assert "names other values" in caplog.text


def test_that_a_language_without_catalogue_is_english() -> None:
    before = language.speak(gettext.NullTranslations())
    language.use(["xx"])
    assert tr("Open model…") == "Open model…"
    language.speak(before)


def test_that_braces_in_a_text_without_values_stay() -> None:
    assert tr("a {brace}") == "a {brace}"
