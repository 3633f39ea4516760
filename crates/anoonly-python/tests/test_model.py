"""Models: what they compute, and that it is what the command computes."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import assert_same_bits
from payments import payments
from sklearn.metrics import average_precision_score, roc_auc_score

import anoonly

TABLE, _ = payments()
NEW, FRAUDS = payments(400, seed=2)
FITTED: dict[str, anoonly.Model] = {}


@pytest.fixture
def model() -> anoonly.Model:
    """A model that was fitted once; tests that change it take a copy."""
    if not FITTED:
        FITTED["quorum"] = anoonly.Detector("quorum", seed=1).fit(TABLE, label="fraud", id="payment")
    return copy.copy(FITTED["quorum"])


def written(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path, index=False)
    return path


FEW = {"epochs": 3}
METHODS: dict[str, dict[str, Any]] = {
    "quorum": {},
    "pu-forest": {},
    "logistic": {},
    "isolation-forest": {"trees": 30},
    "gbdt": {"trees": 20},
    "knn": {"k": 3},
    "devnet": {"recipe": FEW, "members": 2},
    "prenet": {"recipe": FEW, "members": 1, "strategy": "host"},
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", [1, 7])
def test_bits_are_those_of_the_command(command: Any, tmp_path: Path, method: str, seed: int) -> None:
    table, new = written(TABLE, tmp_path / "table.parquet"), written(NEW, tmp_path / "new.parquet")
    settings = dict(METHODS[method])
    fitted = anoonly.Detector(method, seed=seed, **settings).fit(TABLE, label="fraud", id="payment")
    options = ["--label", "fraud", "--id", "payment", "--model", method, "--seed", str(seed)]
    for name, option in [("members", "--ensemble"), ("strategy", "--strategy")]:
        if name in settings:
            options += [option, str(settings.pop(name))]
    if settings:
        values = [f"{key}.epochs = 3" if key == "recipe" else f"{key} = {value}" for key, value in settings.items()]
        (tmp_path / "settings.toml").write_text("\n".join([f"[{method}]", *values]))
        options += ["--config", str(tmp_path / "settings.toml")]
    trained = command.train(table, *options)
    fitted.save(tmp_path / "package.anoonly")
    assert command.description(tmp_path / "package.anoonly") == command.description(trained)
    scores = command.score(trained, new)
    assert_same_bits(fitted.score(NEW), scores["score"].to_numpy())
    assert_same_bits(fitted.p_values(NEW), scores["p_value"].to_numpy())
    ranked = fitted.ranked(NEW).to_pandas().sort_values("payment", ignore_index=True)
    assert list(ranked["payment"]) == scores["payment"].to_pylist()
    assert list(ranked["rank"]) == scores["rank"].to_pylist()


@pytest.mark.parametrize("method", ["quorum", "random-forest", "devnet", "lof"])
def test_threads_change_no_bit(method: str) -> None:
    settings = METHODS.get(method, {})
    scores = []
    try:
        for threads in [1, 2, 3, None]:
            anoonly.set_threads(threads)
            fitted = anoonly.Detector(method, seed=3, **settings).fit(TABLE, label="fraud", id="payment")
            scores.append(fitted.score(NEW).tobytes())
    finally:
        anoonly.set_threads(None)
    assert len(set(scores)) == 1


def test_seeds_decide() -> None:
    def scores(seed: int) -> bytes:
        return (
            anoonly.Detector("isolation-forest", seed=seed).fit(TABLE, label="fraud", id="payment").score(NEW).tobytes()
        )

    assert scores(5) == scores(5) != scores(6)


def test_results_have_the_shapes_that_are_documented(model: anoonly.Model) -> None:
    scores, p_values = model.score(NEW), model.p_values(NEW)
    assert scores.shape == p_values.shape == (len(NEW),)
    assert scores.dtype == np.float32 and p_values.dtype == np.float64
    assert ((p_values > 0) & (p_values <= 1)).all()
    # The higher a score, the lower its p-value.
    assert (np.diff(p_values[np.argsort(scores)]) <= 0).all()
    assert roc_auc_score(FRAUDS, scores) > 0.9
    assert model.has_p_values
    assert model.method == "quorum" and model.ids == ["payment"]
    assert model.columns == ["amount", "hour", "age", "country", "channel"]
    assert "Quorum" in model.summary() and "amount" in model.summary()
    counts = model.provenance["counts"]
    assert counts["rows"] == len(TABLE) and counts["anomalies"] == 15


def test_a_batch_is_scored_as_the_whole(model: anoonly.Model) -> None:
    whole, half = model.score(NEW), len(NEW) // 2
    batches = [model.score_batch(part) for part in [NEW[:half], NEW[half:]]]
    assert_same_bits(np.concatenate([batch.score for batch in batches]), whole)
    assert_same_bits(np.concatenate([batch.p_value for batch in batches]), model.p_values(NEW))
    assert batches[0].flagged is None
    model.set_threshold(fpr=0.05)
    assert_same_bits(model.score_batch(NEW[:half]).flagged, model.flag(NEW)[:half])
    model.set_threshold(fdr=0.2)
    with pytest.raises(anoonly.AnoonlyError):
        model.score_batch(NEW[:half])


def test_the_highest_rows(model: anoonly.Model) -> None:
    model.set_threshold(share=0.05)
    whole, best = model.ranked(NEW).to_pandas(), model.ranked(NEW, top=9).to_pandas()
    assert list(best.columns) == ["payment", "score", "rank", "p_value", "flagged"]
    pd.testing.assert_frame_equal(best, whole[:9])
    assert len(whole) == len(NEW) and list(whole["rank"]) == sorted(whole["rank"])
    by_id = whole.set_index("payment").loc[NEW["payment"]]
    assert_same_bits(by_id["score"].to_numpy(), model.score(NEW))
    assert_same_bits(by_id["p_value"].to_numpy(), model.p_values(NEW))
    assert (by_id["flagged"].to_numpy() == model.flag(NEW)).all()
    with pytest.raises(anoonly.SettingError):
        model.ranked(NEW, top=0)
    assert model.ranked(NEW, top=10**6).rows == len(NEW)


def test_rows_without_identifiers_are_numbered() -> None:
    fitted = anoonly.Detector("logistic").fit(TABLE, label="fraud", drop="payment")
    best = fitted.ranked(NEW, top=3).to_pandas()
    assert list(best["row"]) == [row + 1 for row in np.argsort(-fitted.score(NEW), kind="stable")[:3]]


RULES: dict[str, dict[str, Any]] = {
    "fpr": {"fpr": 0.05},
    "share": {"share": 0.1},
    "fdr": {"fdr": 0.9},
    "score": {"score": 1.5},
}


@pytest.mark.parametrize("rule", RULES)
def test_thresholds_are_those_of_the_command(command: Any, tmp_path: Path, model: anoonly.Model, rule: str) -> None:
    path, new = tmp_path / "model.anoonly", written(NEW, tmp_path / "new.parquet")
    assert model.threshold is None
    model.save(path)
    assert model.set_threshold(**RULES[rule]) is model
    command("threshold", path, f"--{rule}", str(RULES[rule][rule]))
    scores = command.score(path, new)
    assert (model.flag(NEW) == scores["flagged"].to_numpy(zero_copy_only=False)).all()
    assert 0 < model.flag(NEW).sum() < len(NEW)
    assert model.threshold is not None
    assert model.threshold.promise and "--" not in model.threshold.promise
    saved = json.loads(command("inspect", path, "--json"))["threshold"]
    scores_at = [None if score is None else np.float32(score) for score in (model.threshold.score, saved["score"])]
    assert scores_at[0] == scores_at[1] and (scores_at[0] is None) == (rule == "fdr")
    assert model.threshold.rule == rule
    model.save(path)
    again = anoonly.Model.load(path)
    assert again.threshold == model.threshold
    assert (again.flag(NEW) == model.flag(NEW)).all()


def test_the_threshold_with_the_best_f1(command: Any, tmp_path: Path, model: anoonly.Model) -> None:
    judged = NEW.assign(fraud=FRAUDS)
    path, table = tmp_path / "model.anoonly", written(judged, tmp_path / "judged.parquet")
    model.save(path)
    model.set_threshold(max_f1=judged, label="fraud")
    command("threshold", path, "--max-f1", table, "--label", "fraud")
    assert model.threshold == anoonly.Model.load(path).threshold
    flags = model.flag(NEW)
    f1 = 2 * (flags & FRAUDS).sum() / (flags.sum() + FRAUDS.sum())
    assert f1 == pytest.approx(model.evaluate(judged, label="fraud").best_f1)


@pytest.mark.parametrize(
    "rules", [{}, {"fpr": 0.1, "share": 0.1}, {"fpr": 1.5}, {"fpr": -0.1}, {"fpr": 1e-9}, {"score": float("nan")}]
)
def test_thresholds_that_make_no_sense_are_refused(model: anoonly.Model, rules: dict[str, float]) -> None:
    with pytest.raises((anoonly.SettingError, TypeError)) as caught:
        model.set_threshold(**rules)
    assert "--" not in str(caught.value)
    assert model.threshold is None


def test_without_a_threshold_nothing_is_flagged(model: anoonly.Model) -> None:
    with pytest.raises(anoonly.AnoonlyError, match="set_threshold"):
        model.flag(NEW)


def test_explanations_add_up(model: anoonly.Model) -> None:
    explanation = model.explain(NEW, top=6)
    best = model.ranked(NEW, top=6).to_pandas()
    assert len(explanation) == 6 and len(list(explanation)) == 6
    for row, (_, ranked) in zip(explanation, best.iterrows(), strict=True):
        assert np.float32(row.score) == np.float32(ranked["score"])
        assert row.rank == ranked["rank"]
        total = row.baseline + sum(part.contribution for part in row.contributions) + row.remainder
        assert total == pytest.approx(row.score, rel=1e-4)
        assert {part.column for part in row.contributions} == set(model.columns)
    assert explanation[0].score == max(row.score for row in explanation)
    page = explanation._repr_html_()
    assert best["payment"][0] in page and "amount" in page
    assert best["payment"][0] in repr(explanation) or "amount" in str(explanation)


def test_explanations_say_where_values_lie_among_the_training_rows(model: anoonly.Model) -> None:
    explanation = model.explain(NEW, top=20)
    for row in explanation:
        parts = {part.column: part for part in row.contributions}
        for name in ["amount", "hour", "age"]:
            context, value = parts[name].context, parts[name].value
            assert context is not None and context["kind"] == "number" and context["text"] == parts[name].place
            lower, higher = (TABLE[name] < value).mean(), (TABLE[name] > value).mean()
            assert lower - 0.02 <= context["lower"] <= lower + 1e-12
            assert higher - 0.02 <= context["higher"] <= higher + 1e-12
            if context["equal"] is not None:
                assert context["equal"] == pytest.approx((TABLE[name] == value).mean(), abs=1e-12)
        for name in ["country", "channel"]:
            context, same = parts[name].context, TABLE[name] == parts[name].value
            assert context is not None and (context["kind"], context["rows"]) == ("category", same.sum())
            assert parts[name].place == f"{round(100 * same.mean(), 1):g} % of rows"
    first = explanation[0].contributions[0]
    page = explanation._repr_html_()
    assert all(text in page for text in [explanation.method, explanation.description, first.place])
    assert f", {first.place} (" in repr(explanation)
    assert explanation.to_dicts()[0]["contributions"][0]["context"] == first.context
    with pytest.warns(anoonly.AnoonlyWarning):
        odd = model.explain(NEW.assign(country="ZZ", amount=np.nan), top=1, lenient=True)[0]
    places = {part.column: part.place for part in odd.contributions}
    assert (places["country"], places["amount"]) == ("in no training row", "missing in no training row")


def test_explanations_are_those_of_the_command(command: Any, tmp_path: Path, model: anoonly.Model) -> None:
    path, new = tmp_path / "model.anoonly", written(NEW, tmp_path / "new.parquet")
    model.save(path)
    rows = json.loads(command("explain", path, new, "--top", "4", "--json"))
    for mine, theirs in zip(model.explain(NEW, top=4), rows, strict=True):
        assert [part.column for part in mine.contributions] == [part["column"] for part in theirs["contributions"]]
        sums = [np.float32(part["contribution"]) for part in theirs["contributions"]]
        assert [np.float32(part.contribution) for part in mine.contributions] == sums
        assert [part.context for part in mine.contributions] == [part["context"] for part in theirs["contributions"]]


def test_text_of_a_table_does_not_become_markup(model: anoonly.Model) -> None:
    odd = NEW.assign(payment=["<script>alert(1)</script>"] * len(NEW))
    for page in [model.explain(odd, top=3)._repr_html_(), model.ranked(odd, top=3)._repr_html_()]:
        assert "<script>" not in page and "&lt;script&gt;" in page


def test_metrics_are_those_of_scikit_learn(model: anoonly.Model) -> None:
    judged = NEW.assign(fraud=FRAUDS.astype(int))
    evaluation, scores = model.evaluate(judged, label="fraud"), model.score(NEW)
    assert float(evaluation.auroc) == pytest.approx(roc_auc_score(FRAUDS, scores), abs=1e-9)
    assert float(evaluation.average_precision) == pytest.approx(average_precision_score(FRAUDS, scores), abs=1e-9)
    assert evaluation.rows == len(NEW) and evaluation.anomalies == FRAUDS.sum()
    assert "AUROC" in evaluation._repr_html_()


def test_a_copy_is_the_same_model(tmp_path: Path, model: anoonly.Model) -> None:
    model.set_threshold(fpr=0.05)
    model.save(tmp_path / "model.anoonly")
    copies = [
        anoonly.Model.load(tmp_path / "model.anoonly"),
        anoonly.Model.load(str(tmp_path / "model.anoonly")),
        anoonly.Model.from_bytes(model.to_bytes()),
        *(pickle.loads(pickle.dumps(model, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)),
        copy.copy(model),
        copy.deepcopy(model),
    ]
    assert model.to_bytes() == (tmp_path / "model.anoonly").read_bytes()
    for same in copies:
        assert same is not model
        assert same.to_bytes() == model.to_bytes()
        assert_same_bits(same.score(NEW), model.score(NEW))
        assert same.threshold == model.threshold and same.provenance == model.provenance
    copies[0].set_threshold(fpr=0.1)
    copies[-1].set_threshold(fpr=0.1)
    copies[-2].set_threshold(fpr=0.1)
    assert copies[1].threshold == model.threshold != copies[-1].threshold


def test_a_pickle_holds_the_bytes_of_the_file(model: anoonly.Model) -> None:
    assert model.to_bytes() in pickle.dumps(model)


def test_damaged_files_are_refused(tmp_path: Path, model: anoonly.Model) -> None:
    whole = model.to_bytes()
    for number, place in enumerate([0, 8, 100, len(whole) // 2, len(whole) - 1]):
        path = tmp_path / f"{number}.anoonly"
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(anoonly.ModelFileError) as caught:
            anoonly.Model.load(path)
        assert caught.value.file == str(path)
    for part in [b"", b"PK\x03\x04", whole[:-1], whole[: len(whole) // 3]]:
        with pytest.raises(anoonly.ModelFileError):
            anoonly.Model.from_bytes(part)
    with pytest.raises((anoonly.ModelFileError, FileNotFoundError)):
        anoonly.Model.load(tmp_path / "none.anoonly")


def cells(session: Any, frame: pd.DataFrame) -> dict[str, Any]:
    """What a graph takes, as its metadata describes it."""
    read = {
        "number": lambda values: values.to_numpy("float64"),
        "truth": lambda values: values.to_numpy("float64"),
        "category": lambda values: values.astype(object).fillna("").astype(str).to_numpy(object),
        "date": lambda values: pd.to_datetime(values).to_numpy("datetime64[s]").astype("int64"),
    }
    inputs = json.loads(session.get_modelmeta().custom_metadata_map["inputs"])
    return {column["name"]: read[column["kind"]](frame[column["column"]]) for column in inputs}


@pytest.mark.parametrize("method", ["quorum", "logistic", "isolation-forest"])
def test_a_graph_gives_the_same_scores(tmp_path: Path, method: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    fitted = anoonly.Detector(method).fit(TABLE, label="fraud", id="payment")
    fitted.set_threshold(fpr=0.05)
    graph = fitted.to_onnx(tmp_path / "model.onnx")
    assert graph == (tmp_path / "model.onnx").read_bytes() == fitted.to_onnx()
    session = runtime.InferenceSession(graph)
    assert json.loads(session.get_modelmeta().custom_metadata_map["columns"]) == fitted.columns
    scores, p_values, flagged = session.run(["score", "p_value", "flagged"], cells(session, NEW))
    np.testing.assert_allclose(scores, fitted.score(NEW), rtol=1e-5, atol=1e-5)
    # A score beside that of a held-out row may fall on its other side.
    assert np.mean(np.abs(p_values - fitted.p_values(NEW)) > 1e-9) < 0.01
    assert np.mean(flagged != fitted.flag(NEW)) < 0.01


def test_a_matrix_takes_numbers_and_nothing_else(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    numbers = anoonly.Detector("logistic").fit(TABLE, label="fraud", drop=["payment", "country", "channel"])
    session = runtime.InferenceSession(numbers.to_onnx(matrix=True))
    scores = session.run(["score"], {"input": NEW[numbers.columns].to_numpy("float64")})[0]
    np.testing.assert_allclose(scores, numbers.score(NEW), rtol=1e-5, atol=1e-6)
    with pytest.raises(anoonly.NotExportableError) as caught:
        anoonly.Detector("logistic").fit(TABLE, label="fraud", id="payment").to_onnx(tmp_path / "m.onnx", matrix=True)
    assert caught.value.column in ("country", "channel")
    assert "--" not in str(caught.value) and "`anoonly" not in str(caught.value)
    assert not (tmp_path / "m.onnx").exists()


def test_validation_is_that_of_the_command(command: Any, tmp_path: Path) -> None:
    fitted = anoonly.Detector("logistic").fit(TABLE, label="fraud", id="payment", validate=True)
    table = written(TABLE, tmp_path / "table.parquet")
    trained = command.train(table, "--label", "fraud", "--id", "payment", "--model", "logistic", "--validate")
    assert fitted.provenance["validation"] == command.description(trained)["about"]["validation"] is not None


def test_methods_are_those_of_the_command(command: Any) -> None:
    methods = anoonly.methods()
    assert {method["name"] for method in methods if not method["needs_labels"]} > {"quorum", "knn"}
    listed = json.loads(command("models", "--json"))
    for method in listed:
        # The name of the method, which is no setting.
        assert method["settings"].pop("model") == method["name"]
    assert [{key: method[key] for key in listed[0]} for method in methods] == listed
    for method in methods:
        anoonly.Detector(method["name"], **method["settings"])
