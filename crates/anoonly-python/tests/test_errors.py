"""Errors and warnings: their types, the facts as attributes, and the words of Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from payments import payments

import anoonly

TABLE, _ = payments()
NEW, FRAUDS = payments(400, seed=2)


def fit(method: str = "logistic", table: Any = TABLE, **settings: Any) -> anoonly.Model:
    options = {
        key: settings.pop(key) for key in ["label", "id", "anomaly", "drop", "keep", "category"] if key in settings
    }
    return anoonly.Detector(method, **settings).fit(table, **{"label": "fraud", "id": "payment"} | options)


def uncalibrated() -> anoonly.Model:
    return fit(held_out=0.0)


def marked(row: int, value: Any) -> pd.DataFrame:
    table = TABLE.assign(fraud=TABLE["fraud"].map({1.0: "yes"}))
    table.loc[row, "fraud"] = value
    return table


def changed(column: str, row: int, value: Any) -> pd.DataFrame:
    table = NEW.astype({column: object})
    table.loc[row, column] = value
    return table


CASES: dict[str, tuple[Callable[[], Any], type[Exception], dict[str, Any]]] = {
    "a label that is none": (
        lambda: fit(table=marked(40, "perhaps")),
        anoonly.LabelError,
        {"column": "fraud", "row": 41, "value": "perhaps"},
    ),
    "no such label column": (lambda: fit(label="froud"), anoonly.LabelError, {}),
    "no such anomaly": (lambda: fit(anomaly="Q"), anoonly.LabelError, {"column": "fraud", "value": "Q"}),
    "no label": (lambda: fit(label=None, drop="fraud"), anoonly.LabelError, {}),
    "no such identifier": (lambda: fit(id="paiment"), anoonly.TableError, {"column": "paiment"}),
    "no such column to drop": (lambda: fit(drop="amuont"), anoonly.TableError, {"column": "amuont"}),
    "no such column of categories": (lambda: fit(category="amuont"), anoonly.TableError, {"column": "amuont"}),
    "no such column to keep": (lambda: fit(keep="amuont"), anoonly.TableError, {"column": "amuont"}),
    "a column is missing": (lambda: fit().score(NEW.drop(columns="hour")), anoonly.TableError, {"column": "hour"}),
    "an identifier is missing": (
        lambda: fit().ranked(NEW.drop(columns="payment")),
        anoonly.TableError,
        {"column": "payment"},
    ),
    "a new category": (
        lambda: fit().score(changed("country", 7, "XX")),
        anoonly.TableError,
        {"column": "country", "row": 8, "value": "XX"},
    ),
    "text for a number": (
        lambda: fit().score(NEW.assign(age=["x", *map(str, NEW["age"][1:])])),
        anoonly.TableError,
        {"column": "age", "row": 1, "value": "x"},
    ),
    "unlike training": (
        lambda: fit().score(NEW.assign(amount=NEW["amount"] + 1e7)),
        anoonly.TableError,
        {"column": "amount"},
    ),
    "nothing to learn from": (
        lambda: fit(drop=["amount", "hour", "age", "country", "channel"]),
        anoonly.TableError,
        {},
    ),
    "no such file": (lambda: fit(table="none.parquet"), anoonly.TableError, {"file": "none.parquet"}),
    "no such method": (lambda: fit("quorums"), anoonly.SettingError, {"setting": "method"}),
    "no such setting": (lambda: fit(depht=3), anoonly.SettingError, {"setting": "depht"}),
    "a setting of another type": (lambda: fit(c="much"), anoonly.SettingError, {}),
    "a setting out of range": (lambda: fit(c=-1.0), anoonly.SettingError, {"setting": "c"}),
    "a setting inside of another": (
        lambda: fit("devnet", recipe={"epoks": 3}),
        anoonly.SettingError,
        {"setting": "recipe.epoks"},
    ),
    "no such strategy": (lambda: fit("devnet", strategy="both"), anoonly.SettingError, {"setting": "strategy"}),
    "no such backend": (lambda: fit(backend="tpu"), anoonly.SettingError, {"setting": "backend"}),
    "a share above 1": (lambda: fit(held_out=1.5), anoonly.SettingError, {"setting": "held_out"}),
    "no members": (lambda: fit(members=0), anoonly.SettingError, {"setting": "members"}),
    "no held-out rows": (lambda: uncalibrated().p_values(NEW), anoonly.NotCalibratedError, {}),
    "a rate without held-out rows": (lambda: uncalibrated().set_threshold(fpr=0.1), anoonly.NotCalibratedError, {}),
    "a rate that is too low": (lambda: fit().set_threshold(fpr=1e-6), anoonly.SettingError, {"setting": "fpr"}),
    "too high a learning rate": (
        lambda: fit("feawad", members=1, recipe={"epochs": 5, "optimiser": {"learning_rate": 1e12}}),
        anoonly.FitError,
        {},
    ),
    "one class to judge": (
        lambda: fit().evaluate(NEW.assign(fraud=1), label="fraud"),
        anoonly.LabelError,
        {"column": "fraud"},
    ),
    "no model": (lambda: anoonly.Model.from_bytes(b"no model"), anoonly.ModelFileError, {}),
    "no matrix": (lambda: fit("lof").to_onnx("model.onnx", matrix=True), anoonly.NotExportableError, {"column": "country"}),
}


@pytest.mark.parametrize("name", CASES)
def test_errors_say_what_and_where(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    act, kind, facts = CASES[name]
    with pytest.raises(anoonly.AnoonlyError) as caught:
        act()
    error = caught.value
    assert type(error) is kind
    found = {fact: getattr(error, fact) for fact in ["file", "column", "row", "value", "setting"]}
    assert {fact: found[fact] for fact in facts} == facts
    if "row" not in facts:
        assert found["row"] is None
    message = str(error)
    assert not re.search(r"(^|\s)--\w", message), message
    assert not re.search(r"`?anoonly (train|score|threshold|explain|evaluate|models|inspect|export)\b", message), (
        message
    )
    assert "internal" not in message and "panicked" not in message
    assert not any(tmp_path.iterdir())


def test_errors_are_kinds_of_common_errors() -> None:
    kinds = {
        anoonly.TableError: ValueError,
        anoonly.LabelError: anoonly.TableError,
        anoonly.SettingError: ValueError,
        anoonly.ModelFileError: ValueError,
        anoonly.FitError: RuntimeError,
        anoonly.NotCalibratedError: ValueError,
        anoonly.NotExportableError: ValueError,
    }
    for kind, other in kinds.items():
        assert issubclass(kind, anoonly.AnoonlyError) and issubclass(kind, other)
    assert issubclass(anoonly.AnoonlyWarning, UserWarning)


def test_an_error_survives_a_pickle() -> None:
    import pickle

    with pytest.raises(anoonly.LabelError) as caught:
        fit(table=marked(40, "perhaps"))
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is anoonly.LabelError and str(again) == str(caught.value)
    assert (again.column, again.row, again.value) == ("fraud", 41, "perhaps")


def test_a_lenient_score_takes_what_there_is() -> None:
    model = fit()
    with pytest.warns(anoonly.AnoonlyWarning):
        scores = model.score(NEW.drop(columns="hour"), lenient=True)
    assert np.isfinite(scores).all()
    with pytest.warns(anoonly.AnoonlyWarning):
        assert len(model.score(changed("country", 7, "XX"), lenient=True)) == len(NEW)


def test_a_table_that_looks_otherwise_is_warned_of() -> None:
    model = fit()
    with pytest.warns(anoonly.AnoonlyWarning) as caught:
        model.score(NEW.assign(amount=NEW["amount"] * 4))
    assert all("--" not in str(warning.message) for warning in caught)
    # The warning points at the caller's line.
    assert {warning.filename for warning in caught} == {__file__}


def test_the_table_of_the_fit_is_warned_of_when_it_is_judged() -> None:
    model = fit()
    with pytest.warns(anoonly.AnoonlyWarning, match="fitted"):
        model.evaluate(TABLE.assign(fraud=TABLE["fraud"].fillna(0.0)), label="fraud")


@pytest.mark.parametrize("argument", ["label", "labels", "ids", "columns"])
def test_a_misspelt_argument_is_refused(argument: str) -> None:
    with pytest.raises(TypeError):
        anoonly.Detector("logistic").fit(TABLE, **{argument + "_": "fraud"})
