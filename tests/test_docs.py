"""The documents hold together: relative links lead somewhere, and commands that they show can be given."""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

import pytest

from trainer.cli import parser

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")


def commands(text: str) -> list[list[str]]:
    """Arguments of every `introvac` command in shell blocks; lines that end in a backslash go on."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["introvac"] and "..." not in words:
                found.append(words[1:])
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_exist(document: Path) -> None:
    links = [link for link in LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_shows_commands_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    shown = commands((ROOT / "README.md").read_text("utf-8"))
    assert {words[0] for words in shown} >= {"train", "edit", "export", "tensorboard"}
    for words in shown:
        try:
            parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"introvac {shlex.join(words)}: {capsys.readouterr().err}")


def mapped(text: str) -> list[str]:
    """What the map's tables name, as patterns; a name without a folder lies in that of the one before."""
    found = []
    for row in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]+)`", row):
            whole = name if re.match(r"(trainer|introvac_studio)/", name) else folder + name
            folder = whole[: whole.rstrip("/").rindex("/") + 1]
            found.append(whole + "*" if whole.endswith("/") else whole)
    return found


def test_every_module_is_on_the_map_and_nothing_else() -> None:
    patterns = mapped((ROOT / "docs" / "architecture.md").read_text("utf-8"))
    modules = [
        path.relative_to(ROOT).as_posix()
        for package in ("trainer", "introvac_studio")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    ]
    assert [m for m in sorted(modules) if not any(fnmatch(m, p) for p in patterns)] == []
    assert [p for p in patterns if not any(fnmatch(m, p) for m in modules)] == []
