"""Words in the user's language: gettext catalogues in `resources/locale`, English where there is none.

Every text that a user reads goes through `tr` when it is shown. A table that is made on import holds
`mark("…")`, which only tells the extractor about the text, and its reader calls `tr` on it. Values are
named in braces, so that a translator may put them elsewhere: `tr("opening {name}…", name=path.name)`.
"""

from __future__ import annotations

import gettext
import logging
from collections.abc import Sequence

from introvac_studio import resources

DOMAIN = "introvac_studio"

log = logging.getLogger(__name__)
_words: gettext.NullTranslations = gettext.NullTranslations()


def available() -> list[str]:
    """The languages that have a catalogue, besides English."""
    files = resources.path("locale").glob(f"*/LC_MESSAGES/{DOMAIN}.mo")
    return sorted(file.parents[1].name for file in files)


def use(languages: Sequence[str]) -> None:
    """Speak the first of these languages (`de`, `pt_BR`, ...) that has a catalogue, else English.

    What comes after English in the list is not looked for: English texts need no catalogue.
    """
    global _words
    names = [name.replace("-", "_") for name in languages]
    spoken = [i for i, name in enumerate(names) if name.split("_")[0] == "en"]
    names = names[: spoken[0] + 1] if spoken else names
    _words = gettext.translation(DOMAIN, resources.path("locale"), names, fallback=True)


def spoken() -> str:
    """The code of the language that is spoken; "en" where there is no catalogue."""
    return _words.info().get("language", "") or "en"


def speak(words: gettext.NullTranslations) -> gettext.NullTranslations:
    """Take a catalogue as it is; gives back the one before."""
    global _words
    before, _words = _words, words
    return before


def mark(text: str) -> str:
    """The text itself: it is translated where it is shown."""
    return text


def tr(text: str, /, **values: object) -> str:
    """The text in the user's language, with its values put in; an empty text stays empty."""
    return _filled(_words.gettext(text) if text else "", text, values)


def trn(one: str, many: str, n: int, /, **values: object) -> str:
    """As `tr`, in the grammatical number of `n`, which both texts may name as `{n}`."""
    return _filled(_words.ngettext(one, many, n), one if n == 1 else many, {"n": n} | values)


def _filled(translated: str, text: str, values: dict[str, object]) -> str:
    if not values:
        return translated
    try:
        return translated.format(**values)
    except (KeyError, IndexError, ValueError):
        log.warning(
            "the translation %r of %r names other values; the English text stands in", translated, text
        )
        return text.format(**values)
