"""What in a run deserves a look, as a function of its events: said once when it begins, and once when over.

A `Watch` sees the events of a run, live or read back from `events.jsonl`, and needs nothing else.

* *not finite* begins at a step that changed nothing because a loss or gradient was NaN or infinite, and is
  over after 100 steps without one.
* *explosion* begins when `vac`, or what the decoder minimises in the game, has been at twice its lowest so
  far for 50 steps, and is over after 100 steps below 1.5 times. Both are medians of three logs.
* *game* begins when the encoder has given one kind of decoded pictures 95 % on *fake* for 200 steps, and is
  over after 100 steps below 90 %. Or else when it has given both kinds less than a tenth of a blind guess
  (`blind_guess`) for 5,000 steps, and is over after 100 steps above a fifth.
* *posterior* begins with two validations in a row with less than a tenth of the latent dimensions in use, and
  is over with one that has a fifth.
* *diversity* begins with two validations in a row that find draws from the prior less than 0.15 times as far
  apart as real pictures, and is over with one that finds 0.2.
* *finished* is said of a complete run.

What these limits were measured on: docs/training.md.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass

from trainer import config as config_module
from trainer import events
from trainer.config import TrainConfig
from trainer.errors import ConfigError

EXPLODED, SETTLED = 2.0, 1.5  # times the lowest so far
SEEN_THROUGH, UNSURE = 0.95, 0.9  # probability of fake
IDLE, BUSY = 0.1, 0.2  # of a blind guess
FEW_ACTIVE, SOME_ACTIVE = 0.1, 0.2  # share of latent dimensions
ALIKE, APART = 0.15, 0.2  # of the distance between real pictures
CALM = 100  # steps that end an episode
_SMOOTH = 3  # logs
_FAKES = ("fake_generated", "fake_reconstructed")


def blind_guess(config: TrainConfig) -> float:
    """The probability of *fake* that minimises the encoder's side of the game where fakes cannot be told.

    Real pictures weigh b_CL (over K + 1 where the cross entropy is a mean), the two kinds of decoded
    ones b_EC each. With the paper's weights that is 0.002: far below 1/2, and no sign of a game lost.
    """
    loss = config.loss
    real = loss.beta_cl * loss.fake_on_real
    if loss.bce_reduction == "mean":
        real /= len(config.model.attributes) + 1
    fakes = 2 * loss.beta_ec
    return fakes / (real + fakes) if fakes else 0.0


def objectives(losses: dict[str, float], config: TrainConfig | None) -> dict[str, float]:
    """What the two players minimise, by the name of the loss that an explosion is told of."""
    found = {}
    if "vac" in losses:
        found["vac"] = losses["vac"]
        if "decoder_game" in losses and config is not None:
            found["decoder_game"] = losses["vac"] + config.loss.beta_g * losses["decoder_game"]
    return found


@dataclass
class _Episode:
    """Begins and ends after readings in a row, over so many steps; in between a reading may be neither.

    Attributes:
        begins, ends: (steps from the first such reading to the last, least number of readings).
        on: whether it goes on.
    """

    begins: tuple[int, int]
    ends: tuple[int, int]
    on: bool = False
    _count: int = 0
    _since: int = 0

    def forget(self) -> None:
        """Readings so far count no more towards a change."""
        self._count = 0

    def take(self, step: int, bad: bool, good: bool) -> bool:
        """One reading; whether the episode begins or is over with it."""
        if not (good if self.on else bad):
            self._count = 0
            return False
        if not self._count:
            self._since = step
        self._count += 1
        steps, readings = self.ends if self.on else self.begins
        if self._count < readings or step - self._since < steps:
            return False
        self.on, self._count = not self.on, 0
        return True


class _Rise:
    """How far a loss is above its lowest, both smoothed."""

    def __init__(self) -> None:
        self.lowest: float | None = None
        self.recent: deque[float] = deque(maxlen=_SMOOTH)

    def take(self, value: float) -> float:
        self.recent.append(value)
        if len(self.recent) < _SMOOTH:
            return 1.0
        now = statistics.median(self.recent)
        self.lowest = now if self.lowest is None else min(self.lowest, now)
        return now / self.lowest if self.lowest > 0 else 1.0


class Watch:
    """Sees a run's events in order and says what is to be alerted."""

    def __init__(self) -> None:
        self._config: TrainConfig | None = None
        self._rises: dict[str, _Rise] = {}
        self._exploded = _Episode((50, 3), (CALM, 3))
        self._won, self._idle = _Episode((200, 3), (CALM, 3)), _Episode((5000, 3), (CALM, 3))
        self._posterior, self._diversity = _Episode((0, 2), (0, 1)), _Episode((0, 2), (0, 1))
        self._lost_at: int | None = None  # step of the last loss of an update, while that is an episode

    def see(self, event: events.Event) -> list[events.Alert]:
        """What this event gives cause to say; an alert among the events is remembered, not repeated."""
        if isinstance(event, events.StepLosses):
            return self._losses(event)
        if isinstance(event, events.Validated):
            return self._figures(event)
        if isinstance(event, events.RunStarted):
            self._start(event)
        elif isinstance(event, events.Resumed):
            self._forget()
        elif isinstance(event, events.Alert) and event.kind == "not finite":
            self._lost_at = None if event.over else event.step
        elif isinstance(event, events.Finished) and event.reason == "completed" and event.step:
            return [_alert(event, "finished", f"training is complete after {event.step:,} steps")]
        return []

    def lost(self, at: events.Event, culprit: str, skipped: int, steps: int) -> list[events.Alert]:
        """Of the last steps some changed nothing, which no other event tells."""
        known, self._lost_at = self._lost_at is not None, at.step
        if known:
            return []
        text = (
            f"{skipped} of the last {steps} steps changed nothing: {culprit} was not a finite number. "
            "If that goes on, the run ends; a lower learning_rate or precision = fp32 avoids it"
        )
        return [_alert(at, "not finite", text, culprit, skipped)]

    def _start(self, event: events.RunStarted) -> None:
        try:
            config = config_module.from_dict(event.config)
        except ConfigError:  # of another version: what needs settings is not watched
            config = None
        if config is None or self._config is None or config.loss != self._config.loss:
            self._rises = {}  # other weights, other heights
        self._config = config
        self._forget()

    def _forget(self) -> None:
        """Rows that are void, or came before a pause of unknown length, count no more."""
        for rise in self._rises.values():
            rise.recent.clear()
        for episode in (self._exploded, self._won, self._idle, self._posterior, self._diversity):
            episode.forget()

    def _losses(self, event: events.StepLosses) -> list[events.Alert]:
        said = []
        if self._lost_at is not None and event.step - self._lost_at >= CALM:
            self._lost_at = None
            said.append(_alert(event, "not finite", f"{CALM} steps in a row were finite again", over=True))
        return said + self._explosion(event) + self._game(event)

    def _explosion(self, event: events.StepLosses) -> list[events.Alert]:
        values = objectives(event.losses, self._config)
        ratios = {name: self._rises.setdefault(name, _Rise()).take(value) for name, value in values.items()}
        if not ratios:
            return []
        name = max(ratios, key=lambda key: ratios[key])
        most = ratios[name]
        if not self._exploded.take(event.step, most > EXPLODED, most < SETTLED):
            return []
        what = "the VAC loss" if name == "vac" else "what the decoder minimises"
        cure = "a lower learning_rate"
        if "decoder_game" in values:
            cure += ", or a lower beta_ec or beta_g,"
        text = (
            f"{what} is {most:.1f} times its lowest so far, and training goes backwards; {cure} steadies it"
            if self._exploded.on
            else f"losses are back, {most:.1f} times their lowest"
        )
        shown = event.losses[name]
        return [_alert(event, "explosion", text, name, shown, over=not self._exploded.on)]

    def _game(self, event: events.StepLosses) -> list[events.Alert]:
        shares = {name: event.losses[name] for name in _FAKES if name in event.losses}
        if len(shares) < len(_FAKES):
            return []
        said = []
        name = max(shares, key=lambda key: shares[key])
        most, kind = shares[name], name.removeprefix("fake_")
        if self._won.take(event.step, most > SEEN_THROUGH, most < UNSURE):
            text = (
                f"the encoder sees through all {kind} pictures (fake {most:.1%}), and the decoder no longer "
                "finds what would pass; lower beta_ec, or raise beta_g"
                if self._won.on
                else f"decoded pictures pass again (fake {most:.1%} at most)"
            )
            said.append(_alert(event, "game", text, name, most, over=not self._won.on))
        blind = blind_guess(self._config) if self._config else 0.0
        if self._idle.take(event.step, most < IDLE * blind, most > BUSY * blind):
            text = (
                f"the encoder takes all decoded pictures for real (fake {most:.2g}; a blind guess is "
                f"{blind:.2g}), and the game teaches nothing; raise beta_ec"
                if self._idle.on
                else f"the encoder tells decoded pictures again (fake {most:.2g})"
            )
            said.append(_alert(event, "game", text, name, most, over=not self._idle.on))
        return said

    def _figures(self, event: events.Validated) -> list[events.Alert]:
        said = []
        share = event.figures.get("active", math.nan)
        if self._posterior.take(event.step, share < FEW_ACTIVE, share >= SOME_ACTIVE):
            text = (
                f"{share:.0%} of the latent dimensions are in use, and codes hardly depend on the picture; "
                "lower beta_reg"
                if self._posterior.on
                else f"{share:.0%} of the latent dimensions are in use again"
            )
            said.append(_alert(event, "posterior", text, "active", share, over=not self._posterior.on))
        apart = event.figures.get("diversity", math.nan)
        if self._diversity.take(event.step, apart < ALIKE, apart >= APART):
            text = (
                f"pictures drawn from the prior are {apart:.2f} times as far apart as real ones, and look "
                "alike; go back to an earlier checkpoint, with a lower beta_reg or beta_g"
                if self._diversity.on
                else f"pictures drawn from the prior are {apart:.2f} times as far apart as real ones again"
            )
            said.append(_alert(event, "diversity", text, "diversity", apart, over=not self._diversity.on))
        return said


def _alert(
    at: events.Event, kind: str, text: str, name: str = "", value: float | None = None, over: bool = False
) -> events.Alert:
    return events.Alert(step=at.step, epoch=at.epoch, kind=kind, text=text, name=name, value=value, over=over)
