"""Values of the columns under test, as Python objects, the same in every run."""

from __future__ import annotations

import datetime as dt
import decimal
import random
from collections.abc import Callable, Sequence
from typing import Any

ROWS = 300
ANOMALIES = 12


def labels(rows: int = ROWS) -> list[int | None]:
    """1 for the first rows, None for the others."""
    return [1 if row < ANOMALIES else None for row in range(rows)]


def draw(one: Callable[[random.Random], Any], seed: int = 1, rows: int = ROWS) -> list[Any]:
    """A value for each row."""
    generator = random.Random(seed)
    return [one(generator) for _ in range(rows)]


def gaps(values: Sequence[Any], missing: Any = None) -> list[Any]:
    """The values with every seventh replaced."""
    return [missing if row % 7 == 3 else value for row, value in enumerate(values)]


def amounts() -> list[float]:
    """Of an uneven scale, with values that 32 bits cannot hold exactly."""
    return draw(lambda generator: generator.lognormvariate(3.0, 1.0), seed=2)


def whole(low: int = 0, high: int = 100) -> list[int]:
    return draw(lambda generator: generator.randrange(low, high), seed=3)


def truths() -> list[bool]:
    return draw(lambda generator: generator.random() < 0.3, seed=4)


def texts() -> list[str]:
    """Words with letters of one to four bytes, one of them longer than the twelve bytes that a string view holds."""
    return draw(
        lambda generator: generator.choice(["rouge", "vert", "bleu-é", "雪", "🦊 fox", "a word of many letters"]),
        seed=5,
    )


def numerals() -> list[str]:
    """Numbers as text."""
    return draw(lambda generator: f"{generator.uniform(-50, 50):.2f}", seed=6)


def written_days() -> list[str]:
    """Dates as text."""
    return [day.isoformat() for day in days()]


def days() -> list[dt.date]:
    return draw(lambda generator: dt.date(2020, 1, 1) + dt.timedelta(days=generator.randrange(3 * 365)), seed=7)


def times(zone: dt.tzinfo | None = None) -> list[dt.datetime]:
    """Whole seconds, so that every unit holds them."""
    start = dt.datetime(2020, 1, 1, tzinfo=zone)
    return draw(lambda generator: start + dt.timedelta(seconds=generator.randrange(3 * 365 * 86400)), seed=8)


def decimals() -> list[decimal.Decimal]:
    return draw(lambda generator: decimal.Decimal(generator.randrange(-99999, 99999)).scaleb(-2), seed=9)
