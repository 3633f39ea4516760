"""Checks of arguments that several functions share."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from .errors import AnoonlyWarning, SettingError


def names(argument: str, columns: str | Iterable[str] | None) -> list[str]:
    """One name or several as a list. A name that is given twice is an error."""
    if columns is None:
        return []
    listed = [columns] if isinstance(columns, str) else list(columns)
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
