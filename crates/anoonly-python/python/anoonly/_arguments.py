"""Checks of arguments that several functions share."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .errors import AnoonlyWarning, SettingError


def names(argument: str, columns: str | Iterable[str] | None) -> list[str]:
    """One name or several as a list; a frame may have integers as names. A name that is given twice is an error."""
    if columns is None:
        return []
    given: list[Any] = [columns] if isinstance(columns, (str, int, np.integer)) else list(columns)
    listed = [str(name) if isinstance(name, (int, np.integer)) else name for name in given]
    for place, name in enumerate(listed):
        if not isinstance(name, str):
            raise SettingError(f"{argument}: {name!r} is not the name of a column", setting=argument)
        if name in listed[:place]:
            raise SettingError(f"{argument}: `{name}` is named twice", setting=argument, column=name)
    return listed


def warn(messages: Iterable[str], stacklevel: int = 3) -> None:
    """Warns the caller of a function of the package."""
    for message in messages:
        warnings.warn(message, AnoonlyWarning, stacklevel=stacklevel)


def label_text(value: Any) -> str:
    """A label as a file holds it."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def plain(value: Any) -> Any:
    """A NumPy number as a number of Python, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} ({type(value).__name__})")


def settings_json(settings: Mapping[str, Any]) -> str:
    """The settings of a method as JSON."""
    try:
        return json.dumps(dict(settings), default=plain)
    except TypeError as error:
        raise SettingError(f"a setting is not a plain value: {error}") from None


def checked_seed(seed: Any) -> int:
    """A seed, which must be a whole number of 64 bits."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise SettingError(f"seed is {seed!r}: it must be a whole number from 0 to 2**64 - 1", setting="seed")
    return int(seed)
