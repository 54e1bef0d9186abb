"""The report of trained models: what is shown, and that MultiQC takes it."""

import json

import pytest

from darkregulome.errors import InputError
from darkregulome.report.content import write_sections
from darkregulome.report.training import read_trainings, training_sections
from test_report import build_report

CARD = {"steps": 4, "heldout_loss": 1.25, "markov_loss": {"0": 1.38, "5": 1.31}, "verdict": "beats <b>order 5</b>"}
CURVE = [
    {"step": 2, "progress": 0.25, "loss": 1.4, "heldout_loss": 1.35},
    {"step": 4, "progress": 0.75, "loss": 1.3, "heldout_loss": 1.25},
]


def checkpoint(folder, card, curve):
    folder.mkdir()
    (folder / "model_card.json").write_text(json.dumps(card))
    (folder / "training_curve.json").write_text(json.dumps({"curve": curve}))
    return folder


def test_losses_and_curves_stand_beside_the_markov_models(tmp_path):
    folder = checkpoint(tmp_path / "m<i>", CARD, CURVE)
    losses, curves = training_sections(read_trainings([folder]))
    assert "beats &lt;b&gt;order 5" in losses.data
    assert "m&lt;i&gt;" in losses.data
    names = [label["name"] for label in curves.pconfig["data_labels"]]
    heldout = curves.data[names.index("heldout_loss")]
    assert heldout["m&lt;i&gt;"] == {2: 1.35, 4: 1.25}
    assert heldout["m&lt;i&gt;: Markov 5"] == {2: 1.31, 4: 1.31}


def test_parts_of_a_training_are_lines_of_their_own(tmp_path):
    curve = [{"part": "tower", "step": 1, "loss": 2.0}, {"part": "transformer", "step": 1, "loss": 3.0}]
    (curves,) = training_sections(read_trainings([checkpoint(tmp_path / "e", {"tower": {}}, curve)]))
    assert curves.data == [{"e tower": {1: 2.0}, "e transformer": {1: 3.0}}]


def test_measures_of_seq2exp_are_a_table(tmp_path):
    values = {name: {"mean": 0.5, "sd": 0.1} for name in ("mse", "mae", "pearson", "mask_ratio", "continuity")}
    row = {"model": "peaks", "evaluation": "mask", "folds": 2, "seeds": 3, **values}
    (tmp_path / "metrics.json").write_text(json.dumps({"target": "log10(expression + 1)", "summary": [row]}))
    folder = checkpoint(tmp_path / "fold0_seed0", {}, [])
    (measures,) = training_sections(read_trainings([folder]), tmp_path / "metrics.json")
    assert "0.5 ± 0.1" in measures.data
    assert "peaks" in measures.data


def test_comparisons_of_seq2exp_are_a_table_of_their_own(tmp_path):
    compared = {"model": "seq2exp-hard mask", "other": "peaks <mask>", "measure": "mse", "runs": 3}
    rows = [{**compared, "difference": -0.25, "p": 0.03125}, {**compared, "runs": 1, "difference": 0.5, "p": None}]
    (tmp_path / "metrics.json").write_text(json.dumps({"summary": [], "comparisons": rows}))
    folder = checkpoint(tmp_path / "fold0_seed0", {}, [])
    _, comparisons = training_sections(read_trainings([folder]), tmp_path / "metrics.json")
    assert comparisons.title.startswith("seq2exp-hard mask against")
    for shown in ("peaks &lt;mask&gt;", "−0.25", "0.0312", "0.5"):
        assert shown in comparisons.data


def test_a_folder_without_a_card_is_named(tmp_path):
    with pytest.raises(InputError, match="model_card"):
        read_trainings([tmp_path])


def test_lines_run_from_left_to_right_in_the_finished_report(tmp_path):
    curve = [{"step": step, "progress": step / 1000, "loss": 2.0 - step / 1000} for step in (20, 100, 200, 1000)]
    folder = checkpoint(tmp_path / "m", CARD, curve)
    write_sections(training_sections(read_trainings([folder])), tmp_path / "sections")
    build_report(tmp_path / "sections", tmp_path / "out")
    drawn = json.loads((tmp_path / "out" / "report_data" / "multiqc_data.json").read_text())["report_plot_data"]
    (line,) = drawn["darkregulome_training_curves_plot"]["datasets"][0]["lines"]
    assert [step for step, _ in line["pairs"]] == [20, 100, 200, 1000]
