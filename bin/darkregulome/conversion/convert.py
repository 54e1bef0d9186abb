"""Anybody's scores as the two tables that the diagnosis takes: elements and RIS."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.conversion.arrays import read_arrays
from darkregulome.conversion.baskerville import read_baskerville
from darkregulome.conversion.scored import IntervalScores, Scores
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.conversion.tables import BigWigScores, read_bed_scores, read_score_table, suffix_of
from darkregulome.conversion.variants import read_variant_scores
from darkregulome.elements.own import OwnElements, complete_elements
from darkregulome.elements.settings import Around
from darkregulome.errors import InputError
from darkregulome.genome.bed import is_bed, read_interval_table
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.intervals import KEYS
from darkregulome.io.schemas import ELEMENTS, KINDS, READOUTS, RIS
from darkregulome.io.tables import check_table, column_names, read_provenance, read_table

_BY_SUFFIX = {".npz": "npz", ".h5": "baskerville", ".hdf5": "baskerville", ".bw": "bigwig", ".bigwig": "bigwig"}
_BY_SUFFIX |= {".bed": "bed", ".bedgraph": "bed", ".bg": "bed", ".narrowpeak": "bed", ".broadpeak": "bed"}
_KIND_OF = {"gpn": "masked", "npz": "output", "baskerville": "output"}


@dataclass(frozen=True)
class Source:
    """One file of scores, the name of its model (a table may name models itself), and how it is read."""

    path: Path
    model: str
    form: ScoreFormat


@dataclass
class Converted:
    """Tables of the schemas ELEMENTS, RIS and LOCI, and what was done, one sentence each."""

    elements: pd.DataFrame
    ris: pd.DataFrame
    loci: pd.DataFrame
    notes: list[str]


def sources_from(words: Sequence[str], form: ScoreFormat) -> list[Source]:
    """Sources of ``FILE`` or ``NAME=FILE`` words; a file without a name gives its own to its model."""
    pairs = [word.split("=", 1) if "=" in word else ["", word] for word in words if word]
    if not pairs:
        raise InputError.at("--scores", "names no file", "give FILE or NAME=FILE")
    names = [name or model_named(Path(path)) for name, path in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError.at("--scores", f"has two files of the model {twice[0]!r}", "give NAME=FILE")
    return [Source(Path(path), name, form) for name, (_, path) in zip(names, pairs, strict=True)]


def model_named(path: Path) -> str:
    """The model of a file that names none: the file's name without its format and compression."""
    name = path.name.removesuffix(".gz")
    return name.rpartition(".")[0] or name


def format_of(source: Source) -> str:
    """The format of a file: as stated, else by its extension and, for tables, by its columns."""
    if source.form.format != "auto":
        return source.form.format
    suffix = suffix_of(source.path)
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    columns = {name.lower() for name in column_names(source.path)}
    if {"pos", "ref", "alt"} <= columns and "start" not in columns:
        return "gpn" if suffix == ".parquet" else "variants"
    return "gpn" if suffix == ".parquet" and len(columns) == 1 else "table"


def read_scores_of(source: Source) -> Mapping[str, Scores]:
    """Scores of one file, by model."""
    kind, path, form = format_of(source), source.path, source.form
    if kind == "table":
        return read_score_table(path, source.model, form.score_column, form.gene_column)
    if form.gene_column is not None:
        remedy = "give a table (TSV, CSV, parquet) of pairs, or leave out --gene-column"
        raise InputError.at(path, f"is read as {kind}, which has no column of genes", remedy)
    readers: dict[str, Callable[[], Scores]] = {
        "bed": lambda: read_bed_scores(path, form.score_column),
        "bigwig": lambda: BigWigScores(pd.DataFrame(), path),
        "npz": lambda: read_arrays(path, form),
        "baskerville": lambda: read_baskerville(path, form),
        "gpn": lambda: read_variant_scores(path, form, log_ratios=True),
        "variants": lambda: read_variant_scores(path, form, log_ratios=False),
    }
    return {source.model: readers[kind]()}


def read_own_elements(path: Path) -> pd.DataFrame:
    """An element table, or BED (name in column 4, strand in column 6), with the columns that it has."""
    table = read_interval_table(path)
    if "element" in table.columns and table["element"].isna().any():
        return table.drop(columns="element")
    return table


def convert(sources: Sequence[Source], elements: Path | None = None, around: Around | None = None) -> Converted:
    """Elements and RIS of score files.

    Parameters
    ----------
    elements : the elements to pool over; None takes the intervals of the scores, which must then be the same in every
        file.

    Raises
    ------
    InputError
        A file is none of the layouts that are documented, or no element gets a score.
    """
    if elements is not None and any(source.form.gene_column for source in sources):
        raise InputError.at("--gene-column", "goes with the intervals of the pairs themselves", "leave out --elements")
    scores: dict[str, tuple[Source, Scores]] = {}
    for source in sources:
        for model, one in read_scores_of(source).items():
            if model in scores:
                raise InputError.at(source.path, f"has scores of {model!r}, as another file does", "give NAME=FILE")
            scores[model] = (source, one)
    where = elements or sources[0].path
    intervals = read_own_elements(elements) if elements is not None else _shared_intervals(scores)
    own = complete_elements(intervals, where, around)
    contigs = Contigs(dict.fromkeys(own.table["chrom"].unique(), 0), where)
    rows = [_ris(model, source, one.named_as(contigs), own) for model, (source, one) in scores.items()]
    ris = pd.concat(rows, ignore_index=True)
    own.notes += _without_predictability(ris)
    if ris["readout"].isna().all():
        ris = ris.drop(columns="readout")
    own.notes += [note for _, one in scores.values() for note in one.notes]
    return Converted(own.table, check_table(ris, RIS, where), own.loci, own.notes)


def _shared_intervals(scores: Mapping[str, tuple[Source, Scores]]) -> pd.DataFrame:
    """The intervals of every file, which must be the same."""
    shared: pd.DataFrame | None = None
    for source, one in scores.values():
        intervals = one.intervals()
        if intervals is None:
            remedy = "give the elements to pool over by --elements (BED or table)"
            raise InputError.at(source.path, "has no intervals of its own", remedy)
        intervals = intervals.drop_duplicates(_pair_keys(intervals), ignore_index=True)
        if shared is None:
            shared = intervals
        elif _places(shared) != _places(intervals):
            remedy = "give --elements for all of them"
            raise InputError.at(source.path, "has other intervals than the first file", remedy)
    assert shared is not None
    return shared


def _pair_keys(intervals: pd.DataFrame) -> list[str]:
    return [*KEYS, *(name for name in ("pair_gene",) if name in intervals.columns)]


def _places(intervals: pd.DataFrame) -> set[tuple]:
    return set(intervals[_pair_keys(intervals)].itertuples(index=False, name=None))


def _ris(model: str, source: Source, scores: Scores, own: OwnElements) -> pd.DataFrame:
    """Rows of RIS of one model, and its notes."""
    table = scores.over(own.table)
    has_score = np.isfinite(table["ris"].to_numpy(dtype=float))
    if not has_score.any():
        raise InputError.at(source.path, f"has no score of {model} on any element", "check that the assemblies agree")
    has_predictability = "predictability" in table and table["predictability"].notna().any()
    kind, readout = _stated(scores, source)
    if kind is None:
        kind = "masked" if has_predictability else "output"
        own.notes.append(f"The kind of {model} is not stated; taken as {kind!r} (--kind states it).")
    if lost := int((~has_score).sum()):
        own.notes.append(f"{lost} of {len(has_score)} elements have no score of {model}.")
    table = table.assign(model=model, kind=kind, readout=readout, status=np.where(has_score, "ok", "no_effects"))
    return table[[name for name in RIS.columns if name in table.columns]]


def _without_predictability(ris: pd.DataFrame) -> list[str]:
    """What the reader of a diagnosis must know where predictability is not known.

    An output model has none of its own: it is named only where no other model lends it any.
    """
    if "predictability" not in ris:
        lacking = sorted(ris["model"].unique())
    else:
        has_any = ris.groupby("model")["predictability"].apply(lambda values: values.notna().any())
        kinds = ris.groupby("model")["kind"].first()
        lacking = [str(model) for model in has_any.index if not has_any[model] and kinds[model] != "output"]
    return [
        f"WARNING: no predictability of {model} is known: nothing of it survives or hinges, unless another model of "
        "the scores lends it its own."
        for model in lacking
    ]


def _stated(scores: Scores, source: Source) -> tuple[str | None, str | None]:
    """Kind and readout: of the options, of the file, of the format."""
    columns = scores.table if isinstance(scores, IntervalScores) else pd.DataFrame()
    words = {
        name: next((str(word) for word in columns[name].dropna() if str(word) in allowed), None)
        for name, allowed in (("kind", KINDS), ("readout", READOUTS))
        if name in columns
    }
    form = format_of(source)
    readout = words.get("readout") or ("llr" if form == "gpn" else None)
    return source.form.kind or words.get("kind") or _KIND_OF.get(form), readout


def read_any_scores(
    elements: Path | None, ris: Path, form: ScoreFormat | None = None, around: Around | None = None
) -> Converted:
    """Elements and scores for the diagnosis: tables of ours as they are, anybody's completed.

    Parameters
    ----------
    elements : element table or BED; None where `ris` has the intervals itself. What `convert_scores.py` noted in it is
        passed on.
    ris : table with element or chrom, start, end, and ris, score or the score column; model is optional.
    form : names of columns that the table calls otherwise.
    """
    scores = read_table(ris)
    form = form or ScoreFormat(format="table")
    ours = form.score_column is None and form.gene_column is None and {"element", "model", "ris"} <= set(scores.columns)
    if elements is not None and ours:
        table = read_own_elements(elements)
        if set(ELEMENTS.required) <= set(table.columns):
            notes = [] if is_bed(elements) else read_provenance(elements).get("notes", [])
            table, scores = check_table(table, ELEMENTS, elements), check_table(scores, RIS, ris)
            return Converted(table, scores, pd.DataFrame(), notes)
    return convert([Source(ris, model_named(ris), form)], elements, around)
