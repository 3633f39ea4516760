"""Exceptions and warnings, with the facts as attributes."""

from __future__ import annotations

from typing import Any

__all__ = [
    "AnoonlyError",
    "AnoonlyWarning",
    "FitError",
    "JournalError",
    "LabelError",
    "ModelFileError",
    "NotCalibratedError",
    "NotExportableError",
    "SettingError",
    "TableError",
]


class AnoonlyError(Exception):
    """What all exceptions of this package have in common.

    Attributes
    ----------
    file : str or None
        The file, if the error is about one. A data frame has none.
    column : str or None
        The column of the table.
    row : int or None
        The row of the table, counted from 1, as in the message: row 3 of a data frame is ``frame.iloc[2]``.
    value : str or None
        The value that is wrong.
    setting : str or None
        The argument or setting that is wrong, or that may help.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        column: str | None = None,
        row: int | None = None,
        value: str | None = None,
        setting: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.column = column
        self.row = row
        self.value = value
        self.setting = setting

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with keyword arguments cannot be copied to another process otherwise.
        return _restored, (type(self), str(self), self.__dict__.copy())


def _restored(kind: type[AnoonlyError], message: str, attributes: dict[str, Any]) -> AnoonlyError:
    error = kind(message)
    error.__dict__.update(attributes)
    return error


class TableError(AnoonlyError, ValueError):
    """A table cannot be read, or holds something that cannot be used."""


class LabelError(TableError):
    """The labels cannot be read, or leave nothing to learn."""


class SettingError(AnoonlyError, ValueError):
    """An argument or a setting of a method is invalid."""


class ModelFileError(AnoonlyError, ValueError):
    """A model file cannot be read or written, or is damaged."""


class FitError(AnoonlyError, RuntimeError):
    """A fit failed."""


class NotCalibratedError(AnoonlyError, ValueError):
    """The model has no held-out rows, so it gives no p-values and no thresholds by rate."""


class NotExportableError(AnoonlyError, ValueError):
    """The model has no ONNX form."""


class JournalError(AnoonlyError, ValueError):
    """The journal of a labelling session cannot be used."""


class AnoonlyWarning(UserWarning):
    """Something that probably is not meant: rows unlike the training rows, or metrics on the training rows."""
