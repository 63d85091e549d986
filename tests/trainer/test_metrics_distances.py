"""Frechet and kernel distance: known answers, invariances, intervals."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.errors import Cancelled, ConfigError, DataError
from trainer.metrics import comparison, distances, intervals
from trainer.metrics.distances import Moments
from trainer.metrics.protocol import ProtocolCard


def rows(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim))


def with_moments(count: int, mean: np.ndarray, covariance: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rows whose sample mean and covariance are exactly these."""
    x = rows(count, len(mean), seed)
    x -= x.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    white = x @ (vectors / np.sqrt(values)) @ vectors.T
    values, vectors = np.linalg.eigh(covariance)
    return white @ (vectors * np.sqrt(values)) @ vectors.T + mean


def slow_mmd2(x: np.ndarray, y: np.ndarray) -> float:
    def k(u: np.ndarray, v: np.ndarray) -> float:
        return (sum(a * b for a, b in zip(u, v, strict=True)) / len(u) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return xx + yy - 2 * sum(k(u, v) for u in x for v in y) / (n * m)


# -- Frechet ------------------------------------------------------------------------------


def test_that_gaussians_on_the_same_axes_are_as_far_apart_as_the_formula_says() -> None:
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 16.0])
    x = with_moments(50, np.zeros(3), np.diag(a), 1)
    y = with_moments(70, np.array([1.0, 2.0, -2.0]), np.diag(b), 2)
    expected = 9.0 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    assert distances.frechet_distance(x, y) == pytest.approx(expected, abs=1e-9)


def test_that_covariances_on_other_axes_agree_with_the_square_root_of_their_product() -> None:
    p, q = rows(4, 4, 1), rows(4, 4, 2)
    first, second = p @ p.T + np.eye(4), q @ q.T + np.eye(4)
    x, y = with_moments(40, np.zeros(4), first, 3), with_moments(40, np.ones(4), second, 4)
    root = np.sqrt(np.linalg.eigvals(first @ second).real).sum()
    expected = 4.0 + np.trace(first) + np.trace(second) - 2 * root
    assert distances.frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [12, 200])
def test_that_a_set_is_at_no_distance_from_itself(count: int) -> None:
    x = rows(count, 40) * 10 + 1000
    assert distances.frechet_distance(x, x) == pytest.approx(0, abs=1e-7)


def test_that_the_distance_is_the_same_in_both_directions_and_in_any_order() -> None:
    x, y = rows(60, 20, 1), rows(45, 20, 2) * 1.5 + 0.3
    expected = distances.frechet_distance(x, y)
    assert distances.frechet_distance(y, x) == pytest.approx(expected, rel=1e-9)
    mixed = np.random.default_rng(3).permutation(x)
    assert distances.frechet_distance(mixed, y) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [15, 90])
def test_that_rows_and_moments_give_the_same_distance_with_few_and_many_pictures(count: int) -> None:
    x, y = rows(count, 30, 1), rows(count + 5, 30, 2) + 0.5
    assert distances.frechet_of_rows(x, y) == pytest.approx(distances.frechet_distance(x, y), rel=1e-9)


def test_that_moments_in_parts_are_those_of_the_whole_far_from_zero() -> None:
    x = rows(101, 6) + 1e6
    parts, other = Moments(6), Moments(6)
    parts.add(x[:1])
    parts.add(x[1:1])
    parts.add(x[1:40])
    other.add(x[40:])
    parts.merge(other)
    assert parts.count == 101
    np.testing.assert_allclose(parts.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(parts.covariance, np.cov(x, rowvar=False), rtol=1e-7, atol=1e-9)


def test_that_float32_features_lose_nothing_in_the_sums() -> None:
    x = (rows(9000, 3) + 300).astype(np.float32)
    np.testing.assert_allclose(
        Moments.of(x).covariance, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-9
    )


def test_that_few_pictures_make_the_distance_too_large_and_a_warning_says_so() -> None:
    few = distances.frechet_distance(rows(30, 20, 1), rows(30, 20, 2))
    many = distances.frechet_distance(rows(3000, 20, 1), rows(3000, 20, 2))
    assert few > 20 * many
    assert "singular" in distances.too_few(20, 20)
    assert "poorly known" in distances.too_few(99, 20) and "99 pictures" in distances.too_few(99, 20)
    assert distances.too_few(100, 20) == ""


@pytest.mark.parametrize(
    ("x", "y", "what"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least 2"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "3 and 4"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "NaN"),
        (np.zeros(5), np.zeros((5, 3)), "shape"),
    ],
)
def test_that_features_without_a_distance_are_refused(x: np.ndarray, y: np.ndarray, what: str) -> None:
    for distance in (distances.frechet_distance, distances.mmd2, distances.kernel_distance):
        with pytest.raises(DataError, match=what):
            distance(x, y)


# -- kernel -------------------------------------------------------------------------------


def test_that_the_kernel_distance_is_the_sum_written_out() -> None:
    x, y = rows(7, 3, 1), rows(9, 3, 2) * 2 + 1
    assert distances.mmd2(x, y) == pytest.approx(slow_mmd2(x, y), rel=1e-12)


def test_that_the_kernel_distance_of_one_source_is_zero_on_average() -> None:
    values = [distances.mmd2(rows(20, 5, 2 * i), rows(20, 5, 2 * i + 1)) for i in range(400)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0


def test_that_subsets_average_to_the_distance_of_all_and_know_their_error() -> None:
    x, y = rows(400, 4, 1), rows(400, 4, 2) + 0.5
    found = distances.kernel_distance(x, y, subsets=200, subset_size=1000, seed=1)
    assert (found.subsets, found.subset_size) == (200, 200)
    assert found.value == pytest.approx(distances.mmd2(x, y), abs=4 * found.spread / np.sqrt(200))
    again = [distances.mmd2(rows(400, 4, 10 + i), rows(400, 4, 500 + i) + 0.5) for i in range(100)]
    assert found.error == pytest.approx(np.std(again), rel=0.35)


def test_that_one_seed_gives_one_kernel_distance() -> None:
    x, y = rows(50, 4, 1), rows(50, 4, 2)
    assert distances.kernel_distance(x, y, 5, 10, seed=3) == distances.kernel_distance(x, y, 5, 10, seed=3)
    assert distances.kernel_distance(x, y, 5, 10, seed=3) != distances.kernel_distance(x, y, 5, 10, seed=4)


# -- intervals ----------------------------------------------------------------------------


def test_that_frechet_intervals_hold_the_distance_expected_at_that_number() -> None:
    sets = [(rows(80, 3, 1000 + i), rows(80, 3, 2000 + i) * 1.3 + 0.6) for i in range(120)]
    expected = np.mean([distances.frechet_distance(x, y) for x, y in sets])
    found = [
        intervals.frechet_interval(x, y, resamples=60, level=0.9, seed=i) for i, (x, y) in enumerate(sets)
    ]
    held = np.mean([i.low <= expected <= i.high for i in found])
    assert 0.82 <= held <= 0.97


def test_that_kernel_intervals_hold_the_true_distance() -> None:
    sets = [(rows(60, 3, 1000 + i), rows(60, 3, 2000 + i) + 0.7) for i in range(150)]
    expected = np.mean([distances.mmd2(x, y) for x, y in sets])
    found = [
        intervals.kernel_interval(x, y, resamples=200, level=0.9, seed=i) for i, (x, y) in enumerate(sets)
    ]
    held = np.mean([i.low <= expected <= i.high for i in found])
    assert 0.82 <= held <= 0.97


def test_that_pairs_are_drawn_together() -> None:
    x = rows(60, 4)
    apart = intervals.frechet_interval(x, x + 0.5, resamples=40)
    together = intervals.frechet_interval(x, x + 0.5, paired=True, resamples=40)
    assert together.high - together.low < 1e-6 < apart.high - apart.low
    with pytest.raises(DataError, match="pairs"):
        intervals.frechet_interval(x, x[:-1], paired=True)
    with pytest.raises(DataError, match="pairs"):
        intervals.kernel_interval(x, x[:-1], paired=True)


def test_that_measuring_tells_its_progress_and_stops_when_asked() -> None:
    x, y = rows(20, 3, 1), rows(20, 3, 2)
    seen: list[tuple[int, int]] = []
    intervals.frechet_interval(x, y, resamples=3, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(Cancelled):
        intervals.frechet_interval(x, y, resamples=50, cancelled=lambda: True)


@pytest.mark.parametrize(("level", "resamples"), [(0.0, 10), (1.0, 10), (0.95, 1)])
def test_that_an_impossible_interval_is_refused(level: float, resamples: int) -> None:
    x = rows(10, 2)
    for interval in (intervals.frechet_interval, intervals.kernel_interval):
        with pytest.raises(DataError, match=r"level|resamples"):
            interval(x, x, level=level, resamples=resamples)


# -- both together ------------------------------------------------------------------------


def test_that_real_against_real_uses_disjoint_sets_of_the_wanted_size() -> None:
    pool = rows(100, 5)
    assert comparison.real_against_real(pool, 30).count == 30
    halves = comparison.real_against_real(pool, 80, repeats=3)
    assert halves.count == 50 and halves.repeats == 3 and halves.frechet > 0
    with pytest.raises(DataError, match="needs 8"):
        comparison.real_against_real(rows(7, 2), 3)


def test_that_a_comparison_carries_what_is_needed_to_read_it() -> None:
    x, y = rows(60, 20, 1), rows(50, 20, 2) + 1
    found = comparison.compare_sets(x, y, pool=rows(100, 20, 3), resamples=10)
    assert found.frechet == pytest.approx(distances.frechet_distance(x, y))
    assert found.frechet_interval is not None
    assert found.frechet_interval.low < found.frechet < found.frechet_interval.high
    assert found.kernel_interval.low < found.kernel.value < found.kernel_interval.high
    assert found.counts == (60, 50) and found.dim == 20 and "50 pictures" in found.warning
    assert found.floor is not None and found.floor.count == 50
    assert found.floor.frechet < found.frechet and found.floor.kernel < found.kernel.value
    assert comparison.compare_sets(x, y, resamples=0).frechet_interval is None


def test_that_many_pictures_get_a_normal_interval_for_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "WHOLE_KERNEL", 40)
    monkeypatch.setattr(intervals, "WHOLE_KERNEL", 40)
    x, y = rows(60, 3, 1), rows(60, 3, 2) + 1
    found = comparison.compare_sets(x, y, resamples=0)
    assert found.kernel_interval.resamples == 0
    assert found.kernel_interval.high - found.kernel.value == pytest.approx(
        1.96 * found.kernel.error, rel=1e-3
    )
    with pytest.raises(DataError, match="at most 40"):
        intervals.kernel_interval(x, y)


def test_that_a_comparison_becomes_numbers_with_their_card() -> None:
    x, y = rows(40, 6, 1), rows(40, 6, 2) + 1
    found = comparison.compare_sets(x, y, pool=rows(100, 6, 3), resamples=5)
    card = ProtocolCard(
        "folder:f", "prior samples", "test", 40, 40, "none", 64, "lite0", 6, 224, "bicubic", "5"
    )
    first, second = comparison.measured(found, card)
    assert first.name == "Frechet distance (Lite0 features)" and first.value == found.frechet
    assert first.floor_count == 40 and first.low is not None and first.low < first.value
    assert second.name == "Kernel distance (Lite0 features)" and second.error == found.kernel.error
    bare, _ = comparison.measured(comparison.compare_sets(x, y, resamples=0), card)
    assert bare.low is None and bare.floor is None
    with pytest.raises(ConfigError, match="40 against 40"):
        comparison.measured(comparison.compare_sets(x[:30], y, resamples=0), card)
