#!/usr/bin/env python3
"""Seq2Exp on real tracks, end to end: DNase as its signal, CAGE at annotated TSSs as expression.

From a data set of windows with binned targets (see training/target_windows.py) this makes the inputs of Seq2Exp, trains
it and what it is compared with by `train_seq2exp.py` over folds of chromosomes and several seeds, applies it by
`apply_seq2exp.py`, and writes summary.json. `docs/seq2exp.md` has the figures.

    python benchmarks/seq2exp_tracks.py --data tracks_hg38 --genes gene_tss_hg38_hg19.tsv.gz \
        --ccres K562-PLS.bed.gz --ccres GM12878-PLS.bed.gz --seeds 3 --out seq2exp_tracks

The windows of a chromosome become one contig, with N between them, so that a fold is of whole chromosomes; windows.tsv
has where each of them lies.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
from sklearn.linear_model import LinearRegression

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from darkregulome.genome.bases import N_CODE, letters_of_codes
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.reference import Reference
from darkregulome.io.tables import write_json
from darkregulome.seq2exp.data import read_intervals
from darkregulome.seq2exp.folds import split
from darkregulome.seq2exp.network import Seq2ExpConfig
from darkregulome.seq2exp.overlap import overlap_table
from darkregulome.seq2exp.recipe import read_recipe
from darkregulome.training.target_windows import TargetSet, read_target_set

SCRIPTS = Path(__file__).resolve().parents[1] / "bin"
RECIPE = Path(__file__).with_suffix(".yaml")
VARIANTS = ("seq2exp-hard", "caduceus", "caduceus-signals", "peaks")
"""The learnt mask, the predictor of the sequence alone, with the signal, and under a mask of peaks."""
SPACER = 10_000
"""Bases of N between two windows of a chromosome."""
AROUND_TSS = 256
"""Bases to either side of a TSS over which CAGE is summed."""
PEAK = 4.0
"""Height of a peak of DNase, in means of the track."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--genes", type=Path, required=True, help="gene_name, gene_id, chr_hg38, tss_hg38, strand_hg38")
    parser.add_argument("--ccres", type=Path, action="append", default=[], help="BED of known elements")
    parser.add_argument("--dnase", default="^DNASE:brain", help="regular expression of the signal's description")
    parser.add_argument("--cage", default="^CAGE:neuroblastoma", help="of the expression's; several are averaged")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--out", type=Path, default=Path("seq2exp_tracks"))
    options = parser.parse_args()
    inputs = options.out / "inputs"
    genes = prepare(options, inputs)
    train(options, inputs)
    first = options.variants.split(",")[0]
    folders = sorted((options.out / "models" / first).glob("fold*_seed*"))
    found = {
        "genes": len(genes),
        "contigs": int(genes["chrom"].nunique()),
        "target_variance": float(np.log10(genes["expression"] + 1).var()),
        "metrics": json.loads((options.out / "models" / "metrics.json").read_text()),
        "mean_of_training": baseline(genes, options.folds, None),
        "linear_in_dnase": baseline(genes, options.folds, "dnase"),
    }
    if first.startswith("seq2exp"):
        apply(options, inputs, folders)
        found["overlap"] = json.loads((options.out / "applied" / "overlap.json").read_text())
        found["overlap_of_signal"] = overlap_of_signal(genes, inputs, read_recipe(options.recipe)[0])
    write_json(found, options.out / "summary.json")
    print(json.dumps(found, indent=1))


def prepare(options: argparse.Namespace, inputs: Path) -> pd.DataFrame:
    """Write genome.fa, dnase.bw, expression.tsv, peaks.bed, ccres.bed and windows.tsv; the table of genes."""
    inputs.mkdir(parents=True, exist_ok=True)
    dnase, cage = read(options)
    places = join(dnase)
    places.to_csv(inputs / "windows.tsv", sep="\t", index=False)
    genes = genes_within(pd.read_csv(options.genes, sep="\t"), places, read_recipe(options.recipe)[0].window)
    genes["expression"] = [counts_at_tss(row, cage) for row in genes.itertuples()]
    genes["dnase"] = [mean_around(row, dnase) for row in genes.itertuples()]
    genes.drop(columns=["window", "offset"]).to_csv(inputs / "expression.tsv", sep="\t", index=False)
    write_genome(dnase, places, inputs / "genome.fa")
    signal = {name: values.mean(axis=1) for name, values in dnase.targets.items()}
    write_signal(signal, places, lengths(places), inputs / "dnase.bw")
    write_peaks(signal, places, inputs / "peaks.bed")
    write_elements(options.ccres, places, inputs / "ccres.bed")
    return genes


def read(options: argparse.Namespace) -> tuple[TargetSet, TargetSet]:
    """The data set with the tracks of the signal, and with those of the expression."""
    fastas = sorted(options.data.glob("sequences*.fa.gz"))
    files = (options.data / "windows.bed", next(iter(options.data.glob("targets*.npz"))), options.data / "targets.tsv")
    dnase, cage = (read_target_set(fastas, *files, pattern) for pattern in (options.dnase, options.cage))
    return dnase, cage


def join(data: TargetSet) -> pd.DataFrame:
    """Where each window begins in the contig of its chromosome's windows: window, chrom, start, end, offset."""
    rows: list[dict] = []
    filled: dict[str, int] = {}
    for name, codes in data.codes.items():
        chrom, _, span = name.rpartition(":")
        start = int(span.split("-")[0])
        offset = filled.get(chrom, 0) + SPACER
        filled[chrom] = offset + len(codes)
        rows.append({"window": name, "chrom": chrom, "start": start, "end": start + len(codes), "offset": offset})
    return pd.DataFrame(rows)


def lengths(places: pd.DataFrame) -> dict[str, int]:
    """Lengths of the joined contigs."""
    ends = places["offset"] + places["end"] - places["start"] + SPACER
    return {str(chrom): int(end) for chrom, end in ends.groupby(places["chrom"], sort=False).max().items()}


def genes_within(table: pd.DataFrame, places: pd.DataFrame, window: int) -> pd.DataFrame:
    """Genes whose whole Seq2Exp window lies in one window of the data, with their places in the joined contigs.

    The table's positions are 1-based. Of genes of one name the ids are given; TSSs of one strand at the same place are
    one gene.
    """
    table = table.assign(chrom="chr" + table["chr_hg38"].astype(str).str.removeprefix("chr"), at=table["tss_hg38"] - 1)
    found = []
    for place in places.itertuples():
        inside = table["at"].between(place.start + window // 2, place.end - window // 2 - 1)
        here = table[inside & (table["chrom"] == place.chrom)]
        found.append(here.assign(window=place.window, offset=place.offset, place=here["at"] - place.start))
    genes = pd.concat(found).drop_duplicates(["chrom", "at", "strand_hg38"])
    names = genes["gene_name"].where(~genes["gene_name"].duplicated(keep=False), genes["gene_id"])
    return pd.DataFrame(
        {
            "gene": names,
            "chrom": genes["chrom"],
            "tss": genes["offset"] + genes["place"],
            "strand": genes["strand_hg38"],
            "window": genes["window"],
            "offset": genes["offset"],
            "genome_tss": genes["at"],
        }
    ).reset_index(drop=True)


def counts_at_tss(gene, cage: TargetSet) -> float:
    """CAGE counts about a TSS on the gene's strand, the mean over samples.

    The data set holds sqrt(1 + count) - 1 of each bin, and no count was large enough to be clipped.
    """
    strand = [row for row, name in enumerate(cage.identifiers) if name.endswith(gene.strand)]
    return float(((near(gene, cage)[:, strand] + 1) ** 2 - 1).sum(axis=0).mean())


def mean_around(gene, dnase: TargetSet) -> float:
    """Mean signal about a TSS."""
    return float(near(gene, dnase).mean())


def near(gene, data: TargetSet) -> np.ndarray:
    """Targets within `AROUND_TSS` of a gene's TSS: (bins, tracks)."""
    values, codes = data.targets[gene.window], data.codes[gene.window]
    grid = len(codes) // len(values)
    at = (gene.tss - gene.offset) // grid
    reach = AROUND_TSS // grid
    return values[max(0, at - reach) : at + reach + 1]


def write_genome(data: TargetSet, places: pd.DataFrame, path: Path) -> None:
    """The joined contigs as FASTA."""
    with path.open("w") as file:
        for chrom, length in lengths(places).items():
            contig = np.full(length, N_CODE, np.uint8)
            for place in places[places["chrom"] == chrom].itertuples():
                contig[place.offset : place.offset + place.end - place.start] = data.codes[place.window]
            text = letters_of_codes(contig)
            lines = (text[first : first + 100] for first in range(0, len(text), 100))
            file.write(f">{chrom}\n" + "\n".join(lines) + "\n")


def write_signal(signal: dict[str, np.ndarray], places: pd.DataFrame, sizes: dict[str, int], path: Path) -> None:
    """The signal of the windows as a bigWig."""
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(sorted(sizes.items()))
        for place in places.sort_values(["chrom", "offset"]).itertuples():
            values = signal[place.window]
            grid = (place.end - place.start) // len(values)
            file.addEntries(place.chrom, place.offset, values=values.astype(float).tolist(), span=grid, step=grid)


def write_peaks(signal: dict[str, np.ndarray], places: pd.DataFrame, path: Path) -> None:
    """Runs of bins of at least `PEAK` means of the track."""
    height = PEAK * np.concatenate(list(signal.values())).mean()
    lines = []
    for place in places.itertuples():
        values = signal[place.window]
        grid = (place.end - place.start) // len(values)
        steps = np.diff(np.concatenate(([False], values >= height, [False])).astype(int))
        edges = zip(np.flatnonzero(steps == 1) * grid, np.flatnonzero(steps == -1) * grid, strict=True)
        lines += [f"{place.chrom}\t{place.offset + first}\t{place.offset + end}\n" for first, end in edges]
    path.write_text("".join(lines))


def write_elements(beds: list[Path], places: pd.DataFrame, path: Path) -> None:
    """Known elements within the windows, in the joined contigs, each once."""
    found: set[tuple[str, int, int]] = set()
    by_contig = {chrom: list(rows.itertuples()) for chrom, rows in places.groupby("chrom")}
    for bed in beds:
        for _, chrom, start, end, _ in bed_intervals(bed):
            for place in by_contig.get(chrom, []):
                if place.start <= start and end <= place.end:
                    found.add((chrom, start - place.start + place.offset, end - place.start + place.offset))
    path.write_text("".join(f"{chrom}\t{start}\t{end}\n" for chrom, start, end in sorted(found)))


def train(options: argparse.Namespace, inputs: Path) -> None:
    """Every variant over all folds and seeds."""
    run(
        "train_seq2exp.py", *common(inputs), "--peaks", inputs / "peaks.bed", "--config", options.recipe,
        "--variant", options.variants, "--folds", options.folds, "--seeds", options.seeds, "--no-progress",
        "--outdir", options.out / "models",
    )  # fmt: skip


def apply(options: argparse.Namespace, inputs: Path, models: list[Path]) -> None:
    """Masks, elements, predictions and their overlap with known elements, of genes of each model's test contigs."""
    chosen = [word for folder in models for word in ("--checkpoint", folder)]
    overlap = ("--ccres", inputs / "ccres.bed") if options.ccres else ()
    run("apply_seq2exp.py", *chosen, *common(inputs), *overlap, "--outdir", options.out / "applied")


def overlap_of_signal(genes: pd.DataFrame, inputs: Path, config: Seq2ExpConfig) -> dict:
    """What overlap.json says where DNase itself is taken for the mask: a learnt mask should say more."""
    starts = genes["tss"] - config.window // 2
    with pyBigWig.open(str(inputs / "dnase.bw")) as signal:
        values = [
            np.nan_to_num(signal.values(chrom, start, start + config.window, numpy=True))
            for chrom, start in zip(genes["chrom"], starts, strict=True)
        ]
    masks = pd.DataFrame({"gene": genes["gene"], "chrom": genes["chrom"], "start": starts, "mask": values})
    with Reference(inputs / "genome.fa") as reference:
        known = read_intervals(inputs / "ccres.bed", reference.contigs)
    return overlap_table(masks, genes["strand"], config.resolution, known, None)


def common(inputs: Path) -> tuple:
    """What both scripts read."""
    signal = f"dnase={inputs / 'dnase.bw'}"
    return ("--fasta", inputs / "genome.fa", "--expression", inputs / "expression.tsv", "--signal", signal)


def run(script: str, *words) -> None:
    subprocess.run([sys.executable, str(SCRIPTS / script), *map(str, words)], check=True)


def baseline(genes: pd.DataFrame, count: int, column: str | None) -> dict[str, float]:
    """Errors, over the same folds, of the mean of the training genes, or of a line in log10(1 + DNase at the TSS).

    A fold's model is fitted to the genes that a network trains on; those of the validation choose nothing here. MSE and
    Pearson correlation are means over folds, as in metrics.json.
    """
    genes = genes.assign(target=np.log10(genes["expression"] + 1))
    errors, correlations = [], []
    for fold in range(count):
        parts = split(genes, count, fold)
        train, test = parts["training"], parts["test"]
        if column is None:
            predicted = np.full(len(test), train["target"].mean())
        else:
            x, wanted = (np.log10(part[[column]].to_numpy() + 1) for part in (train, test))
            predicted = LinearRegression().fit(x, train["target"]).predict(wanted)
            correlations.append(np.corrcoef(predicted, test["target"])[0, 1])
        errors.append(((predicted - test["target"]) ** 2).mean())
    found = {"mse": float(np.mean(errors))}
    return found | ({"pearson": float(np.mean(correlations))} if correlations else {})


if __name__ == "__main__":
    main()
