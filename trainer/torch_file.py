"""Read what `torch.save` wrote as plain data; nothing in the file is executed.

A pickle names functions and classes, and a reader calls them: whoever wrote the file decides what runs.
Here names are looked up in one table of inert stand-ins, and any other name is refused. Both formats are
read: the zip archive of torch 1.6 and later, and the older row of pickles followed by raw storages.
Tensors stay on disk until they are asked for.
"""

from __future__ import annotations

import errno
import io
import math
import os
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from trainer.errors import CheckpointError

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of the older format
_VERSION = 1001  # second pickle
_SHOWN = 200  # characters of a file's own text in a message


class Storage(NamedTuple):
    """A row of numbers in the file."""

    key: str
    dtype: torch.dtype
    numel: int


class StoredTensor(NamedTuple):
    """A tensor that is still in the file; `TorchFile.read` gets its values."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


# -- stand-ins ----------------------------------------------------------------------------
# A pickle can hand a state to whatever it holds, these classes included. They ignore it, and
# the other stand-ins (dtypes, built-in types, named tuples) cannot be changed.


class _Dict(dict[Any, Any]):
    __slots__ = ()

    def __setstate__(self, state: object) -> None: ...


class _List(list[Any]):
    __slots__ = ()

    def __setstate__(self, state: object) -> None: ...


def _whole(values: object) -> bool:
    return isinstance(values, tuple) and all(type(v) is int and v >= 0 for v in values)


class _Rebuild:
    """torch._utils._rebuild_tensor_v2, without the tensor."""

    __slots__ = ()

    def __new__(cls, storage: Any, offset: Any, shape: Any, stride: Any, *_: object) -> StoredTensor:  # type: ignore[misc]
        good = isinstance(storage, Storage) and _whole((offset,)) and _whole(shape) and _whole(stride)
        if not good or len(shape) != len(stride):
            raise pickle.UnpicklingError("a tensor without a proper shape")
        return StoredTensor(storage, offset, tuple(shape), tuple(stride))

    def __setstate__(self, state: object) -> None: ...


_STORAGES = {
    "Float": torch.float32,
    "Double": torch.float64,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
_KNOWN: dict[str, Any] = {
    "collections.OrderedDict": _Dict,
    "torch._utils._rebuild_tensor": _Rebuild,
    "torch._utils._rebuild_tensor_v2": _Rebuild,
    "torch.Size": tuple,
    **{f"builtins.{kind.__name__}": kind for kind in (dict, list, tuple, set, frozenset)},
    **{f"{place}.{name}Storage": t for place in ("torch", "torch.cuda") for name, t in _STORAGES.items()},
}
# The containers that the package `sacred` keeps settings in; it has moved them between modules.
_SACRED = {
    "ConfigSummary": _Dict,
    "DogmaticDict": _Dict,
    "DogmaticList": _List,
    "ReadOnlyDict": _Dict,
    "ReadOnlyList": _List,
}
_SAME = {"__builtin__": "builtins", "posix": "os", "nt": "os"}  # names in the older protocols, and of `os`


class _ForeignError(Exception):
    """The file names something that is not in the table."""


class _NotTorchError(Exception):
    """The file does not begin as `torch.save` begins."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, storages: dict[str, Storage]) -> None:
        super().__init__(file)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        path = f"{_SAME.get(module, module)}.{name}"
        known = _SACRED.get(name) if module.startswith("sacred.") else _KNOWN.get(path)
        if known is None:
            raise _ForeignError(path)
        return known

    def persistent_load(self, pid: Any) -> Storage:
        tag, dtype, key, _, numel, *view = pid
        if tag != "storage" or not isinstance(dtype, torch.dtype) or type(key) is not str or any(view):
            raise pickle.UnpicklingError("a storage of an unknown kind")
        if not _whole((numel,)):
            raise pickle.UnpicklingError("a storage without a proper size")
        storage = Storage(key, dtype, numel)
        if self.storages.setdefault(key, storage) != storage:
            raise pickle.UnpicklingError(f"two descriptions of storage {key}")
        return storage


def _unpickle(file: BinaryIO, storages: dict[str, Storage]) -> Any:
    """The next pickle of a file, which is left at its end."""
    start = file.tell()
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name.startswith("EXT"):
            raise _ForeignError(f"extension {argument}")
        # The reader makes room for as many remembered objects as the largest index says.
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > file.tell() - start:
            raise pickle.UnpicklingError("an index beyond the file")
    end = file.tell()
    file.seek(start)
    value = _Unpickler(file, storages).load()
    file.seek(end)
    return value


# -- the two formats ----------------------------------------------------------------------


def _read_zip(archive: zipfile.ZipFile) -> tuple[Any, Callable[[Storage], bytes]]:
    roots = [n.removesuffix("data.pkl") for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"]]
    if len(roots) != 1:
        raise _NotTorchError

    def entry(name: str) -> bytes:
        info = archive.getinfo(roots[0] + name)
        if info.file_size != info.compress_size:  # torch never compresses
            raise zipfile.BadZipFile(f"{info.filename} is compressed")
        return archive.read(info)

    if roots[0] + "byteorder" in archive.namelist() and entry("byteorder") != b"little":
        raise pickle.UnpicklingError("written on a big-endian machine")
    storages: dict[str, Storage] = {}
    content = _unpickle(io.BytesIO(entry("data.pkl")), storages)
    return content, lambda storage: entry(f"data/{storage.key}")


def _read_row(file: BinaryIO, size: int) -> tuple[Any, Callable[[Storage], bytes]]:
    storages: dict[str, Storage] = {}
    try:
        magic = _unpickle(file, storages)
    except _ForeignError:
        raise
    except Exception as error:
        raise _NotTorchError from error
    if type(magic) is not int or magic != _MAGIC:
        raise _NotTorchError
    if (version := _unpickle(file, storages)) != _VERSION:
        raise pickle.UnpicklingError(f"version {version!r} of the format")
    _unpickle(file, storages)  # sizes of C types
    content = _unpickle(file, storages)
    spans: dict[str, tuple[int, int]] = {}
    for key in _unpickle(file, storages):
        numel = int.from_bytes(file.read(8), "little")
        storage = storages[key]
        position, length = file.tell(), numel * storage.dtype.itemsize
        if numel != storage.numel or position + length > size:
            raise pickle.UnpicklingError(f"storage {key} is not whole")
        spans[key] = position, length
        file.seek(length, os.SEEK_CUR)

    def fetch(storage: Storage) -> bytes:
        position, length = spans[storage.key]
        file.seek(position)
        return file.read(length)

    return content, fetch


class TorchFile:
    """An open file.

    Attributes:
        content: what was saved: plain data, with `StoredTensor` in place of tensors.
    """

    def __init__(self, path: Path, content: Any, fetch: Callable[[Storage], bytes]) -> None:
        self.path = path
        self.content = content
        self._fetch = fetch

    def read(self, tensor: StoredTensor) -> Tensor:
        """The values, as a tensor on the CPU that shares memory with nothing.

        Raises:
            CheckpointError: the file does not hold that many.
        """
        storage, offset, shape, stride = tensor
        last = offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        numel = math.prod(shape)
        with _damage(self.path):
            if numel and (last >= storage.numel or numel > storage.numel):
                raise pickle.UnpicklingError("a tensor reaches beyond its storage")
            raw = self._fetch(storage)
            if len(raw) != storage.numel * storage.dtype.itemsize:
                raise pickle.UnpicklingError("a storage is not whole")
            if not numel:
                return torch.empty(shape, dtype=storage.dtype)
            return torch.frombuffer(bytearray(raw), dtype=storage.dtype).as_strided(shape, stride, offset)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Whatever reading makes of a broken file, as one kind of error."""
    try:
        yield
    except _ForeignError as error:
        raise CheckpointError(
            f"{path}: names {str(error)[:_SHOWN]!r}, which is neither a tensor nor plain data, "
            "so reading it could run code; it is not opened"
        ) from error
    except _NotTorchError as error:
        raise CheckpointError(f"{path}: not a file that torch.save wrote") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # a place before the file's beginning
            raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
        what = str(error)[:_SHOWN] or type(error).__name__
        raise CheckpointError(f"{path}: damaged or cut short ({what}); get the file again") from error


@contextmanager
def opened(path: Path) -> Iterator[TorchFile]:
    """Open a file that `torch.save` wrote.

    Raises:
        CheckpointError: missing, broken, not such a file, or one that holds more than tensors and plain data.
    """
    with _damage(path):
        file = path.open("rb")
    with file:
        with _damage(path):
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            is_zip = file.read(len(_ZIP)) == _ZIP
            file.seek(0)
            if is_zip:
                content, fetch = _read_zip(zipfile.ZipFile(file))
            else:
                content, fetch = _read_row(file, size)
        yield TorchFile(path, content, fetch)
