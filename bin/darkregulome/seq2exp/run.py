"""Whole runs of Seq2Exp: from options to checkpoint folders and their measures, or to masks and predictions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from darkregulome.errors import InputError
from darkregulome.genome.reference import Reference
from darkregulome.io.schemas import SEQ2EXP_PREDICTIONS
from darkregulome.io.tables import write_json, write_table
from darkregulome.models.checkpoint import save_checkpoint
from darkregulome.seq2exp.data import ExpressionWindows, read_genes, read_intervals
from darkregulome.seq2exp.folds import metrics_table, summary_of, train_folds
from darkregulome.seq2exp.output import Ensemble, base_masks, elements_of, write_elements, write_mask
from darkregulome.seq2exp.overlap import overlap_table, read_residuals
from darkregulome.seq2exp.recipe import read_recipe
from darkregulome.seq2exp.settings import ExpressionInputs, FoldPlan, MaskOptions, OverlapOptions, TrainedModels
from darkregulome.seq2exp.variants import OWN, variant
from darkregulome.training.settings import RestartOptions
from darkregulome.training.state import StateFile


def train_into(
    outdir: Path,
    inputs: ExpressionInputs,
    models: TrainedModels,
    plan: FoldPlan,
    restart: RestartOptions,
    command: str,
    report: Callable[[Mapping[str, Any]], None],
) -> None:
    """Train every model over its folds and seeds; write a checkpoint folder for each, and their measures.

    Parameters
    ----------
    command : the command line, for the model cards.
    report : called with a row of measures at each validation.
    """
    config, recipe = read_recipe(models.config)
    if models.steps is not None:
        recipe = recipe.model_copy(update={"steps": models.steps})
    configs = {name: variant(config, name) for name in models.variant or (OWN,)}
    strange = sorted(set(inputs.signal) - set(config.signals))
    if strange:
        raise InputError.at(
            "--signal", f"{strange[0]!r} is not a signal of the config", "add it there, or leave it out"
        )
    states = restart.state or outdir / ".state"
    state_files: list[StateFile] = []

    def state_of(name: str, identity: dict[str, Any]) -> StateFile:
        state_files.append(StateFile(states / f"{name}.state", identity, restart.state_minutes))
        return state_files[-1]

    rows: list[dict[str, Any]] = []
    with Reference(inputs.fasta) as reference:
        genes = read_genes(inputs.expression, reference.contigs)
        for name, model_config in configs.items():
            # A variant that reads the sequence alone leaves the signals that others need unread.
            own = {one: path for one, path in inputs.signal.items() if name == OWN or one in model_config.signals}
            windows = ExpressionWindows(reference, own, model_config, inputs.peaks, recipe.shift)
            for run in train_folds(name, model_config, recipe, windows, genes, plan, report, state_of):
                folder = outdir / ("" if name == OWN else name) / f"fold{run.fold}_seed{run.seed}"
                card = run.card(command) | {"recipe": recipe.model_dump()}
                save_checkpoint(run.trained.model, model_config, folder, card)
                write_json({"curve": run.trained.curve}, folder / "training_curve.json")
                rows += run.rows
    table = metrics_table(rows)
    write_table(table, outdir / "metrics.tsv")
    write_json(summary_of(table), outdir / "metrics.json")
    for state_file in state_files:
        state_file.remove()
    if states.is_dir() and not any(states.iterdir()):
        states.rmdir()


def apply_into(
    outdir: Path, checkpoints: Sequence[Path], inputs: ExpressionInputs, options: MaskOptions, overlap: OverlapOptions
) -> str:
    """Write masks, elements and predictions of the models' mean, and their agreement with known elements.

    Returns
    -------
    How many genes and elements there are, in words.
    """
    ensemble = Ensemble(checkpoints, held_out=options.genes == "test")
    with Reference(inputs.fasta) as reference:
        genes = read_genes(inputs.expression, reference.contigs)
        # Whatever may be refused is read before anything is written.
        ccres = None if overlap.ccres is None else read_intervals(overlap.ccres, reference.contigs)
        residuals = None
        if overlap.residuals is not None and overlap.elements is not None:
            residuals = read_residuals(overlap.residuals, overlap.elements, reference.contigs)
        windows = ExpressionWindows(reference, inputs.signal, ensemble.config, inputs.peaks)
        applied = ensemble.apply(windows, genes, options.batch)
        lengths = reference.lengths
    if not applied["models"].any():
        raise InputError.at("--genes", "no gene lies on a test contig of any model", "give --genes all")
    resolution = ensemble.config.resolution
    masks = base_masks(applied, genes, resolution)
    elements = elements_of(masks, lengths, options.threshold, options.min_length)
    write_mask(masks, lengths, outdir / "mask.bw")
    write_elements(elements, outdir / "elements.bed.gz")
    predictions = genes.join(applied.drop(columns="soft"))
    write_table(predictions[SEQ2EXP_PREDICTIONS.columns], outdir / "predictions.tsv", SEQ2EXP_PREDICTIONS)
    if ccres is not None or residuals is not None:
        strands = genes.set_index("gene").loc[masks["gene"], "strand"].reset_index(drop=True)
        table = overlap_table(masks, strands, resolution, ccres, residuals, overlap.permutations, overlap.seed)
        write_json(table, outdir / "overlap.json")
    return f"{int((applied['models'] > 0).sum())} of {len(genes)} genes, {len(elements)} elements"
