"""What an evaluation is asked for, and which judges there are for a model. No torch, no widgets."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from introvac_studio.language import tr
from trainer import config, files, modelfile, run_names
from trainer.card import ModelCard
from trainer.config import ModelConfig
from trainer.data.avatars import ATTRIBUTES
from trainer.errors import CheckpointError, IntroVACError
from trainer.run_files import CONFIG_FILE, MODEL_FILE

AVATARS = "avatars:4000"  # where a model's own data are avatars, or nothing is known
JUDGE_FACES = 4000  # that a judge learns from, at most
_KINDS = ("avatars", "celeba", "folder")


@dataclass(frozen=True)
class Subject:
    """A model that may be evaluated: its file or run directory, what is read, and what that says."""

    path: Path
    file: Path
    config: ModelConfig
    card: ModelCard

    @property
    def name(self) -> str:
        return self.card.name or (self.path.name if files.is_dir(self.path) else self.path.stem)


def subject(path: Path, copy: Path | None = None) -> Subject:
    """Read the description of a model file, or of the newest weights of a run.

    Args:
        copy: what to read in its place.

    Raises:
        CheckpointError: there is no model, or it is broken.
    """
    file = copy or (path / MODEL_FILE if files.is_dir(path) else path)
    if files.is_dir(path) and not files.is_file(file):
        raise CheckpointError(f"{path}: holds no {MODEL_FILE} yet; it gets one at the end of its first epoch")
    header = modelfile.read_header(file)
    try:
        shape = config.model_from_dict(header["config"])
    except (IntroVACError, KeyError, TypeError) as error:
        raise CheckpointError(f"{file}: no model that can be evaluated ({error})") from error
    return Subject(path, file, shape, modelfile.read_card(file))


def data_of(path: Path, card: ModelCard) -> str:
    """The data that a model learned from, as far as it can be told; empty where it cannot."""
    folder = path if files.is_dir(path) else path.parent
    try:
        return config.load(folder / CONFIG_FILE).data.data
    except IntroVACError:
        return AVATARS if card.data.startswith("avatars") else ""


def kind_of(data: str) -> str:
    """`avatars`, `celeba`, `folder` or `cache`."""
    kind = data.partition(":")[0]
    return kind if kind in _KINDS else "cache"


@dataclass(frozen=True)
class EvaluationRequest:
    """What to measure: what the command line would be told.

    Attributes:
        model, against: files or run directories.
        data: as the command line takes it.
        out: the folder for results.
        count: faces of the reported split, at most.
        judge: its file; None for none.
        features: of distances; empty for all that can be opened.
        only: sections; empty for all.
        weights: of Inception; None for those that are downloaded.
        device: as `trainer.device.resolve` takes it.
    """

    model: Path
    data: str
    out: Path
    against: Path | None = None
    count: int = 400
    judge: Path | None = None
    features: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    weights: Path | None = None
    device: str = "auto"

    def arguments(self) -> list[str]:
        """Flags of `python -m trainer evaluate`."""
        flags = ["--model", str(self.model), "--data", self.data, "--out", str(self.out)]
        flags += ["--count", str(self.count), "--device", self.device]
        for name, path in (("--against", self.against), ("--judge", self.judge), ("--weights", self.weights)):
            flags += [name, str(path)] if path is not None else []
        flags += ["--features", ",".join(self.features)] if self.features else []
        return flags + (["--only", ",".join(self.only)] if self.only else [])


@dataclass(frozen=True)
class JudgeRequest:
    """A judge to train: what the command line would be told."""

    data: str
    image_size: int
    crop: str
    attributes: tuple[str, ...]
    out: Path
    derive: tuple[str, ...] = ()
    max_images: int = JUDGE_FACES
    epochs: int = 8
    device: str = "auto"

    def arguments(self) -> list[str]:
        """Flags of `python -m trainer judge`."""
        flags = ["--data", self.data, "--image-size", str(self.image_size), "--crop", self.crop]
        flags += ["--attributes", ",".join(self.attributes), "--out", str(self.out)]
        for text in self.derive:
            flags += ["--derive", text]
        flags += ["--max-images", str(self.max_images), "--epochs", str(self.epochs)]
        return [*flags, "--device", self.device]


def judge_folder() -> Path:
    """Where the studio keeps the judges that it trained."""
    return Path(platformdirs.user_data_dir("introvac-studio", appauthor=False)) / "judges"


def suggestion(model: Subject, data: str, folder: Path, device: str = "auto") -> JudgeRequest:
    """A judge for a model and its data.

    One of avatars learns from at least `JUDGE_FACES` of them, however few are evaluated; faces of the
    reported split stay apart, because a face's split does not depend on how many there are. The file
    has a name that is free in `folder`: a judge that is there may be another model's.
    """
    names, kind = model.config.attributes, kind_of(data)
    if kind == "avatars":
        _, _, rest = data.partition(":")
        count, _, seed = rest.partition(":")
        faces = max(JUDGE_FACES, int(count) if count.isdecimal() else 0)
        data = f"avatars:{faces}" + (f":{seed}" if seed else "")
        names = (*names, *(name for name in ATTRIBUTES if name not in names))
    place = kind if kind in ("avatars", "celeba") else Path(data.partition(":")[2] or data).name
    place = run_names.plain(place) or "data"
    stem = f"{place}-{model.config.image_size}-{model.config.crop}"
    out, n = folder / f"{stem}.safetensors", 1
    while files.exists(out):
        n += 1
        out = folder / f"{stem}-{n}.safetensors"
    shape = model.config
    return JudgeRequest(data, shape.image_size, shape.crop, names, out, model.card.derive, device=device)


@dataclass(frozen=True)
class JudgeFile:
    """A judge on disk, and what it says about itself."""

    path: Path
    image_size: int
    crop: str
    attributes: tuple[str, ...]
    data: str

    def fits(self, model: Subject) -> bool:
        """Whether it sees pictures as the model does, and knows one of its attributes."""
        square = ("none", "square")
        shape = model.config
        same = self.crop == shape.crop or (self.crop in square and shape.crop in square)
        return (
            same
            and self.image_size == shape.image_size
            and bool(set(self.attributes) & set(shape.attributes))
        )

    @property
    def title(self) -> str:
        """A few words for a list."""
        kind = kind_of(self.data)
        data = {"avatars": "avatars", "celeba": "CelebA"}.get(kind, self.path.stem)
        return tr("{data} · {size} px", data=data, size=self.image_size)


def read_judge(path: Path) -> JudgeFile:
    """The description of a judge's file.

    Raises:
        CheckpointError: it is missing, broken, or no judge.
    """
    header = modelfile.read_header(path)
    if header.get("kind") != "judge":
        raise CheckpointError(f"{path}: is no judge, but a {header.get('kind', 'file')}; train one first")
    try:
        shape, card = dict(header["config"]), dict(header["card"])
        names = tuple(str(name) for name in shape["attributes"])
        return JudgeFile(path, int(shape["image_size"]), str(shape["crop"]), names, str(card["data"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: its description is of another version ({error})") from error


def judges_in(folder: Path) -> list[JudgeFile]:
    """The judges of a folder, the newest first; files that are none are left out."""
    found: list[tuple[float, JudgeFile]] = []
    for path in folder.glob("*.safetensors"):
        try:
            found.append((path.stat().st_mtime, read_judge(path)))
        except (IntroVACError, OSError):
            continue
    return [judge for _, judge in sorted(found, key=lambda pair: -pair[0])]


def default_out(root: Path, name: str, today: datetime.date) -> Path:
    """The first free `<root>/<name>-<date>-<n>`, in letters that every file system takes."""
    first = root / f"{run_names.plain(name) or 'model'}-{today:%Y%m%d}-1"
    return run_names.next_free(first) if files.exists(first) else first
