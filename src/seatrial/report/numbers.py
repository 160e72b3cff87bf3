"""Numbers for people, and the ticks of axes."""

from __future__ import annotations

from math import ceil, floor, log10

from seatrial.contracts import Choice, LatencyMethod

DASH = "–"
_LETTERS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def shown(value: float | None, unit: str = "") -> str:
    """Three digits and the unit, a dash for what is not known.

    >>> shown(0.04419, "s"), shown(3584.2, "MB"), shown(None, "MB")
    ('0.0442 s', '3,584 MB', '–')
    """
    if value is None:
        return DASH
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def usd(value: float | None) -> str:
    """US dollars, to the cent where there are any.

    >>> usd(0.0412), usd(3.6), usd(12345.6)
    ('$0.041', '$3.60', '$12,346')
    """
    if value is None:
        return DASH
    if value >= 1000:
        return f"${value:,.0f}"
    return f"${value:.2f}" if value >= 0.1 or not value else f"${value:.2g}"


def p95_of(choice: Choice) -> str:
    """A candidate's p95 at its tier, and that it is no measurement where it is none."""
    return _with_method(choice.latency_p95_ms, "ms", choice.latency_method)


def cold_start_of(choice: Choice) -> str:
    """The same of its cold start."""
    return _with_method(choice.cold_start_s, "s", choice.cold_start_method)


def _with_method(value: float | None, unit: str, method: LatencyMethod) -> str:
    predicted = value is not None and method == "predicted"
    return shown(value, unit) + (", predicted" if predicted else "")


def tier_name(memory_size_mb: int | None) -> str:
    """A tier as AWS writes it, without a comma."""
    return DASH if memory_size_mb is None else f"{memory_size_mb} MB"


def brief(value: float) -> str:
    """For an axis.

    >>> brief(1500.0), brief(2e6), brief(0.5)
    ('1.5k', '2M', '0.5')
    """
    for size, letter in _LETTERS:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def round_ticks(high: float, most: int = 5) -> list[float]:
    """From 0 to the first tick at or over `high`, in steps of 1, 2 or 5.

    >>> round_ticks(7.2), round_ticks(0.0)
    ([0.0, 2.0, 4.0, 6.0, 8.0], [0.0, 1.0])
    """
    if high <= 0:
        return [0.0, 1.0]
    exact = high / (most - 1)
    power = 10.0 ** floor(log10(exact))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= exact * (1 - 1e-9))
    return [number * step for number in range(ceil(high / step - 1e-9) + 1)]


def decades(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten within; every so many, if there are more than fit.

    >>> decades(50, 2e4)
    [100.0, 1000.0, 10000.0]
    """
    first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
    step = max(1, ceil((last - first + 1) / most))
    return [10.0**power for power in range(first, last + 1, step)]
