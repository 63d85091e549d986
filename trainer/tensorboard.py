"""A run's events as TensorBoard files, while it trains or afterwards; needs the extra `tensorboard`.

A `Board` is one more reader of the one channel of events: losses, validation figures, step size and speed
become scalars, sample grids images, settings and alerts texts. Records are written at once and in this
thread, by TensorBoard's own classes. A `Resumed` event writes the mark on which readers of the format drop
whatever came before and lies after that step.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from trainer import events, files
from trainer.errors import ConfigError, DataError
from trainer.run_files import EVENTS_FILE, LOCK_FILE, lasting, read_events

log = logging.getLogger("trainer")

FOLDER = "tensorboard"
_MINE = "events.out.tfevents.*.introvac"
_TEXT = "text"  # the plugin that shows texts

Content = float | bytes | str  # a scalar, an encoded image, a text in Markdown


def require() -> None:
    """Make sure, before any work, that the files can be written.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise ConfigError(
            "tensorboard: the package is not installed; pip install 'introvac-studio[tensorboard]', or "
            "train without tensorboard = true and convert the run later"
        )


# -- what events show ---------------------------------------------------------------------------


def _settings(event: events.RunStarted, run: Path) -> Iterator[tuple[str, Content]]:
    rows = {
        "device": event.device,
        "precision": event.precision,
        "parameters": f"{event.parameters:,}",
        "training images": f"{event.train_images:,}",
        "validation images": f"{event.valid_images:,}",
        "steps": f"{event.total_steps:,}",
    }
    for section, values in event.config.items():
        if isinstance(values, dict):
            rows |= {f"{section}.{name}": str(value) for name, value in values.items()}
        else:
            rows[section] = str(values)
    lines = [f"| {name} | {value.replace('|', chr(92) + '|')} |" for name, value in rows.items()]
    yield "settings", "\n".join(["| setting | value |", "| --- | --- |", *lines])


def _losses(event: events.StepLosses, run: Path) -> Iterator[tuple[str, Content]]:
    for name, value in event.losses.items():
        yield f"losses/{name}", value
    yield "progress/learning_rate", event.learning_rate
    yield "progress/images_per_second", event.images_per_second
    yield "progress/memory_bytes", float(event.memory_bytes)


def _figures(event: events.Validated, run: Path) -> Iterator[tuple[str, Content]]:
    for name, value in event.figures.items():
        yield f"validation/{name}", value


def _samples(event: events.SamplesWritten, run: Path) -> Iterator[tuple[str, Content]]:
    path = run / event.path
    try:
        if not path.resolve().is_relative_to(run.resolve()):  # of a run that someone else made up
            log.warning("%s is left out: it is no file of the run", path)
            return
        yield "samples", path.read_bytes()
    except OSError as error:  # tidied away: no fault of the files that are written here
        log.info("%s is left out (%s)", run / event.path, error.strerror)


def _alert(event: events.Alert, run: Path) -> Iterator[tuple[str, Content]]:
    yield f"alerts/{event.kind}", event.text


def _diverged(event: events.Diverged, run: Path) -> Iterator[tuple[str, Content]]:
    yield "alerts/diverged", f"{event.loss}: {event.action}, step size {event.learning_rate:g}"


def _failed(event: events.Failed, run: Path) -> Iterator[tuple[str, Content]]:
    yield "alerts/failed", event.text


_SHOWN: dict[type[events.Event], Callable[[Any, Path], Iterator[tuple[str, Content]]]] = {
    events.RunStarted: _settings,
    events.StepLosses: _losses,
    events.Validated: _figures,
    events.SamplesWritten: _samples,
    events.Alert: _alert,
    events.Diverged: _diverged,
    events.Failed: _failed,
}


# -- the files --------------------------------------------------------------------------------------


def _value(tag: str, content: Content) -> Any:
    """A `Summary.Value` message."""
    from tensorboard.compat.proto import summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

    if isinstance(content, bytes):
        # Width and height stand at fixed places in the first chunk of a PNG.
        width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
        image = summary_pb2.Summary.Image(
            width=width, height=height, colorspace=3, encoded_image_string=content
        )
        return summary_pb2.Summary.Value(tag=tag, image=image)
    if isinstance(content, str):
        one = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING, tensor_shape=one, string_val=[content.encode("utf-8")]
        )
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name=_TEXT)
        metadata = summary_pb2.SummaryMetadata(plugin_data=plugin)
        return summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    return summary_pb2.Summary.Value(tag=tag, simple_value=content)


def _records(event: events.Event, run: Path) -> Iterator[bytes]:
    """What stands for an event in a file."""
    from tensorboard.compat.proto import event_pb2, summary_pb2

    if isinstance(event, events.Resumed):
        mark = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        record = event_pb2.Event(wall_time=event.time, step=event.step + 1, session_log=mark)
        yield record.SerializeToString()
    elif shown := _SHOWN.get(type(event)):
        values = [_value(tag, content) for tag, content in shown(event, run)]
        if values:
            summary = summary_pb2.Summary(value=values)
            record = event_pb2.Event(wall_time=event.time, step=event.step, summary=summary)
            yield record.SerializeToString()


def _write(file: BinaryIO, run: Path, said: Iterable[events.Event]) -> None:
    """A whole file: the version of its format, and events."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    writer = RecordWriter(file)
    if file.tell() == 0:
        version = event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2")
        writer.write(version.SerializeToString())
    for event in said:
        for record in _records(event, run):
            writer.write(record)
    writer.flush()


def _last_step(paths: list[Path]) -> int:
    """Of the newest record of files in the order of their names, -1 where they hold none."""
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto import event_pb2

    for path in reversed(paths):
        last = -1
        for record in RawEventFileLoader(str(path)).Load():  # ends where a record is cut
            event = event_pb2.Event.FromString(record)
            if event.HasField("session_log"):
                last = event.step - 1
            elif not event.HasField("file_version"):
                last = event.step
        if last >= 0:
            return last
    return -1


def _missing(past: Iterable[events.Event], before: list[Path]) -> list[events.Event]:
    """What a run said while nobody wrote it here, after a mark that it goes on where the files end."""
    last = _last_step(before)
    missed = [event for event in past if event.step > last]
    if not missed or last < 0:
        return missed
    first = missed[0]
    return [events.Resumed(time=first.time, step=last, epoch=first.epoch), *missed]


def _name(before: list[Path]) -> str:
    """Of the next file: readers take them in the order of their names."""
    return f"events.out.tfevents.{int(time.time()):010d}.{len(before):04d}.introvac"


def _remove(before: list[Path]) -> None:
    """Delete files; Windows does not while TensorBoard reads them."""
    for path in before:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be removed ({error.strerror}); close TensorBoard and try again"
            ) from error


class Board:
    """Writes a run's events as they come. What goes wrong after the start ends it, and never the run.

    Args:
        run: the run directory; files go to its folder `tensorboard`.
        past: what a resumed run has said so far; what files lack of it is written first. None for a new run,
            of which older files are no part.

    Raises:
        ConfigError: TensorBoard is not installed.
        DataError, RunError: the folder or file cannot be made, or an older one not removed.
    """

    def __init__(self, run: Path, past: Iterable[events.Event] | None) -> None:
        require()
        self._run = run
        folder = run / FOLDER
        files.make_directory(folder)
        before = sorted(folder.glob(_MINE))
        if past is None:
            _remove(before)
        self._path = folder / _name(before)
        try:
            self._file: BinaryIO | None = self._path.open("xb")
            try:
                _write(self._file, run, [] if past is None else _missing(past, before))
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise files.write_error(self._path, error) from error

    def see(self, event: events.Event) -> list[events.Event]:
        """Write an event; a notice if it cannot be written, with which all writing here ends."""
        if self._file is None:
            return []
        try:
            _write(self._file, self._run, [event])
        except Exception as error:  # whatever it is: curves beside a run are not worth the run
            self.close()
            reason = getattr(error, "strerror", None) or error
            text = (
                f"{self._path}: cannot be written ({reason}); the run goes on without TensorBoard files. "
                f"`introvac tensorboard --run {self._run}` makes them later"
            )
            return [events.Notice(step=event.step, epoch=event.epoch, level="warning", text=text)]
        return []

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:  # what was still to be written is lost, and the notice says so
                log.debug("%s: %s", self._path, error)


def convert(run: Path) -> Path:
    """Write the events of a run so far as one file, in place of those that are there; gives the file.

    Raises:
        ConfigError: no run is there, TensorBoard is not installed, or the run is in training.
        DataError, RunError: the file cannot be written.
    """
    require()
    if not (run / EVENTS_FILE).is_file():
        raise ConfigError(f"{run} holds no {EVENTS_FILE}; name the directory of a run")
    with files.held(run / LOCK_FILE, f"{run}: another process is training this run"):
        folder = run / FOLDER
        files.make_directory(folder)
        before = sorted(folder.glob(_MINE))
        path = folder / _name(before)
        with files.atomic_file(path) as file:
            _write(file, run, lasting(read_events(run / EVENTS_FILE)))
        _remove(before)
    return path


def command(args: Namespace) -> None:
    """`introvac tensorboard`."""
    path = convert(Path(args.run))
    log.info("%s; look at it with: tensorboard --logdir %s", path, os.fspath(path.parent))
