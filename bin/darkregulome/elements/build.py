"""From annotation to elements: the dark genome of each locus, cut into disjoint classified intervals."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from darkregulome.elements.class_map import ClassMap, read_class_map
from darkregulome.elements.settings import AnnotationFiles, ElementSettings
from darkregulome.errors import InputError, Problems, listed
from darkregulome.genome import sequence as seq
from darkregulome.genome.annotation import LNCRNA_BIOTYPES, TE_CLASSES, Annotation, read_gtf, read_repeats
from darkregulome.genome.background import background_features, fit_background
from darkregulome.genome.bed import Windows, best_column, read_bed
from darkregulome.genome.intervals import KEYS, covered_fraction, merge, paint
from darkregulome.genome.reference import Reference
from darkregulome.io.schemas import ELEMENTS

# Who wins where classes overlap, highest first.
PRIORITY = ("cCRE", "lncRNA_exon", "conserved", "TE", "other")
NOT_DARK = "coding"
_LABELS = ["strand", "class", "subclass", "family"]
_EMPTY_LABELS = {"strand": ".", "family": "."}


@dataclass
class Sources:
    """Annotation around the loci, in the reference's contig names.

    Attributes
    ----------
    intervals : chrom, start, end, strand, class, subclass, family; rows may overlap, the winners come first.
    repeats : chrom, start, end of every repeat, simple ones too.
    not_dark : chrom, start, end of what is no dark genome (CDS and UTR of protein-coding transcripts).
    """

    intervals: pd.DataFrame
    repeats: pd.DataFrame
    not_dark: pd.DataFrame
    notes: list[str] = field(default_factory=list)


@dataclass
class Elements:
    """Elements as `io.schemas.ELEMENTS` has them (and `family`), and the loci that have none."""

    table: pd.DataFrame
    empty_loci: list[str]
    notes: list[str]

    def failed(self, loci: pd.DataFrame) -> pd.DataFrame:
        """The loci without element as the table that the report reads: locus, gene, stage, reason."""
        empty = loci[loci["locus"].isin(self.empty_loci)]
        return empty[["locus", "gene"]].assign(stage="build_elements", reason="no element in its window")


def read_sources(
    loci: pd.DataFrame,
    reference: Reference,
    gtf: Path,
    files: AnnotationFiles,
    class_column: int | None = None,
) -> Sources:
    """Read every annotation around the loci; all faulty files are named at once.

    Parameters
    ----------
    class_column : column of the regulatory BED, from 1, that holds the class word; None finds it.

    Raises
    ------
    InputError
        A file is absent, damaged, empty or of another assembly.
    """
    windows, contigs, problems = Windows(loci), reference.contigs, Problems()
    parts: list[pd.DataFrame] = []
    notes: list[str] = []
    repeat_table, not_dark = pd.DataFrame(columns=KEYS), pd.DataFrame(columns=KEYS)
    if (annotation := problems.attempt(read_gtf, gtf, contigs, windows)) is not None:
        notes += annotation.notes
        not_dark = merge(annotation.exons[annotation.exons["coding"]])
        parts.append(_lncrna_exons(annotation))
    regulatory, repeats, conserved = files.regulatory, files.repeats, files.conserved
    words = problems.attempt(read_class_map, files.class_map) if files.class_map or regulatory else None
    if regulatory is not None and (bed := problems.attempt(read_bed, regulatory, contigs, windows)) is not None:
        classified = problems.attempt(_regulatory, bed.table, regulatory, words or ClassMap(), class_column)
        if classified is not None:
            parts.append(classified[0])
            notes += bed.notes + classified[1]
    if repeats is not None and (rmsk := problems.attempt(read_repeats, repeats, contigs, windows)) is not None:
        notes += rmsk.notes
        repeat_table = rmsk.table[KEYS]
        parts.append(_transposable(rmsk.table))
    if conserved is not None and (bed := problems.attempt(read_bed, conserved, contigs, windows)) is not None:
        notes += bed.notes
        parts.append(_labelled(merge(bed.table), "conserved", "conserved"))
    problems.raise_all()
    return Sources(_by_priority(parts), repeat_table, not_dark, notes)


def build_elements(
    loci: pd.DataFrame, sources: Sources, reference: Reference, settings: ElementSettings | None = None
) -> Elements:
    """Cut the dark genome of each locus into elements and describe each.

    Where classes overlap, the higher one keeps the bases: cCRE, lncRNA exon, conserved, TE, other; within a class the
    shorter interval does (a repeat that jumped into another is the younger). A region that two loci share gives one
    element to each.

    Parameters
    ----------
    loci : as `io.schemas.LOCI`; windows lie inside their contigs.

    Raises
    ------
    InputError
        No locus has any element.
    """
    settings = settings or ElementSettings()
    pieces = _disjoint_pieces(loci, sources, settings)
    tables = [_elements_of(locus, pieces, reference, settings) for locus in loci.to_dict("records")]
    empty = [str(name) for name, table in zip(loci["locus"], tables, strict=True) if table.empty]
    if len(empty) == len(loci):
        raise InputError.at(
            "the annotation",
            f"has no interval of {settings.min_length} bases or more around any of the {len(loci)} loci",
            "check that loci and annotation are of one assembly, widen --flank, or lower --min-length",
        )
    table = pd.concat([one for one in tables if len(one)], ignore_index=True)
    table["repeat_fraction"] = covered_fraction(table, sources.repeats)
    table = table.sort_values(["locus", "chrom", "start"], kind="stable").reset_index(drop=True)
    windows = loci.set_index("locus").loc[table["locus"], ["start", "end"]].reset_index(drop=True)
    background = fit_background(reference)
    table = table.join(background_features(table, windows, background))
    notes = [f"locus {name} has no element and is left out" for name in empty]
    if n_only := int((table["n_fraction"] == 1).sum()):
        notes.append(f"{n_only} elements are N only; they are kept, and no model will score them")
    return Elements(table[_column_order(table)], empty, sources.notes + notes + background.notes)


def signed_distance(start: ArrayLike, end: ArrayLike, tss: ArrayLike, strand: ArrayLike) -> NDArray[np.int64]:
    """Bases from the TSS to the nearest base of ``[start, end)``: negative upstream, 0 if it covers it.

    Upstream is on the gene's `strand`. Integers; TSS and strand are one for all intervals, or one for each.
    """
    start, end, tss = np.asarray(start), np.asarray(end), np.asarray(tss)
    forward = np.where(start > tss, start - tss, np.where(end <= tss, end - 1 - tss, 0))
    return np.where(np.asarray(strand) == "-", -forward, forward).astype(np.int64)


def describe(sequence: str) -> dict[str, float]:
    """The features of an element that its sequence alone gives."""
    return {
        "gc": seq.gc(sequence),
        "cpg_oe": seq.cpg_oe(sequence),
        "complexity": seq.complexity(sequence),
        "n_fraction": seq.n_fraction(sequence),
    }


def _lncrna_exons(annotation: Annotation) -> pd.DataFrame:
    exons = annotation.exons[annotation.exons["biotype"].isin(LNCRNA_BIOTYPES) & ~annotation.exons["coding"]]
    merged = merge(exons, on=["strand", "biotype"])
    return merged.rename(columns={"biotype": "subclass"}).assign(**{"class": "lncRNA_exon", "family": "."})


def _regulatory(
    table: pd.DataFrame, path: str | Path, class_map: ClassMap, class_column: int | None
) -> tuple[pd.DataFrame, list[str]]:
    """Classify a regulatory BED by the word in its class column: the fourth, unless the map's words are in another."""
    column = _class_column(table, path, class_map, class_column)
    notes = [] if column == "column4" else [f"{path}: class words are read from column {column.removeprefix('column')}"]
    labels, unknown = class_map.classify(table[column])
    if unknown:
        count = int(table[column].isin(unknown).sum())
        notes.append(
            f"{path}: {count} records have a word that the class map lacks ({listed(unknown, 5)}); they are class other"
        )
    return merge(table[KEYS].join(labels), on=["class", "subclass"]).assign(**_EMPTY_LABELS), notes


def _class_column(table: pd.DataFrame, path: str | Path, class_map: ClassMap, asked: int | None) -> str:
    if asked is not None:
        if f"column{asked}" not in table.columns:
            raise InputError.at(path, f"has no column {asked}", "give the column of the class word, from 4 on")
        return f"column{asked}"
    if table.empty or class_map.has(table["column4"]).any():
        return "column4"
    return best_column(table, class_map.has) or "column4"


def _transposable(repeats: pd.DataFrame) -> pd.DataFrame:
    elements = repeats[repeats["repeat_class"].isin(TE_CLASSES)]
    labelled = elements[[*KEYS, "strand", "family", "name"]].rename(columns={"name": "subclass"})
    labelled["class"] = "TE"
    return labelled


def _labelled(table: pd.DataFrame, kind: str, subclass: str) -> pd.DataFrame:
    labels: dict[str, str] = {"class": kind, "subclass": subclass, **_EMPTY_LABELS}
    labelled = table[KEYS].copy()
    labelled[list(labels)] = list(labels.values())
    return labelled


def _by_priority(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """All intervals, winners first: by class, then the shorter, then by position and name."""
    intervals = pd.concat([part[[*KEYS, *_LABELS]] for part in parts if len(part)] or [_no_intervals()])
    rank = intervals["class"].map({kind: at for at, kind in enumerate(PRIORITY)})
    intervals = intervals.assign(rank=rank, length=intervals["end"] - intervals["start"])
    order = ["rank", "length", *KEYS, "subclass", "strand"]
    return intervals.sort_values(order, kind="stable", ignore_index=True).drop(columns=["rank", "length"])


def _no_intervals() -> pd.DataFrame:
    return pd.DataFrame({**dict.fromkeys(["chrom", *_LABELS], ""), "start": 0, "end": 0}, index=[0]).iloc[:0]


def _disjoint_pieces(loci: pd.DataFrame, sources: Sources, settings: ElementSettings) -> pd.DataFrame:
    removed = [sources.not_dark[KEYS]]
    if settings.promoter_exclusion:
        reach = settings.promoter_exclusion
        around = loci.assign(start=(loci["tss"] - reach).clip(lower=0), end=loci["tss"] + reach + 1)
        removed.append(around[KEYS])
    blank = pd.concat([part for part in removed if len(part)] or [sources.not_dark[KEYS]])
    blank = _labelled(blank, NOT_DARK, NOT_DARK)
    ranked = pd.concat([part for part in (blank, sources.intervals) if len(part)] or [blank], ignore_index=True)
    pieces = paint(ranked, merge(loci))
    pieces[_LABELS] = ranked[_LABELS].iloc[pieces["row"]].to_numpy()
    return pieces[pieces["class"] != NOT_DARK]


def _elements_of(locus: dict, pieces: pd.DataFrame, reference: Reference, settings: ElementSettings) -> pd.DataFrame:
    """The elements of one locus: pieces cut at the window, long ones split, short ones dropped, features added."""
    chrom, left, right = locus["chrom"], locus["start"], locus["end"]
    own = pieces[(pieces["chrom"] == chrom) & (pieces["start"] < right) & (pieces["end"] > left)]
    own = own.assign(start=own["start"].clip(lower=left), end=own["end"].clip(upper=right))
    own = own[own["end"] - own["start"] >= settings.min_length]
    if own.empty:
        return own
    table = _split_long(own, settings.max_length)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    window = reference.fetch(chrom, left, right)
    features = pd.DataFrame([describe(window[s - left : e - left]) for s, e in zip(start, end, strict=True)])
    table = pd.concat([table.drop(columns="row"), features], axis=1)
    names = [f"{locus['locus']}|{chrom}:{s}-{e}|{c}" for s, e, c in zip(start, end, table["class"], strict=True)]
    return table.assign(
        element=names,
        locus=locus["locus"],
        distance=signed_distance(start, end, locus["tss"], locus["strand"]),
        length=end - start,
    )


def _split_long(table: pd.DataFrame, max_length: int) -> pd.DataFrame:
    """Split rows longer than `max_length` into the fewest parts that fit, whose lengths differ by one base at most."""
    length = (table["end"] - table["start"]).to_numpy()
    parts = -(-length // max_length)
    repeated = table.loc[table.index.repeat(parts)].reset_index(drop=True)
    index = np.concatenate([np.arange(count) for count in parts])
    whole, count = np.repeat(length, parts), np.repeat(parts, parts)
    start = repeated["start"].to_numpy()
    return repeated.assign(start=start + index * whole // count, end=start + (index + 1) * whole // count)


def _column_order(table: pd.DataFrame) -> list[str]:
    first = ELEMENTS.columns
    return [*first, *(column for column in table.columns if column not in first)]


def class_counts(table: pd.DataFrame) -> dict[str, int]:
    """Number of elements by class, in the order of priority."""
    counts = Counter(table["class"])
    return {kind: counts[kind] for kind in PRIORITY if counts[kind]}
