"""The form of all settings."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QComboBox, QLineEdit, QSpinBox
from pytestqt.qtbot import QtBot

from introvac_studio.widgets.config_form import ConfigForm, as_text, read
from trainer import config, setup


@pytest.fixture
def form(qtbot: QtBot) -> ConfigForm:
    form = ConfigForm(("data", "attributes", "derive", "subset"))
    qtbot.addWidget(form)
    form.set_preset("quick")
    return form


def test_that_every_setting_has_a_field_that_shows_the_preset(form: ConfigForm) -> None:
    resolved = setup.resolve("quick")
    for section, setting in config.settings():
        if setting.name in ("data", "attributes", "derive", "subset"):
            continue
        row = form._rows[setting.name]
        assert read(row.editor) == as_text(getattr(getattr(resolved, section), setting.name)), setting.name
        assert row.editor.toolTip()
    assert form.values() == {}
    assert form.valid


def test_that_values_are_exactly_what_was_changed(form: ConfigForm) -> None:
    epochs, loss = form._rows["epochs"].editor, form._rows["reconstruction"].editor
    assert isinstance(epochs, QSpinBox)
    assert isinstance(loss, QComboBox)
    epochs.setValue(12)
    loss.setCurrentText("mse")
    assert form.values() == {"epochs": "12", "reconstruction": "mse"}
    config.preset("quick", **form.values())
    epochs.setValue(8)  # the preset's own
    form.reset("reconstruction")
    assert form.values() == {}


def test_that_widths_follow_the_size_until_set(form: ConfigForm) -> None:
    form.set_value("image_size", "128")
    assert form.value("channels") == "32,64,128,256,512"
    assert form.values() == {"image_size": "128"}
    form.set_value("channels", "8,8,8,8,16")
    assert form.values() == {"image_size": "128", "channels": "8,8,8,8,16"}
    assert form.valid


def test_that_a_bad_value_is_named_under_its_field(form: ConfigForm, qtbot: QtBot) -> None:
    editor = form._rows["lr_milestones"].editor
    assert isinstance(editor, QLineEdit)
    with qtbot.waitSignal(form.validChanged) as signal:
        editor.setText("6, seven")
    assert signal.args == [False]
    assert "lr_milestones" in form.errors
    assert "whole numbers" in form._rows["lr_milestones"].error.text()
    with qtbot.waitSignal(form.validChanged) as signal:
        editor.setText("6, 7, 8")
    assert signal.args == [True]
    assert form.values() == {"lr_milestones": "6, 7, 8"}


def test_that_settings_which_do_not_fit_each_other_are_refused(form: ConfigForm) -> None:
    form.set_values({"channels": "8,8,8", "image_size": "128"})
    assert not form.valid


def test_that_small_numbers_can_be_typed(form: ConfigForm, qtbot: QtBot) -> None:
    editor = form._rows["learning_rate"].editor
    editor.selectAll()  # type: ignore[union-attr]
    qtbot.keyClicks(editor, "2e-4")
    assert form.values() == {"learning_rate": "0.0002"}


def test_that_words_find_settings_by_name_and_meaning_also_advanced_ones(form: ConfigForm) -> None:
    def shown() -> set[str]:
        return {name for name, row in form._rows.items() if not row.label.isHidden()}

    before = shown()
    form.search.setText("beta_g")
    assert shown() == {"beta_g"}
    form.search.setText("LEARNING rate")
    assert "learning_rate" in shown() and shown() < set(form._rows)
    assert [h.isHidden() for h, names in form._headings] == [
        not shown() & set(names) for _, names in form._headings
    ]
    form.search.setText("no such thing")
    assert not shown()
    form.search.clear()
    assert shown() == before
