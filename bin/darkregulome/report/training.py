"""Sections of the report of `pretrain` and `seq2exp`: curves, losses against counting, measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import escape

from darkregulome.io.documents import read_json
from darkregulome.report.content import Section, lines_section
from darkregulome.report.markup import model_name, number, plain, probability, table

HIDDEN = ("step", "progress", "part")
REMEDY = "give a checkpoint folder of train_lm.py or train_seq2exp.py"


@dataclass(frozen=True)
class Training:
    """One trained model: its card and its curve (one row per evaluation)."""

    name: str
    card: Mapping[str, Any]
    curve: Sequence[Mapping[str, Any]]


def read_trainings(folders: Sequence[Path]) -> list[Training]:
    """Cards and curves of checkpoint folders, by the folders' names.

    Raises
    ------
    InputError : a folder has no card or no curve.
    """
    return [
        Training(
            folder.name,
            read_json(folder / "model_card.json", REMEDY),
            read_json(folder / "training_curve.json", REMEDY).get("curve", []),
        )
        for folder in sorted(folders, key=lambda folder: folder.name)
    ]


def training_sections(
    trainings: Sequence[Training], metrics: Path | None = None, overlap: Path | None = None
) -> list[Section]:
    """Every section that there is something to say in."""
    sections = [losses_section(trainings), curves_section(trainings)]
    if metrics is not None:
        measured = read_json(metrics, "give metrics.json of gather.py seq2exp")
        sections += [measures_section(measured), comparisons_section(measured)]
    if overlap is not None:
        sections.append(overlap_section(read_json(overlap, "give overlap.json of apply_seq2exp.py")))
    return [section for section in sections if section is not None]


def losses_section(trainings: Sequence[Training]) -> Section | None:
    """Held-out losses of language models and those of Markov models, and what that says."""
    models = [training for training in trainings if "markov_loss" in training.card]
    if not models:
        return None
    orders = list(dict.fromkeys(order for training in models for order in training.card["markov_loss"]))
    rows = [
        (
            model_name(training.name),
            plain(training.card.get("steps")),
            number(training.card.get("heldout_loss"), 5),
            *(number(training.card["markov_loss"].get(order), 5) for order in orders),
            training.card.get("verdict", ""),
        )
        for training in models
    ]
    headers = ("Model", "Steps", "Loss", *(f"Markov {order}" for order in orders), "Verdict")
    html = table(headers, rows, numeric=range(1, 3 + len(orders)))
    return Section(
        "training_losses",
        "Is it more than counting?",
        "Nats per base on contigs left out of training, of the model and of Markov models by their order.",
        html,
    )


def curves_section(trainings: Sequence[Training]) -> Section | None:
    """Every measure by step, one line per model; with a Markov line next to the held-out loss of language models."""
    measures = list(
        dict.fromkeys(name for training in trainings for row in training.curve for name in row if name not in HIDDEN)
    )
    tabs = {name: lines for name in measures if (lines := _lines(trainings, name))}
    if not tabs:
        return None
    what = "Running losses, and measures on held-out or validation examples, by step."
    return lines_section("training_curves", "Curves of the training", what, tabs, xlab="step", ylab="")


def _lines(trainings: Sequence[Training], name: str) -> dict[str, dict[int, float]]:
    lines: dict[str, dict[int, float]] = {}
    for training in trainings:
        for row in training.curve:
            if isinstance(row.get(name), (int, float)):
                label = " ".join(filter(None, (training.name, row.get("part"))))
                lines.setdefault(str(escape(label)), {})[int(row["step"])] = float(row[name])
        markov = training.card.get("markov_loss")
        steps = [int(row["step"]) for row in training.curve]
        if name == "heldout_loss" and markov and steps:
            order = max(markov, key=int)
            lines[str(escape(f"{training.name}: Markov {order}"))] = dict.fromkeys(steps, float(markov[order]))
    return lines


def measures_section(metrics: Mapping[str, Any]) -> Section:
    """Measures of Seq2Exp and of what it is compared with: mean and standard deviation over seeds."""
    names = ("mse", "mae", "pearson", "mask_ratio")
    rows = [
        (
            model_name(str(row.get("model", "seq2exp"))),
            str(row["evaluation"]),
            plain(row["folds"]),
            plain(row["seeds"]),
            *(f"{number(row[name]['mean'])} ± {number(row[name]['sd'])}" for name in names),
        )
        for row in metrics["summary"]
    ]
    headers = ("Model", "Evaluation", "Folds", "Seeds", "MSE", "MAE", "Pearson", "Mask ratio")
    return Section(
        "seq2exp_measures",
        "Prediction of expression",
        f"{metrics.get('target', 'log10(expression + 1)')} on contigs left out of training; mean over folds and "
        "seeds, and standard deviation over seeds.",
        table(headers, rows, numeric=range(2, 8)),
    )


def comparisons_section(metrics: Mapping[str, Any]) -> Section | None:
    """The first model against each other one, paired over folds and seeds."""
    compared = metrics.get("comparisons") or []
    if not compared:
        return None
    rows = [
        (
            model_name(str(row["other"])),
            str(row["measure"]),
            plain(row["runs"]),
            number(row["difference"]),
            probability(row["p"]),
        )
        for row in compared
    ]
    return Section(
        "seq2exp_comparisons",
        f"{escape(compared[0]['model'])} against the others",
        "Its measure less that of the other model, mean over the pairs of the same fold and seed; paired t test. Seeds "
        "share all of their training genes and folds some, so that p is a guide and no proof. A lower MSE or MAE is "
        "better.",
        table(("Other", "Measure", "Pairs", "Difference", "p"), rows, numeric=(2, 3, 4)),
    )


def overlap_section(overlap: Mapping[str, Any]) -> Section:
    """Agreement of the mask with intervals and with RIS, against a null."""
    rows = [
        (str(row["what"]), str(row["statistic"]), plain(row["n"]), number(row["value"]), probability(row["p"]))
        for row in overlap["results"]
    ]
    return Section(
        "seq2exp_overlap",
        "What the mask agrees with",
        str(overlap.get("null", "")),
        table(("With", "Statistic", "n", "Value", "p"), rows, numeric=(2, 3, 4)),
    )
