"""Presets as fidelity says, settings from text, and refusals that name field and value."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer import config
from trainer.config import PRESETS, TrainConfig, from_dict, preset, settings, with_settings
from trainer.errors import ConfigError
from trainer.setup import resolve, resume


def test_that_the_papers_weights_are_the_defaults() -> None:
    c = preset("introvac")
    weights = (c.loss.beta_ae, c.loss.beta_cl, c.loss.beta_reg, c.loss.beta_g, c.loss.beta_ec)
    assert weights == (100, 10, 3, 5, 0.01)
    assert (c.optim.learning_rate, c.optim.batch_size, c.optim.epochs) == (2e-4, 64, 150)
    assert c.optim.lr_milestones == (60, 90, 120) and c.optim.lr_factor == 0.5
    assert (c.model.image_size, c.model.channels, c.model.latent_dim) == (128, (32, 64, 128, 256, 512), 256)
    assert c.game.enabled and c.game.warmup_epochs == 5 and c.game.update_order == "updated"


def test_that_presets_differ_as_resolved() -> None:
    vac, ours, authors = preset("vac"), preset("introvac"), preset("authors")
    assert not vac.game.enabled and vac.optim.epochs == 600 and vac.optim.lr_milestones == ()
    assert (authors.loss.bce_reduction, ours.loss.bce_reduction) == ("mean", "sum")
    assert (authors.model.classifier_bias, ours.model.classifier_bias) == (False, True)
    assert (authors.optim.weight_decay, ours.optim.weight_decay) == (1e-5, 0)
    assert (authors.model.crop, ours.model.crop) == ("introvac", "center")
    quick = preset("quick")
    assert (quick.model.image_size, quick.model.channels, quick.model.latent_dim) == (
        64,
        (32, 64, 128, 256),
        64,
    )
    studio = preset("studio")
    for one, weights, share in ((studio, (5, 3), 0.75), (quick, (3, 3), 0.5)):  # docs/recipes.md; the demo
        assert (one.loss.beta_cl, one.loss.beta_reg) == weights and one.loss.edge_weight == 2
        assert one.game.mirror_share == share and one.game.read_draws and not one.model.classifier_bias


@pytest.mark.parametrize("name", PRESETS)
def test_that_a_config_survives_json(name: str) -> None:
    c = preset(name, attributes=("A", "B"), derive=("X=A|!B",))
    assert from_dict(c.to_dict()) == c


def test_that_settings_are_read_from_text() -> None:
    c = with_settings(
        TrainConfig(),
        {"optim.epochs": "7", "flip": "no", "lr_milestones": "3, 5", "beta_ec": "1e-3", "attributes": "A,B"},
    )
    assert c.optim.epochs == 7 and not c.data.flip and c.optim.lr_milestones == (3, 5)
    assert c.loss.beta_ec == 1e-3 and c.model.attributes == ("A", "B")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", "many"),
        ("epochs", "0"),
        ("epochs", 2.5),
        ("learning_rate", "nan"),
        ("flip", "perhaps"),
        ("norm", "layer"),
        ("subset", "balanced:-1"),
        ("device", "cuda:x"),
        ("attributes", "A,A"),
        ("attributes", "fake"),
        ("model.epochs", "3"),
    ],
)
def test_that_a_bad_value_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key.rpartition(".")[2]):
        with_settings(TrainConfig(), {key: value})


def test_that_size_and_widths_follow_each_other() -> None:
    assert resolve("quick", values={"image_size": "128"}).model.channels == (32, 64, 128, 256, 512)
    assert resolve("introvac", values={"channels": "8,8,8"}).model.image_size == 32


def test_that_the_crop_follows_the_data_unless_given() -> None:
    assert resolve("introvac", data="avatars").model.crop == "none"
    assert resolve("introvac", data="folder:x").model.crop == "square"
    assert resolve("quick", data="celeba:x").model.crop == "center"
    assert resolve("authors", data="celeba:x").model.crop == "introvac"
    assert resolve("introvac", data="avatars", values={"crop": "center"}).model.crop == "center"


def test_that_every_setting_has_help_and_a_unique_name() -> None:
    named = [f.name for _, f in settings()]
    assert len(named) == len(set(named))
    assert all(f.metadata["help"] for _, f in settings())


def test_that_a_damaged_config_file_is_refused(tmp_path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"optim": {"epochs": "x"}}')
    with pytest.raises(ConfigError, match="epochs"):
        config.load(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"config\.json"):
        config.load(path)


def test_that_paths_to_data_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "meta.json").write_text('{"crop": "introvac"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for text in ("cache", "~/cache"):
        resolved = resolve("introvac", data=text)
        assert resolved.data.data == str(cache.resolve()) and resolved.model.crop == "introvac"
    assert resolve("introvac", values={"data": "cache"}).data.data == str(cache.resolve())
    assert resolve("introvac", data="celeba:x").data.data == f"celeba:{(tmp_path / 'x').resolve()}"
    assert resolve("introvac", data="folder:~/x").data.data == f"folder:{(tmp_path / 'x').resolve()}"
    assert resolve("introvac", data="avatars:5").data.data == "avatars:5"


def test_that_a_resumed_run_takes_what_leaves_model_and_data_alone() -> None:
    c = resolve("quick", data="avatars:96")
    changed = resume(c, {"learning_rate": "1e-4", "beta_reg": "5", "max_steps": 7, "device": "cpu"}, "quick")
    assert changed == with_settings(
        c, {"learning_rate": 1e-4, "beta_reg": 5.0, "max_steps": 7, "device": "cpu"}
    )
    assert resume(c, {"seed": 0, "data": "avatars:96", "attributes": c.model.attributes}) == c
    for key, value in (
        ("latent_dim", "32"), ("data.flip", "no"), ("data", "avatars:97"), ("seed", 1), ("batch_size", "8"),
        ("attributes", ("Hat",)), ("subset", "eye"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=f"{key.rpartition('.')[2]} = .*a resumed run keeps"):
            resume(c, {key: value})
    with pytest.raises(ConfigError, match="preset = 'vac'"):
        resume(c, {}, "vac")
