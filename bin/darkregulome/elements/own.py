"""Elements from intervals that somebody else chose: what their table lacks is worked out, and said.

Features come from the sequence where a FASTA is given, the locus and the distance from the nearest TSS where genes or
loci are; without those, neighbouring intervals are one locus, and no distance is known.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from darkregulome.elements.build import describe, signed_distance
from darkregulome.elements.class_map import ClassMap, read_class_map
from darkregulome.elements.loci import five_prime_ends, place_loci, read_locus_rows
from darkregulome.elements.settings import Around
from darkregulome.errors import InputError, Problem, listed, raise_all
from darkregulome.genome.annotation import read_gtf, read_repeats
from darkregulome.genome.background import FEATURES, background_features, fit_background
from darkregulome.genome.bed import Windows, check_interval_table, place
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.intervals import KEYS, covered_fraction
from darkregulome.genome.reference import Reference
from darkregulome.io.schemas import CLASSES, ELEMENTS
from darkregulome.io.tables import check_table

SEQUENCE_FEATURES = ("gc", "cpg_oe", "complexity", "n_fraction")
BACKGROUND_FLANK = 10_000
"""Earlier copies are looked for in the cluster of neighbouring intervals and this far around it."""
CLUSTER_GAP = 100_000
"""Without a TSS, intervals farther apart than this lie in two loci."""
CLUSTER_SPAN = 1_000_000
"""Without a TSS, a locus is not wider than this."""
PLACED = ("locus", "distance")
LOCUS_COLUMNS = ["locus", "gene", "chrom", "tss", "strand", "start", "end", "gene_id", "gene_name"]
_ANY_LENGTH = 2**62


@dataclass
class OwnElements:
    """Elements as `io.schemas.ELEMENTS` has them, loci as LOCI (with gene_id, gene_name), and what was done."""

    table: pd.DataFrame
    loci: pd.DataFrame
    notes: list[str]


def complete_elements(intervals: pd.DataFrame, where: object, around: Around | None = None) -> OwnElements:
    """Elements with every column that the diagnosis needs, from a table with at least chrom, start, end.

    Columns of ELEMENTS that the table has are kept; the others are worked out. Where neither a TSS nor the columns
    ``locus`` and ``distance`` are given, loci are clusters of neighbouring intervals (a gap of `CLUSTER_GAP` or a span
    of `CLUSTER_SPAN` ends one), and no distance is known.

    Raises
    ------
    InputError
        An interval is faulty or of another assembly, or a name stands twice; all are named.
    """
    around = around or Around()
    notes: list[str] = []
    table = _intervals(intervals, where)
    if around.fasta is not None:
        with Reference(around.fasta) as reference:
            table = _in_reference_names(table, where, reference.contigs)
            table = _with_background(_with_sequence_features(table, reference), reference, notes)
            notes += reference.notes
    contigs = reference.contigs if around.fasta is not None else _contigs_of(table)
    for name in SEQUENCE_FEATURES:
        if name not in table.columns:
            table[name] = 0.0 if name == "n_fraction" else np.nan
    if absent := [name for name in ("gc", "cpg_oe", "complexity") if table[name].isna().all()]:
        notes.append(
            f"WARNING: {', '.join(absent)} are not known (no FASTA was given): the features do without them, and a "
            "claim that survives may still follow sequence composition."
        )
    table = _with_repeats(table, around, contigs, notes)
    table = _with_class(table, read_class_map(around.class_map), notes)
    table, loci = _with_loci(table, around, contigs, notes)
    table["length"] = table["end"] - table["start"]
    first = [name for name in ELEMENTS.columns if name in table.columns]
    order = [*first, *(name for name in table.columns if name not in first)]
    table = table[order].sort_values(["locus", "chrom", "start", "end"], kind="stable", ignore_index=True)
    return OwnElements(check_table(table, ELEMENTS, where), loci, notes)


def _intervals(table: pd.DataFrame, where: object) -> pd.DataFrame:
    """Names and intervals, checked."""
    table = check_interval_table(table.reset_index(drop=True), where)
    if "element" not in table.columns:
        table = table.drop_duplicates(KEYS, ignore_index=True)
        table["element"] = interval_names(table)
    table["element"] = table["element"].astype(str)
    twice = table.loc[table["element"].duplicated(), "element"].unique()
    raise_all(
        Problem(str(where), f"has the element {name!r} twice", "give each interval its own name") for name in twice[:5]
    )
    strand = table["strand"].astype(str) if "strand" in table.columns else pd.Series(".", index=table.index)
    return table.assign(strand=strand.where(strand.isin(["+", "-"]), "."))


def interval_names(table: pd.DataFrame) -> pd.Series:
    """``chrom:start-end`` of each row: the name of an element that has none."""
    return table["chrom"].astype(str) + ":" + table["start"].astype(str) + "-" + table["end"].astype(str)


def _in_reference_names(table: pd.DataFrame, where: object, contigs: Contigs) -> pd.DataFrame:
    """Contigs by the reference's names; intervals must lie inside them."""
    table = table.assign(chrom=[contigs.require(name, where) for name in table["chrom"]])
    outside = table["end"].to_numpy() > table["chrom"].map(contigs.lengths).to_numpy()
    raise_all(
        Problem(
            str(where),
            f"has {place(table, row)}, past the contig's end ({contigs.lengths[table['chrom'].iloc[row]]})",
            f"give intervals of the assembly of {contigs.where}",
        )
        for row in np.flatnonzero(outside)[:5]
    )
    return table


def _contigs_of(table: pd.DataFrame) -> Contigs:
    """Contigs by name alone, where there is no FASTA to tell how long they are."""
    return Contigs(dict.fromkeys(table["chrom"].unique(), _ANY_LENGTH), "the element table")


def _with_sequence_features(table: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    lacking = [name for name in SEQUENCE_FEATURES if name not in table.columns]
    if not lacking:
        return table
    columns = zip(table["chrom"], table["start"], table["end"], strict=True)
    features = pd.DataFrame([describe(reference.fetch(chrom, start, end)) for chrom, start, end in columns])
    return table.assign(**{name: features[name].to_numpy() for name in lacking})


def _with_background(table: pd.DataFrame, reference: Reference, notes: list[str]) -> pd.DataFrame:
    """The table with the features of its background that it lacks; without a locus, neighbours share a window."""
    lacking = [name for name in FEATURES if name not in table.columns]
    if not lacking:
        return table
    background = fit_background(reference)
    clusters = table.groupby(_clusters(table))
    windows = pd.DataFrame(
        {
            "start": clusters["start"].transform("min") - BACKGROUND_FLANK,
            "end": clusters["end"].transform("max") + BACKGROUND_FLANK,
        }
    )
    features = background_features(table, windows, background)
    notes += background.notes
    return table.join(features[lacking])


def _with_repeats(table: pd.DataFrame, around: Around, contigs: Contigs, notes: list[str]) -> pd.DataFrame:
    if around.repeats is not None:
        repeats = read_repeats(around.repeats, contigs, Windows(table))
        notes += repeats.notes
        return table.assign(repeat_fraction=covered_fraction(table, repeats.table))
    if "repeat_fraction" in table.columns:
        return table
    notes.append("WARNING: repeats are not known (none were given): copies are known only where a FASTA was given.")
    return table.assign(repeat_fraction=0.0)


def _with_class(table: pd.DataFrame, class_map: ClassMap, notes: list[str]) -> pd.DataFrame:
    """The element class of each row's class word; the word itself is its subclass."""
    if "class" not in table.columns:
        notes.append("The intervals have no class: all are 'other', and claims about classes are not tested.")
        return table.assign(**{"class": "other", "subclass": "none"})
    own_words = tuple((kind, kind, "=") for kind in CLASSES)
    labels, unknown = ClassMap(own_words + class_map.rows).classify(table["class"].fillna("other").astype(str))
    if unknown:
        notes.append(
            f"The class map lacks {len(unknown)} class words ({listed(unknown, 5)}); their elements are class other."
        )
    return table.assign(**{"class": labels["class"], "subclass": table.get("subclass", labels["subclass"])})


# -- loci ------------------------------------------------------------------------------------------------------------


def _with_loci(
    table: pd.DataFrame, around: Around, contigs: Contigs, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The elements with locus and distance, and their loci."""
    if "pair_gene" in table.columns:
        return _of_pairs(table, around, contigs, notes)
    if set(PLACED) <= set(table.columns):
        table = table.assign(locus=table["locus"].astype(str))
        if around.loci is None:
            return table, _loci_without_tss(table)
        loci = _spanned(_tss_of_loci(around, contigs, notes), table)
        if loci.empty:
            raise InputError.at(around.loci, "has none of the elements' loci", "give the loci of these elements")
        return table, loci
    starts = _tss_table(around, contigs, notes)
    if starts is not None:
        return _by_nearest_tss(table, starts, notes)
    table = table.assign(locus=_clusters(table), distance=pd.array([pd.NA] * len(table), dtype="Int64"))
    notes.append(
        f"WARNING: no TSS is known (give a GTF or loci): {table['locus'].nunique()} clusters of neighbouring intervals "
        "(no gap of 100 kb, no wider than 1 Mb) stand for loci, and nothing that depends on distance can be tested."
    )
    return table, _loci_without_tss(table)


def _of_pairs(
    table: pd.DataFrame, around: Around, contigs: Contigs, notes: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Pairs of element and gene: the gene is the locus; a distance that the table lacks is from its TSS."""
    notes.append(f"{len(table)} pairs of element and gene: the locus of each is its gene ({table['locus'].nunique()}).")
    loci = _loci_without_tss(table)
    loci = loci.assign(gene=loci["locus"], gene_name=loci["locus"])
    if "distance" in table.columns:
        return table, loci
    starts = _tss_of_genes(around, contigs, notes).set_index(["chrom", "name"])
    own = starts.reindex(pd.MultiIndex.from_frame(table[["chrom", "locus"]]))
    tss = own["tss"].astype("Int64").reset_index(drop=True)
    from_tss = signed_distance(table["start"], table["end"], tss.fillna(0).astype(np.int64), own["strand"])
    distance = pd.Series(from_tss, dtype="Int64").where(tss.notna())
    if lost := sorted(table.loc[tss.isna().to_numpy(), "locus"].unique()):
        which = f"{len(lost)} genes ({listed(lost, 5)})"
        notes.append(f"WARNING: no TSS of {which} is known: their pairs have no distance (give --gtf, or a column).")
    return table.assign(distance=distance.to_numpy()), loci


def _tss_of_genes(around: Around, contigs: Contigs, notes: list[str]) -> pd.DataFrame:
    """TSS and strand by contig and name of the gene: its symbol, its ID, or its ID without a version."""
    columns = ["name", "chrom", "tss", "strand"]
    if around.loci is not None:
        genes = _tss_of_loci(around, contigs, notes)
    elif around.gtf is not None:
        annotation = read_gtf(around.gtf, contigs, exons=False)
        notes += annotation.notes
        genes = annotation.genes.assign(tss=five_prime_ends(annotation.genes))
    else:
        return pd.DataFrame(columns=columns)
    unversioned = genes["gene_id"].astype(str).str.split(".").str[0]
    names = [genes[name] for name in ("locus", "gene_name", "gene_id") if name in genes.columns]
    frames = [genes.assign(name=name.astype(str))[columns] for name in (*names, unversioned)]
    return pd.concat(frames).drop_duplicates(["chrom", "name"])


def _tss_table(around: Around, contigs: Contigs, notes: list[str]) -> pd.DataFrame | None:
    """One row per TSS that an element may belong to, as LOCI; None where neither loci nor genes are given."""
    if around.loci is not None:
        return _tss_of_loci(around, contigs, notes)
    if around.gtf is None:
        return None
    annotation = read_gtf(around.gtf, contigs, exons=False)
    notes += annotation.notes
    genes = annotation.genes
    coding = genes["biotype"] == "protein_coding"
    if coding.any():
        genes = genes[coding]
        notes.append("Each element belongs to the nearest TSS of a protein-coding gene (the gene's 5' end).")
    else:
        notes.append("Each element belongs to the nearest TSS of any gene (the gene's 5' end).")
    genes = genes.drop_duplicates(["gene_id", "chrom"], ignore_index=True)
    names = genes["gene_name"].where(~genes["gene_name"].duplicated(keep=False), genes["gene_id"])
    return genes.assign(locus=names, gene=genes["gene_name"], tss=five_prime_ends(genes))[
        ["locus", "gene", "chrom", "tss", "strand", "gene_id", "gene_name"]
    ]


def _tss_of_loci(around: Around, contigs: Contigs, notes: list[str]) -> pd.DataFrame:
    assert around.loci is not None
    genes = pd.DataFrame(columns=["gene_id", "gene_name"], dtype=object)
    if around.gtf is not None:
        annotation = read_gtf(around.gtf, contigs, exons=False)
        notes += annotation.notes
        genes = annotation.genes
    placed, failed = place_loci(read_locus_rows(around.loci), genes, contigs, 0)
    notes += [f"locus {one.locus} is left out: {one.problem.what}" for one in failed]
    if placed.empty:
        raise InputError.at(
            around.loci,
            f"has no locus that can be placed ({failed[0].problem.what})" if failed else "has no locus",
            "give chrom, tss and strand, or a GTF that has the genes",
        )
    return placed.drop(columns=["start", "end"])


def _by_nearest_tss(table: pd.DataFrame, starts: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each element to the TSS nearest to its middle, to whose nearest base no other TSS is nearer."""
    starts = starts.sort_values(["chrom", "tss"], kind="stable", ignore_index=True)
    # Twice the position, since the middle may lie between two bases.
    ends = starts[["chrom"]].assign(at=2 * starts["tss"].astype(np.int64), owner=starts.index).sort_values("at")
    middles = table[["chrom"]].assign(at=table["start"] + table["end"] - 1).sort_values("at", kind="stable")
    nearest = pd.merge_asof(middles, ends, on="at", by="chrom", direction="nearest")
    owner = nearest["owner"].set_axis(middles.index).sort_index()
    if (lost := int(owner.isna().sum())) == len(table):
        raise InputError.at("the loci", "lie on none of the elements' contigs", "use files of the same assembly")
    if lost:
        notes.append(f"{lost} elements on contigs without a TSS are left out.")
    table = table[owner.notna()].reset_index(drop=True)
    own = starts.iloc[owner.dropna().astype(int)].reset_index(drop=True)
    distance = signed_distance(table["start"], table["end"], own["tss"], own["strand"])
    table = table.assign(locus=own["locus"].astype(str), distance=distance)
    return table, _spanned(starts, table)


def _spanned(starts: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """LOCI of the TSSs that have elements, each from the first of its elements, or its TSS, to the last."""
    spans = table.groupby("locus").agg(start=("start", "min"), end=("end", "max"))
    loci = starts[starts["locus"].isin(spans.index)].join(spans, on="locus")
    loci = loci.assign(
        start=np.minimum(loci["start"], loci["tss"]).astype(np.int64),
        end=np.maximum(loci["end"], loci["tss"] + 1).astype(np.int64),
    )
    return loci[LOCUS_COLUMNS].reset_index(drop=True)


def _clusters(table: pd.DataFrame) -> pd.Series:
    """Names of clusters of neighbouring intervals, shape (rows,)."""
    ordered = table.sort_values(["chrom", "start", "end"], kind="stable")
    names = pd.Series("", index=table.index)
    for chrom, rows in ordered.groupby("chrom", sort=False):
        first, reach, members = None, 0, []
        for row, start, end in zip(rows.index, rows["start"], rows["end"], strict=True):
            if first is not None and (start - reach > CLUSTER_GAP or end - first > CLUSTER_SPAN):
                names[members] = f"{chrom}:{first}-{reach}"
                first, reach, members = None, 0, []
            first = start if first is None else first
            reach = max(reach, end)
            members.append(row)
        names[members] = f"{chrom}:{first}-{reach}"
    return names


def _loci_without_tss(table: pd.DataFrame) -> pd.DataFrame:
    """LOCI of elements whose loci are known by name alone: the TSS is the middle of the locus, and there is no gene."""
    loci = table.groupby("locus", as_index=False).agg(
        chrom=("chrom", "first"), start=("start", "min"), end=("end", "max")
    )
    return loci.assign(tss=(loci["start"] + loci["end"]) // 2, strand="+", gene=".", gene_id=".", gene_name=".")[
        LOCUS_COLUMNS
    ]
