"""A simulated genome as files, in every input format of the pipeline. Equal genomes give equal bytes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig
import pysam

from darkregulome.errors import InputError
from darkregulome.io.atomic import atomic_folder
from darkregulome.io.tables import write_json, write_table
from darkregulome.simulate import biology, truth, variation
from darkregulome.simulate.expression import PEAK_HEIGHT, SimulatedExpression
from darkregulome.simulate.genome import (
    SUBCLASSES,
    Contigs,
    Locus,
    SimulatedGenome,
    each_element,
    each_locus,
    element_columns,
)

LINE = 80
"""Bases per line of the FASTA."""
LOCUS_COLUMNS = ["locus", "gene", "chrom", "tss", "strand", "start", "end", "activation", "level", "cage"]
ELEMENT_COLUMNS = element_columns()[:-2]
"""All but the place in a consensus, which the RepeatMasker table has."""


def write_genome(genome: SimulatedGenome, folder: str | Path, formats: str = "all") -> None:
    """Write a genome into `folder`, whole or not at all.

    Parameters
    ----------
    formats : ``"all"``, or ``"training"`` for the sequence, the TSSs, the signals and the truth alone.

    Raises
    ------
    InputError
        `folder` holds something that is not a simulated genome, which would be lost.
    """
    folder = Path(folder)
    _check_folder(folder)
    with atomic_folder(folder) as partial:
        _write_fasta(genome, partial / "genome.fa.gz")
        write_table(genome.loci[["locus", "gene"]], partial / "loci.csv")
        _write_tss(genome, partial / "tss.bed")
        write_bigwig(genome.cage, genome, partial / "cage.bw")
        write_bigwig(genome.dnase, genome, partial / "dnase.bw")
        write_table(genome.loci[LOCUS_COLUMNS], partial / "truth_loci.tsv")
        write_table(_rounded(genome.elements[ELEMENT_COLUMNS]), partial / "truth_elements.tsv.gz")
        facts: dict[str, Any] = {}
        if formats == "all":
            facts = _write_annotation(genome, partial)
        write_json(truth.truth(genome, facts), partial / "truth.json")


def write_expression(made: SimulatedExpression, folder: str | Path) -> None:
    """Write simulated expression into `folder`, whole or not at all: FASTA, one bigWig per signal, expression.tsv,
    peaks.bed (all of them, causal or not), truth_elements.tsv.gz and truth.json.

    Raises
    ------
    InputError
        `folder` holds something that is not a simulation, which would be lost.
    """
    folder = Path(folder)
    _check_folder(folder)
    peaks = made.elements[made.elements["kind"].isin(["causal", "silent_peak"])]
    with atomic_folder(folder) as partial:
        _write_fasta(made, partial / "genome.fa.gz")
        for name, tracks in made.signals.items():
            write_bigwig(tracks, made, partial / f"{name}.bw")
        genes = made.genes.rename(columns={"cage": "expression"})
        write_table(genes[["gene", "chrom", "tss", "strand", "expression"]], partial / "expression.tsv")
        (partial / "peaks.bed").write_text(peaks[["chrom", "start", "end"]].to_csv(sep="\t", header=False, index=False))
        write_table(made.elements.round({"contact": 4, "effect": 6}), partial / "truth_elements.tsv.gz")
        facts = {
            "seed": made.seed,
            "window": made.window,
            "genes": len(made.genes),
            "signals": list(made.signals),
            "peaks_of": list(PEAK_HEIGHT),
            "causal_fraction": made.causal_fraction,
        }
        write_json(facts, partial / "truth.json")


def _check_folder(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "truth.json").is_file())):
        raise InputError.at(folder, "exists and is not a simulated genome", "give a new or an empty folder")


def _write_annotation(genome: SimulatedGenome, folder: Path) -> dict[str, Any]:
    _write_class_map(folder / "class_map.csv")
    _write_bgzip(folder / "genes.gtf.gz", _gtf_lines(genome))
    _write_bgzip(folder / "rmsk.txt.gz", _rmsk_lines(genome))
    for name, classes in (("regulatory", ("cCRE", "other")), ("conserved", ("conserved",))):
        _write_bgzip(folder / f"{name}.bed.gz", _bed_lines(genome, classes))
    write_bigwig(variation.phylop(genome), genome, folder / "phylop.bw")
    eqtls = variation.eqtls(genome)
    write_table(eqtls.drop(columns="causal"), folder / "eqtls.tsv.gz")
    _write_vcf(genome, variation.common_variants(genome, eqtls), folder / "variants.vcf.gz")
    return {"eqtls": len(eqtls), "causal_eqtls": int(eqtls["causal"].sum()), **_write_network(genome, folder)}


# Sequence and signals


def _write_fasta(genome: Contigs, path: Path) -> None:
    def lines() -> Iterable[str]:
        for chrom in genome.contigs:
            yield f">{chrom}"
            sequence = genome.sequence(chrom)
            yield from (sequence[start : start + LINE] for start in range(0, len(sequence), LINE))

    _write_bgzip(path, lines())
    pysam.faidx(str(path))


def write_bigwig(tracks: dict[str, np.ndarray], genome: Contigs, path: Path) -> None:
    """Write the values of every base by contig; runs of equal values become one interval."""
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader([(chrom, len(sequence)) for chrom, sequence in genome.contigs.items()])
        for chrom, values in tracks.items():
            starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
            ends = np.r_[starts[1:], len(values)]
            bigwig.addEntries(np.full(len(starts), chrom), starts, ends=ends, values=values[starts].astype(float))


def _write_tss(genome: SimulatedGenome, path: Path) -> None:
    lines = (f"{row.chrom}\t{row.tss}\t{row.tss + 1}\t{row.gene}\t0\t{row.strand}" for row in each_locus(genome.loci))
    path.write_text("".join(f"{line}\n" for line in lines))


# Annotation


def _write_class_map(path: Path) -> None:
    rows = [(SUBCLASSES[name], name, SUBCLASSES[name]) for name in ("cCRE", "other")]
    write_table(pd.DataFrame(rows, columns=["pattern", "class", "subclass"]), path)


def _bed_lines(genome: SimulatedGenome, classes: tuple[str, ...]) -> Iterable[str]:
    for element in each_element(genome.elements[genome.elements["class"].isin(classes)]):
        yield f"{element.chrom}\t{element.start}\t{element.end}\t{element.subclass}\t0\t."


def _gtf_lines(genome: SimulatedGenome) -> Iterable[str]:
    """Coding genes, whose exons lie in the core zone and in the margin, and lncRNAs of one to three exons."""
    for locus in each_locus(genome.loci):
        yield from _coding_gene(locus)
        exons = genome.elements[(genome.elements["locus"] == locus.locus) & (genome.elements["class"] == "lncRNA_exon")]
        for number, first in enumerate(range(0, len(exons), 3)):
            group = exons.iloc[first : first + 3]
            strand = group["strand"].iloc[0]
            spans = list(zip(group["start"].tolist(), group["end"].tolist(), strict=True))
            yield from _gene_lines(
                locus.chrom, strand, f"{locus.gene_id}L{number + 1}", f"LNC-{locus.gene}-{number + 1}", "lncRNA", spans
            )


FIRST_EXON, LAST_EXON = 120, 150


def _coding_gene(locus: Locus) -> Iterable[str]:
    if locus.strand == "+":
        first = (locus.tss, locus.tss + FIRST_EXON)
        last = (locus.end + 50, locus.end + 50 + LAST_EXON)
    else:
        first = (locus.tss + 1 - FIRST_EXON, locus.tss + 1)
        last = (locus.start - 50 - LAST_EXON, locus.start - 50)
    exons = sorted([first, last])
    yield from _gene_lines(locus.chrom, locus.strand, locus.gene_id, locus.gene, "protein_coding", exons)


def _gene_lines(
    chrom: str, strand: str, gene_id: str, name: str, biotype: str, exons: list[tuple[int, int]]
) -> Iterable[str]:
    gene = f'gene_id "{gene_id}"; gene_name "{name}"; gene_type "{biotype}"; gene_biotype "{biotype}";'
    transcript = (
        f'{gene} transcript_id "{gene_id}.T1"; transcript_type "{biotype}"; transcript_biotype "{biotype}";'
        ' tag "Ensembl_canonical";'
    )
    start, end = exons[0][0], exons[-1][1]

    def line(feature: str, start: int, end: int, frame: str, attributes: str) -> str:
        return f"{chrom}\tdarkregulome\t{feature}\t{start + 1}\t{end}\t.\t{strand}\t{frame}\t{attributes}"

    yield line("gene", start, end, ".", gene)
    yield line("transcript", start, end, ".", transcript)
    ordered = exons if strand == "+" else exons[::-1]
    for number, (exon_start, exon_end) in enumerate(ordered):
        attributes = f"{transcript} exon_number {number + 1};"
        yield line("exon", exon_start, exon_end, ".", attributes)
        if biotype == "protein_coding":
            # The first exon's 60 bases after the TSS are its UTR; both parts are whole codons.
            cut = (60, 0) if strand == "+" else (0, 60)
            left, right = cut if number == 0 else (0, 0)
            yield line("CDS", exon_start + left, exon_end - right, "0", attributes)


def _rmsk_lines(genome: SimulatedGenome) -> Iterable[str]:
    """UCSC's rmsk table: 17 columns, no header."""
    families = {family.name: family for family in biology.families()}
    tes = genome.elements[genome.elements["class"] == "TE"]
    for number, te in enumerate(each_element(tes)):
        family = families[te.subclass]
        left = len(family.consensus) - te.consensus_end
        # On the minus strand UCSC writes what is left of the consensus first.
        if te.strand == "+":
            consensus = (te.consensus_start, te.consensus_end, -left)
        else:
            consensus = (-left, te.consensus_end, te.consensus_start)
        columns = (
            ucsc_bin(te.start, te.end),
            int(10 * (te.end - te.start) * (1 - te.divergence)),
            int(1000 * te.divergence),
            int(500 * te.divergence * biology.INDELS_PER_SUBSTITUTION),
            int(500 * te.divergence * biology.INDELS_PER_SUBSTITUTION),
            te.chrom,
            te.start,
            te.end,
            te.end - len(genome.contigs[te.chrom]),
            te.strand,
            family.name,
            family.repeat_class,
            family.repeat_family,
            *consensus,
            number + 1,
        )
        yield "\t".join(map(str, columns))


def ucsc_bin(start: int, end: int) -> int:
    """The smallest bin of UCSC's standard scheme that holds an interval (Kent et al. 2002)."""
    first, last = start >> 17, (end - 1) >> 17
    for offset in (585, 73, 9, 1):
        if first == last:
            return offset + first
        first, last = first >> 3, last >> 3
    return 0


# Variants and network


def _write_vcf(genome: SimulatedGenome, variants: pd.DataFrame, path: Path) -> None:
    def lines() -> Iterable[str]:
        yield "##fileformat=VCFv4.2"
        yield "##source=darkregulome simulate_genome"
        yield '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency of the alternative allele">'
        yield from (f"##contig=<ID={chrom},length={len(bases)}>" for chrom, bases in genome.contigs.items())
        yield "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
        for row in variants.itertuples():
            yield f"{row.chrom}\t{row.pos}\t{row.id}\t{row.ref}\t{row.alt}\t.\tPASS\tAF={row.af}"

    _write_bgzip(path, lines())
    pysam.tabix_index(str(path), preset="vcf", force=True)


def _write_network(genome: SimulatedGenome, folder: Path) -> dict[str, Any]:
    """STRING's own layouts: the links separated by a space and listed both ways, the info by tabs."""
    members = variation.proteins(genome)
    links = variation.links(genome, members)
    mirrored = links.rename(columns={"protein1": "protein2", "protein2": "protein1"})
    both = pd.concat([links, mirrored[links.columns]]).sort_values(["protein1", "protein2"])
    rows = both.itertuples(index=False, name=None)
    _write_bgzip(
        folder / "string_links.txt.gz", ["protein1 protein2 combined_score", *(" ".join(map(str, r)) for r in rows)]
    )
    info = members.itertuples(index=False, name=None)
    header = "#string_protein_id\tpreferred_name\tprotein_size\tannotation"
    _write_bgzip(folder / "string_info.txt.gz", [header, *("\t".join(map(str, row)) for row in info)])
    genes = genome.loci["gene"]
    return {"links": len(links), "protein_pair_of_nothing": [genes.iloc[0], genes.iloc[-1]]}


def _write_bgzip(path: Path, lines: Iterable[str]) -> None:
    with pysam.BGZFile(str(path), "w", None) as handle:
        handle.write("".join(f"{line}\n" for line in lines).encode("ascii"))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.round({"strength": 4, "weight": 6, "effect": 6, "divergence": 4})
