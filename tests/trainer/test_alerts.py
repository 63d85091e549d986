"""Alerts: once when something goes wrong, once when it has passed, and never in a healthy run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trainer import events
from trainer.alerts import Watch, blind_guess
from trainer.config import TrainConfig, preset, with_settings
from trainer.data.cache import open_data
from trainer.data.select import select
from trainer.loop import Trainer
from trainer.models import IntroVAC
from trainer.run_files import lasting, read_events
from trainer.steps import Precision
from trainer.validation import validate

PAPER = preset("introvac", attributes=("A", "B"))
HEALTHY = {"vac": 13.0, "decoder_game": 0.1, "encoder_game": 9.0}
HEALTHY |= {"fake_generated": 0.007, "fake_reconstructed": 0.006}


def started(config: TrainConfig = PAPER) -> events.RunStarted:
    return events.RunStarted(
        run="r",
        device="cpu",
        precision="float32",
        parameters=1,
        train_images=1,
        valid_images=1,
        steps_per_epoch=100,
        total_steps=1000,
        game_from_step=0,
        config=config.to_dict(),
    )


def log(step: int, **losses: float) -> events.StepLosses:
    return events.StepLosses(
        step=step,
        losses=HEALTHY | losses,
        images_per_second=1.0,
        seconds_left=None,
        learning_rate=1e-3,
        memory_bytes=0,
    )


def heard(said: list[events.Event], watch: Watch | None = None) -> list[tuple[int, str, str, bool]]:
    """(step, kind, name, over) of the alerts on some events."""
    watch = watch or Watch()
    return [(a.step, a.kind, a.name, a.over) for event in said for a in watch.see(event)]


def course(name: str, values: list[float], every: int = 10) -> list[events.Event]:
    """A run's start and its logs, in which one loss takes these values."""
    return [started(), *(log(every * (i + 1), **{name: value}) for i, value in enumerate(values))]


def test_that_a_wobble_raises_nothing() -> None:
    """Swings as large as any of 30 healthy runs of this project, and single readings far off."""
    rng = np.random.default_rng(0)
    rows: list[events.Event] = [started()]
    for i in range(400):
        wild = 30.0 if i % 50 == 49 else 1.0
        rows.append(
            log(
                10 * (i + 1),
                vac=wild * 13 * rng.uniform(1, 1.12),
                decoder_game=wild * rng.uniform(0.05, 0.2),
                fake_generated=rng.uniform(0.002, 0.3) if wild == 1.0 else 1.0,
                fake_reconstructed=rng.uniform(0.002, 0.3),
            )
        )
    assert heard(rows) == []


def test_that_a_loss_that_explodes_is_told_once_and_once_when_it_is_back() -> None:
    values = [40.0, 20.0] + 10 * [13.0] + 20 * [30.0] + 3 * [13.0] + 20 * [22.0] + 20 * [15.0]
    first, last = heard(course("vac", values))
    # The median of three is up with the second of the high values, at step 140; then 50 steps.
    assert first == (190, "explosion", "vac", False)
    assert last[1:] == ("explosion", "vac", True) and last[0] > 10 * (len(values) - 20) + 100


def test_that_the_decoders_objective_counts_what_it_weighs() -> None:
    """A term that rises a hundredfold, from next to nothing, is no explosion; one that outweighs all is."""
    assert heard(course("decoder_game", 20 * [0.001] + 60 * [0.1])) == []
    assert heard(course("decoder_game", 20 * [0.1] + 60 * [5.0]))[0][1:] == (
        "explosion",
        "decoder_game",
        False,
    )


def test_that_an_encoder_that_sees_through_everything_is_told_by_steps_not_logs() -> None:
    for every, at in ((10, 310), (1, 301), (100, 500)):
        values = (100 // every) * [0.5] + (1000 // every) * [0.99] + (500 // every) * [0.7]
        begins, ends = heard(course("fake_reconstructed", values, every))
        assert begins == (at if every != 100 else 400, "game", "fake_reconstructed", False)
        assert ends[1:] == ("game", "fake_reconstructed", True)


@pytest.mark.parametrize("preset_name", ["introvac", "authors", "studio"])
def test_that_a_blind_guess_minimises_the_encoders_side(preset_name: str) -> None:
    """Where pictures tell nothing, one logit answers all: the least of its weighted loss is at that guess."""
    config = preset(preset_name, attributes=("A", "B", "C"))
    loss, share = config.loss, len(config.model.attributes) + 1 if preset_name == "authors" else 1
    logit = torch.linspace(-9, 3, 120001, dtype=torch.float64)
    softplus = torch.nn.functional.softplus
    cost = loss.beta_cl / share * softplus(logit) + 2 * loss.beta_ec * softplus(-logit)
    assert blind_guess(config) == pytest.approx(float(logit[cost.argmin()].sigmoid()), rel=1e-3)


def test_that_a_game_below_a_blind_guess_is_idle_only_after_long() -> None:
    low = blind_guess(PAPER) / 20
    both = [started()]
    both += [log(10 * i, fake_generated=low, fake_reconstructed=low) for i in range(1, 700)]
    (only,) = heard(both)
    assert only[0] == 5010 and only[1] == "game"


def figures(step: int, **values: float) -> events.Validated:
    return events.Validated(step=step, figures={"l1": 0.1, **values})


def test_that_collapse_needs_two_validations_and_ends_with_one() -> None:
    rows: list[events.Event] = [started()]
    shares = [0.05, 1.0, 0.02, 0.0, 0.0, 0.15, 0.9, 0.05, 0.05]
    rows += [figures(i, active=share, diversity=0.5) for i, share in enumerate(shares)]
    assert heard(rows) == [
        (3, "posterior", "active", False),
        (6, "posterior", "active", True),
        (8, "posterior", "active", False),
    ]
    rows = [started()] + [figures(i, diversity=d) for i, d in enumerate([0.1, 0.1, 0.1, 0.18, 0.3])]
    assert heard(rows) == [(1, "diversity", "diversity", False), (4, "diversity", "diversity", True)]


def test_that_lost_steps_are_one_episode_until_a_hundred_good_ones() -> None:
    watch, said = Watch(), []
    for step in range(10, 300, 10):
        said += watch.see(log(step))
        if step in (50, 60, 100):
            said += watch.lost(events.Event(step=step, epoch=1), "kl", 2, 10)
    assert [(a.step, a.kind, a.over) for a in said] == [(50, "not finite", False), (200, "not finite", True)]
    assert (said[0].name, said[0].value) == ("kl", 2)


def test_that_a_resumed_run_remembers_what_was_said() -> None:
    """The second process reads what the first wrote, and says only that it is over."""
    first = course("vac", 12 * [13.0] + 20 * [30.0])
    assert len(heard(first)) == 1
    again = Watch()
    heard(first, again)
    back = [events.Resumed(step=320), *(log(320 + 10 * i, vac=13.0) for i in range(1, 30))]
    assert [a[1:] for a in heard(back, again)] == [("explosion", "vac", True)]


def test_that_rows_after_the_step_of_a_resume_are_void() -> None:
    rows = [started(), log(10), log(20), log(30), events.Resumed(step=20), log(30, vac=1.0)]
    assert [e.step for e in lasting(rows)] == [0, 10, 20, 20, 30]
    assert lasting(rows)[-1].losses["vac"] == 1.0


def test_that_new_weights_of_the_losses_make_new_heights() -> None:
    other = started(with_settings(PAPER, {"beta_ae": 300.0}))
    same = started(with_settings(PAPER, {"learning_rate": 1e-4}))
    before = course("vac", 30 * [13.0])
    after = [log(310 + 10 * i, vac=39.0) for i in range(30)]
    assert heard([*before, other, *after]) == []
    assert len(heard([*before, same, *after])) == 1


def test_that_only_a_complete_run_is_finished() -> None:
    assert heard([events.Finished(step=5, reason="stopped", model="m")]) == []
    assert heard([events.Finished(step=5, reason="completed", model="m")]) == [(5, "finished", "", False)]


def test_that_figures_tell_a_collapsed_model_from_one_that_draws_differently(
    tiny_config: TrainConfig,
) -> None:
    """One decoder that knows one picture, and one whose pictures are as far apart as the real ones."""
    torch.manual_seed(0)
    model = IntroVAC(tiny_config.model).eval()
    x, labels = torch.rand(32, 3, 32, 32), torch.zeros(32, 2)

    class Copies(torch.nn.Module):
        def __init__(self, spread: float) -> None:
            super().__init__()
            self.spread = spread

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            noise = torch.rand(len(z), 3, 32, 32, generator=torch.Generator().manual_seed(1))
            return 0.5 + self.spread * (noise - 0.5)

    class Codes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            mu = torch.zeros(len(x), 8)
            mu[:, 0] = x.flatten(1)[:, 0]  # one dimension of eight, of variance 1/12
            return mu, torch.zeros_like(mu)

    model.encoder = Codes()
    for spread in (0.0, 1.0):
        model.decoder = Copies(spread)
        said = validate(model, [(x[:20], labels[:20]), (x[20:], labels[20:])], tiny_config, Precision("cpu"))
        assert said["diversity"] == pytest.approx(spread, abs=0.02) and said["active"] == 1 / 8
    model.decoder = Copies(float("nan"))
    said = validate(model, [(x, labels)], tiny_config, Precision("cpu"))
    assert "diversity" not in said and said["active"] == 1 / 8
    said = validate(model, [(x[:1], labels[:1])], tiny_config, Precision("cpu"))
    assert "active" not in said  # one picture does not vary
    model.decoder, x = Copies(1.0), x.clone()
    x[0, 0, 0, 0] = float("nan")
    said = validate(model, [(x[1:9], labels[1:9]), (x[:9], labels[:9])], tiny_config, Precision("cpu"))
    assert said["diversity"] > 0 and "active" not in said


def test_that_a_run_carries_its_alerts_and_ends_with_its_end(
    tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """A prior that outweighs everything leaves codes that are all alike."""
    images = select(open_data("avatars:96", 32, "none", workers=1), ("Eyeglasses", "FacialHair"))
    values = {"beta_reg": 3e3, "epochs": 8, "enabled": False, "learning_rate": 1e-2, "lr_milestones": ()}
    config = with_settings(tiny_config, values)
    said = list(Trainer(config, images, tmp_path).train())
    alerts = [e for e in said if isinstance(e, events.Alert)]
    assert "posterior" in [a.kind for a in alerts] and alerts[-1].kind == "finished"
    assert isinstance(said[-1], events.Finished) and said[-2] is alerts[-1]
    assert list(read_events(tmp_path / "events.jsonl")) == said
    assert heard([e for e in said if not isinstance(e, events.Alert)]) == [
        (a.step, a.kind, a.name, a.over) for a in alerts
    ]
