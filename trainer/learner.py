"""The networks in training with their optimisers, and single steps on them; knows no run and no schedule."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainer import checkpoint
from trainer.average import Average
from trainer.config import TrainConfig
from trainer.device import precision
from trainer.distributed import Group
from trainer.errors import ConfigError
from trainer.models import IntroVAC
from trainer.schedule import derived_seed
from trainer.steps import Optimisers, Stepped, introvac_step, vac_step


class Learner:
    """What learns.

    Args:
        config: the resolved settings.
        device: where it computes.
        group: the processes that share each batch.

    Attributes:
        model: the weights in training.
        average: their moving average, None without `ema_decay`.
        shown: what is validated, shown and saved: the weights in training, their average, or a plain float32
            copy; `refresh` first.
        optimisers, precision: of the steps.

    Raises:
        ConfigError: `sync_norm` where the device has none.
    """

    def __init__(self, config: TrainConfig, device: torch.device, group: Group) -> None:
        self._config, self._device, self._group = config, device, group
        self.precision = precision(device, config.loop.precision)
        joint = config.loop.sync_norm and group.several
        if joint and device.type != "cuda":
            raise ConfigError("sync_norm = True: needs CUDA; on other devices use norm = group")
        torch.manual_seed(derived_seed(config.loop.seed, 0))
        model = IntroVAC(config.model).to(device)
        if self.precision.dtype == torch.float64:
            model.double()
        group.spread_([p.detach() for p in model.parameters()])
        shown = copy.deepcopy(model).float()
        if joint:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        self.model = model
        decay = config.optim.ema_decay
        self.average = Average(shown, decay) if decay else None
        apart = decay or joint or self.precision.dtype == torch.float64
        self.shown = shown if apart else model
        self.optimisers = self._optimisers()

    def _optimisers(self) -> Optimisers:
        optim = self._config.optim
        kinds: dict[str, Any] = {"lr": optim.learning_rate, "weight_decay": optim.weight_decay}
        if self._device.type in ("cpu", "cuda"):
            kinds["fused"] = True
        learners = [*self.model.encoder.parameters(), *self.model.classifier.parameters()]
        return Optimisers(
            torch.optim.Adam(learners, **kinds), torch.optim.Adam(self.model.decoder.parameters(), **kinds)
        )

    @property
    def averaged(self) -> IntroVAC | None:
        """The model that the moving average is kept in."""
        return self.average.model if self.average else None

    def refresh(self) -> IntroVAC:
        """The network to validate, show and save, with its weights up to date."""
        if self.average is None and self.shown is not self.model:
            self.shown.load_state_dict(self.model.state_dict())
        self.shown.game_played = self.model.game_played
        return self.shown

    def set_rate(self, rate: float) -> None:
        """Let the optimisers go on with this step size."""
        for optimiser in self.optimisers.both():
            for group in optimiser.param_groups:
                group["lr"] = rate

    def step(
        self, x: Tensor, labels: Tensor, at: int, game: bool, unwanted: Callable[[], bool] | None = None
    ) -> Stepped:
        """One step on this process's part of a batch; its noise follows from `at`, the steps before it.

        Raises:
            AbandonedError: `unwanted`, asked until something would change, said so.
        """
        dtype = torch.promote_types(self.precision.dtype, torch.float32)
        noise, z_g = self._noise(at, len(x)).to(dtype)
        stepped = self._step(self.optimisers, x.to(dtype), labels, noise, z_g, game, unwanted)
        self.model.game_played |= game
        return stepped

    def follow(self, step: int, finite: Tensor) -> None:
        """Let the moving average take in what the last of so many steps did."""
        if self.average is not None:
            self.average.follow(self.model, step, finite)

    def _step(
        self,
        optimisers: Any,
        x: Tensor,
        labels: Tensor,
        noise: Tensor,
        z_g: Tensor,
        game: bool,
        unwanted: Callable[[], bool] | None = None,
    ) -> Stepped:
        loss, reduce = self._config.loss, self._group.mean_ if self._group.several else None
        common = (self.model, optimisers, x, labels, noise)
        if game:
            first = len(x) * self._group.place.rank
            rules = self._config.game
            return introvac_step(*common, z_g, loss, self.precision, rules, reduce, first, unwanted)
        return vac_step(*common, loss, self.precision, reduce, unwanted)

    def _noise(self, step: int, rows: int) -> Tensor:
        """(2, rows, d): this process's part of what the step needs, whatever the number of processes."""
        generator = torch.Generator(self._device).manual_seed(derived_seed(self._config.loop.seed, 2, step))
        shape = (2, rows * self._group.place.world, self._config.model.latent_dim)
        noise = torch.randn(shape, generator=generator, device=self._device)
        first = rows * self._group.place.rank
        return noise[:, first : first + rows]

    def fitting(self, x: Tensor, labels: Tensor) -> int | None:
        """The largest half, quarter, ... of the batch whose step fits; weights stay as they are."""
        if self._group.several:
            return None  # the others wait in the midst of their step
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        for shift in itertools.count(1):
            rows = len(x) >> shift
            if rows < 2:
                return None
            try:
                noise = torch.zeros(rows, self._config.model.latent_dim, dtype=x.dtype, device=x.device)
                pretence = Optimisers(_Still(), _Still())  # type: ignore[arg-type]
                self._step(pretence, x[:rows], labels[:rows], noise, noise, game=self._config.game.enabled)
                return rows
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
        return None

    def first_not_finite(self) -> str | None:
        """A weight or moment that is NaN or infinite; one host sync."""
        named = [(name, p.detach()) for name, p in self.model.named_parameters()]
        owners: dict[Tensor, str] = {p: name for name, p in self.model.named_parameters()}
        for optimiser in self.optimisers.both():
            for p, slots in optimiser.state.items():
                named += [(f"{slot} of {owners[p]}", slots[slot]) for slot in ("exp_avg", "exp_avg_sq")]
        return checkpoint.first_not_finite(named)


class _Still:
    """An optimiser that changes nothing."""

    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> None: ...


def out_of_memory(error: BaseException) -> bool:
    """Whether a step failed for want of memory; only CUDA has an error of its own for that."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return any(text in str(error) for text in ("allocate memory", "not enough memory", "out of memory"))
