"""Growth: a server that does not leak is not called leaking, whatever its memory's noise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from seatrial.steps.profile_model import growth

RUNS = 40
SAMPLES, REQUESTS_EACH = 200, 5  # a run of 1000 requests
LEAK_MB = 50 / 1024  # a request

Noise = Callable[[random.Random], list[float]]


def white(rng: random.Random) -> list[float]:
    return [rng.gauss(0, 1) for _ in range(SAMPLES)]


def correlated(rng: random.Random) -> list[float]:
    values = [0.0]
    while len(values) < SAMPLES:
        values.append(0.95 * values[-1] + rng.gauss(0, 0.3))
    return values


def few_steps(rng: random.Random) -> list[float]:
    """An allocator that takes 1 MB more two times and keeps it."""
    steps = rng.sample(range(SAMPLES), 2)
    return [sum(at <= index for at in steps) for index in range(SAMPLES)]


def sawtooth(rng: random.Random) -> list[float]:
    """A garbage collector that runs now and then."""
    phase = rng.randrange(37)
    return [((index + phase) % 37) * 0.2 for index in range(SAMPLES)]


def levelling(rng: random.Random) -> list[float]:
    """A cache that fills up."""
    return [
        20 * (1 - math.exp(-6 * index / SAMPLES)) + rng.gauss(0, 0.05) for index in range(SAMPLES)
    ]


def points(noise: list[float], leak_mb: float) -> list[tuple[int, float]]:
    requests = [REQUESTS_EACH * (index + 1) for index in range(SAMPLES)]
    return [(at, 100 + extra + leak_mb * at) for at, extra in zip(requests, noise, strict=True)]


NOISES = pytest.mark.parametrize("noise", [white, correlated, few_steps, sawtooth, levelling])


def share_called_leaking(noise: Noise, leak_mb: float) -> float:
    found = [growth(points(noise(random.Random(seed)), leak_mb)) for seed in range(RUNS)]
    return sum(item is not None and item["slope_low"] > 0 for item in found) / RUNS


@NOISES
def test_no_more_than_one_in_twenty_quiet_servers_is_called_leaking(noise: Noise) -> None:
    assert share_called_leaking(noise, 0) <= 0.05


@NOISES
def test_a_leak_of_50_kb_a_request_is_always_found(noise: Noise) -> None:
    assert share_called_leaking(noise, LEAK_MB) == 1


def test_least_squares_would_have_called_steps_a_leak() -> None:
    """Why the interval is wider: the usual one, of the same points."""
    called = 0
    for seed in range(RUNS):
        run = points(few_steps(random.Random(seed)), 0)[SAMPLES // 5 :]
        at, mb = [x for x, _ in run], [y for _, y in run]
        mean_at, mean_mb = sum(at) / len(at), sum(mb) / len(mb)
        spread = sum((x - mean_at) ** 2 for x in at)
        slope = sum((x - mean_at) * (y - mean_mb) for x, y in run) / spread
        rest = sum((y - mean_mb - slope * (x - mean_at)) ** 2 for x, y in run)
        called += slope > 1.98 * math.sqrt(rest / (len(run) - 2) / spread)
    assert called / RUNS > 0.5


@pytest.mark.parametrize(
    ("count", "told"),
    [
        pytest.param(23, False, id="under"),
        pytest.param(24, True, id="exactly-at-limit"),
        pytest.param(25, True, id="over"),
    ],
)
def test_too_few_requests_say_nothing(count: int, told: bool) -> None:
    found = growth([(number, 100 + 0.05 * number) for number in range(1, count + 1)])
    assert (found is not None) is told
    if found is not None:
        assert found["requests"] == count
        assert found["slope_low"] == pytest.approx(50)
