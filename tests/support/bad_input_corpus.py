"""Bad inputs, one file a case (bad_inputs/SCRIPT/CASE.yml), and the small world of good inputs that they spoil.

A case says what is run (`run`, with `{world}` for the good inputs and `{case}` for the case's own folder), which files
it needs (`files`: text; `made`: from good ones), and what the user must be told (`says`).
"""

import base64
import shlex
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig
import pysam
import yaml

import toy
from pipeline_runner import make_models
from places import ROOT
from script_runner import Ran, run_script

CORPUS = ROOT / "tests" / "bad_inputs"


@dataclass(frozen=True)
class Case:
    """One bad input."""

    script: str
    name: str
    run: str
    says: list[str]
    files: dict[str, str] = field(default_factory=dict)
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    usage: bool = False


def read_corpus(pipeline: bool = False) -> list[Case]:
    """Every case of the scripts, or of the pipeline, sorted."""
    paths = sorted(path for path in CORPUS.glob("*/*.yml") if (path.parent.name == "pipeline") == pipeline)
    return [Case(path.parent.name, path.stem, **yaml.safe_load(path.read_text())) for path in paths]


def run_case(case: Case, world: Path, folder: Path) -> Ran:
    """Make the case's files in `folder`, with an output folder that holds a result already, and run it."""
    place(case, world, folder)
    return run_script(case.script, *words(case, world, folder))


def words(case: Case, world: Path, folder: Path) -> list[str]:
    """The case's command line."""
    return [word.replace("{world}", str(world)).replace("{case}", str(folder)) for word in shlex.split(case.run)]


def place(case: Case, world: Path, folder: Path) -> None:
    """Write the case's files, and an earlier result that must stay as it is."""
    (folder / "out").mkdir()
    (folder / "out" / "earlier.txt").write_text("an earlier result\n")
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        toy.write_text(folder / name, text)
    for name, recipe in case.made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _make(folder / name, world, **recipe)


def _make(
    path: Path,
    world: Path,
    of: str = "",
    keep: float | None = None,
    base64_bytes: str | None = None,
    drop: list[str] | None = None,
    put: dict[str, Any] | None = None,
    rows: int | None = None,
    bigwig: dict[str, int] | None = None,
    arrays: dict[str, list[int]] | None = None,
    folder: bool = False,
) -> None:
    """A file from a good one: its first part (`keep`), a table without columns, with other values or fewer rows; or
    bytes; or a bigWig of contigs; or an npz of zeros; or an empty folder."""
    if folder:
        path.mkdir()
    elif base64_bytes is not None:
        path.write_bytes(base64.b64decode(base64_bytes))
    elif bigwig is not None:
        write_bigwig(path, bigwig)
    elif arrays is not None:
        np.savez(path, **{name: np.zeros(shape) for name, shape in arrays.items()})  # type: ignore[arg-type]
    elif keep is not None:
        data = (world / of).read_bytes()
        path.write_bytes(data[: int(keep * len(data))])
    elif drop is not None or put is not None or rows is not None:
        source = world / of
        table = pd.read_parquet(source) if source.suffix == ".parquet" else pd.read_csv(source, sep="\t")
        table = table.head(len(table) if rows is None else rows).drop(columns=drop or []).assign(**(put or {}))
        (table.to_parquet if path.suffix == ".parquet" else lambda to: table.to_csv(to, sep="\t", index=False))(path)
    elif (world / of).is_dir():
        shutil.copytree(world / of, path)
    else:
        shutil.copy(world / of, path)


def write_bigwig(path: Path, lengths: dict[str, int]) -> None:
    """A bigWig with one value everywhere."""
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader(list(lengths.items()))
        for name, length in lengths.items():
            bigwig.addEntries(name, 0, values=[0.5] * length, span=1, step=1)


def make_world(folder: Path) -> Path:
    """Good inputs for every script, made by the scripts themselves where one makes them."""
    paths = toy.write_toy_genome(folder)
    write_bigwig(folder / "phylop.bw", toy.LENGTHS)
    model = make_models(folder)["demo-hyena"]
    common = {"fasta": paths["fasta"], "gtf": paths["gtf"]}
    _do("prepare_loci", **common, loci=paths["loci"], flank=9000, out=folder / "loci.tsv")
    tracks = {name: paths[name] for name in ("regulatory", "repeats", "conserved", "class_map")}
    _do("build_elements", **common, **tracks, loci=folder / "loci.tsv", outdir=folder)
    scored = {"elements": folder / "elements.parquet", "fasta": paths["fasta"], "loci": folder / "loci.tsv"}
    made = {"out": folder / "effects.parquet", "reference_out": folder / "reference.parquet"}
    _do("score_elements", **scored, **made, model="demo-hyena", weights=model, sites=1, window=64, device="cpu")
    pooled = {"effects": folder / "effects.parquet", "reference": folder / "reference.parquet"}
    _do("pool_ris", elements=folder / "elements.parquet", **pooled, outdir=folder)
    bases = toy.toy_sequences()["chr1"]
    toy.write_text(folder / "eqtls.tsv", f"chrom\tpos\tref\tgene\nchr1\t8101\t{bases[8100]}\tALPHA\n")
    records = "".join(f"chr1\t{at}\t.\t{bases[at - 1]}\tN\t.\t.\t.\n" for at in (7001, 8001, 9001))
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    toy.write_text(folder / "variants.vcf", head + records)
    pysam.tabix_compress(str(folder / "variants.vcf"), str(folder / "variants.vcf.gz"))
    for name in ("links.tsv", "links.tsv.gz"):
        toy.write_text(folder / name, "protein1\tprotein2\tcombined_score\nALPHA\tBETA\t900\n")
    genes = "".join(f"{name}\t{chrom}\t{tss}\t{strand}\t1.5\n" for name, (chrom, tss, strand) in toy.TSS.items())
    toy.write_text(folder / "expression.tsv", "gene\tchrom\ttss\tstrand\texpression\n" + genes)
    return folder


def _do(script: str, **options: object) -> None:
    ran = run_script(script, "--no-progress", **options)
    assert ran.code == 0, ran.err


def snapshot(*folders: Path) -> dict[str, bytes]:
    """Every file and folder, hidden ones too, with its content."""
    return {
        str(path): path.read_bytes() if path.is_file() else b""
        for folder in folders
        for path in sorted(folder.rglob("*"))
    }
