"""Everything that a run was given, checked before any model loads; all problems at once."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pysam

from darkregulome.elements.build import build_elements, read_sources
from darkregulome.elements.class_map import read_class_map
from darkregulome.elements.loci import place_loci, read_locus_rows
from darkregulome.elements.settings import ElementSettings, RunInputs
from darkregulome.errors import InputError, Problem, Problems, raise_all
from darkregulome.genome.alleles import is_bases, other_bases
from darkregulome.genome.annotation import read_gtf
from darkregulome.genome.bed import MAX_PROBLEMS, Windows
from darkregulome.genome.bigwig import BigWig
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.eqtls import EqtlTable
from darkregulome.genome.genes import genes_of_loci
from darkregulome.genome.reference import Reference
from darkregulome.genome.textfile import compression
from darkregulome.io.schemas import LOCI
from darkregulome.io.tables import read_table


@dataclass
class Checked:
    """What a sound run holds, and what will be done on the user's behalf."""

    loci: list[str] = field(default_factory=list)
    n_elements: int = 0
    models: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_run(inputs: RunInputs, elements: ElementSettings = ElementSettings()) -> Checked:
    """Check everything.

    Raises
    ------
    InputError
        With every problem found. What can only be seen once another problem is fixed is not reported.
    """
    findings, checked = Problems(), Checked()
    findings.attempt(check_device, inputs.device)
    for name in inputs.models:
        from darkregulome.models.registry import model_problems

        if not (problems := model_problems(name, inputs.weights.get(name), inputs.registry)):
            checked.models.append(name)
        findings.all += problems
    reference = findings.attempt(Reference, inputs.fasta)
    if reference is None:
        # Without contigs nothing can be placed, but damaged files can be reported.
        if inputs.class_map is not None:
            findings.attempt(read_class_map, inputs.class_map)
        for path in (inputs.gtf, inputs.loci, inputs.regulatory, inputs.repeats, inputs.conserved, inputs.eqtl):
            if path is not None:
                findings.attempt(compression, path)
        findings.raise_all()
        raise AssertionError("unreachable: a reference that cannot be opened is a problem")
    with reference:
        _check_placed(inputs, elements, reference, findings, checked)
    findings.raise_all()
    checked.notes = list(dict.fromkeys(reference.notes + checked.notes))
    return checked


def check_device(device: str) -> None:
    """Refuse a GPU that is not there, and words that name no device."""
    if device not in ("auto", "cpu"):
        from darkregulome.models.numerics import resolve_device

        resolve_device(device)


def check_bigwig(path: Path, contigs: Contigs, windows: pd.DataFrame) -> list[str]:
    """Open a bigWig and read it in every window; notes on contig names.

    Raises
    ------
    InputError
        It is absent, damaged, or of another assembly.
    """
    with BigWig(path) as bigwig:
        notes = [] if bigwig.ends_well else [f"{path}: does not end as a bigWig should; it may be truncated"]
        bigwig.require_contigs(contigs.lengths, contigs.where)
        lengths = bigwig.contigs.lengths
        for theirs, length in lengths.items():
            ours = contigs.resolve(theirs)
            if ours is not None and contigs.lengths[ours] != length:
                what = f"says that {theirs} has {length} bases, where {contigs.where} has {contigs.lengths[ours]}"
                raise InputError.at(path, what, "use a bigWig of the same assembly")
        for chrom, start, end in windows[["chrom", "start", "end"]].itertuples(index=False, name=None):
            bigwig.values(chrom, start, end)
    note = contigs.mapping_note(lengths, path)
    return [*notes, note] if note else notes


def check_eqtls(path: Path, reference: Reference, windows: Windows, genes: set[str]) -> list[str]:
    """Check an eQTL table: columns, positions, reference alleles inside the windows; notes on what it holds.

    `genome.eqtls` says which columns are read. REF and genes are checked where they are there.

    Parameters
    ----------
    genes : of the loci, as `genome.genes.gene_key` writes them.
    """
    table = read_table(path)
    if table.empty:
        raise InputError.at(path, "has no eQTL", "leave it out")
    eqtls = EqtlTable(table, path)
    sites = eqtls.sites()
    unplaced = int((sites["pos"].isna() | sites["chrom"].isna()).sum())
    _check_sites(path, sites, reference, windows, first_line=2)
    notes = [f"{path}: {unplaced} eQTLs have no position and will be left out"] if unplaced else []
    if note := reference.contigs.mapping_note(sites["chrom"].dropna().unique(), path):
        notes.append(note)
    columns = [set(keys.dropna()) for _, keys in eqtls.genes().items()]
    if not columns:
        notes.append(f"{path}: names no genes, so position alone will decide")
    elif not genes & set().union(*columns):
        notes.append(f"{path}: has no eQTL of any gene of the loci, so the eQTL check will be empty")
    return notes


def check_variants(path: Path, reference: Reference, loci: pd.DataFrame) -> list[str]:
    """Check a VCF: readable, sorted, reference alleles inside the loci's windows; notes on its index.

    An unindexed file is read whole; of an indexed one, the loci's windows.
    """
    compression(path)
    try:
        with pysam.VariantFile(str(path)) as vcf:
            header = [str(name) for name in vcf.header.contigs]
            names = {ours: name for name in header if (ours := reference.contigs.resolve(name)) is not None}
            indexed = vcf.index is not None
            if indexed:
                windows = loci[["chrom", "start", "end"]].itertuples(index=False, name=None)
                records = [r for c, s, e in windows if c in names for r in vcf.fetch(names[c], s, e)]
            else:
                records = list(vcf)
            rows = [(record.chrom, record.pos, record.ref) for record in records]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError.at(path, f"cannot be read as VCF ({reason})", "check it: bcftools view") from error
    sites = pd.DataFrame(rows, columns=["chrom", "pos", "ref"])
    if not indexed:
        _check_sorted(path, sites)
    _check_sites(path, sites, reference, Windows(loci), first_line=None)
    notes = [] if indexed else [f"{path}: has no index and will be read whole"]
    note = reference.contigs.mapping_note(sites["chrom"].unique(), path)
    return notes + ([note] if note else [])


def _check_placed(
    inputs: RunInputs, settings: ElementSettings, reference: Reference, findings: Problems, checked: Checked
) -> None:
    """Checks of what needs the reference: loci, annotation, tracks, variants."""
    contigs = reference.contigs
    rows = findings.attempt(read_locus_rows, inputs.loci)
    annotation = findings.attempt(read_gtf, inputs.gtf, contigs, None, False)
    loci = pd.DataFrame(columns=LOCI.columns)
    if rows is not None and annotation is not None:
        loci, failed = place_loci(rows, annotation.genes, contigs, inputs.flank)
        problems = [failure.problem for failure in failed]
        if inputs.allow_failed_loci and len(loci):
            checked.notes += [f"left out: {problem}" for problem in problems]
        else:
            findings.all += problems
    checked.loci = loci["locus"].tolist()
    sources = findings.attempt(read_sources, loci, reference, inputs.gtf, inputs)
    if sources is not None and len(loci):
        elements = findings.attempt(build_elements, loci, sources, reference, settings)
        if elements is not None:
            checked.n_elements = len(elements.table)
            checked.notes += elements.notes
    if inputs.conservation is not None:
        checked.notes += findings.attempt(check_bigwig, inputs.conservation, contigs, loci) or []
    if inputs.eqtl is not None:
        genes = {key for _, key in genes_of_loci(loci)}
        checked.notes += findings.attempt(check_eqtls, inputs.eqtl, reference, Windows(loci), genes) or []
    if inputs.variants is not None:
        checked.notes += findings.attempt(check_variants, inputs.variants, reference, loci) or []


def _check_sites(
    path: Path, sites: pd.DataFrame, reference: Reference, windows: Windows, first_line: int | None
) -> None:
    """Positions on their contigs, and reference alleles inside the windows; the first few misfits are reported."""
    problems: list[Problem] = []
    mismatches = checked = 0
    for row, (name, pos, ref) in enumerate(sites[["chrom", "pos", "ref"]].itertuples(index=False, name=None)):
        chrom = reference.contigs.resolve(str(name))
        where = f"{path}:{row + first_line}" if first_line is not None else f"{path} {name}:{pos}"
        if pd.isna(name) or pos != pos:  # no position: counted by the caller
            continue
        if pos != int(pos) or pos < 1:
            problems.append(Problem(where, f"has the position {pos}", "give 1-based whole numbers"))
        elif chrom is not None and pos > reference.contigs.lengths[chrom]:
            what = f"is at {name}:{int(pos)}, past the contig's end ({reference.contigs.lengths[chrom]})"
            problems.append(Problem(where, what, f"use variants of the assembly of {reference.path}"))
        elif chrom is not None and is_bases(ref) and windows.touches(chrom, int(pos) - 1, int(pos) - 1 + len(ref)):
            checked += 1
            if (others := other_bases(reference, chrom, int(pos) - 1, ref)) is not None:
                mismatches += 1
                if mismatches <= MAX_PROBLEMS:
                    what = f"has REF {ref} at {name}:{int(pos)}, where the reference has {others}"
                    problems.append(Problem(where, what, f"use variants of the assembly of {reference.path}"))
        if len(problems) >= 2 * MAX_PROBLEMS:
            break
    if mismatches > MAX_PROBLEMS:
        what = f"{mismatches} of {checked} reference alleles differ from the reference"
        problems.append(Problem(str(path), what, "use variants of the same assembly, positions 1-based"))
    raise_all(problems)


def _check_sorted(path: Path, sites: pd.DataFrame) -> None:
    blocks = (sites["chrom"] != sites["chrom"].shift()).sum()
    descending = (sites["pos"].diff() < 0) & (sites["chrom"] == sites["chrom"].shift())
    if blocks > sites["chrom"].nunique() or descending.any():
        raise InputError.at(path, "is not sorted by position", f"sort it: bcftools sort -Oz -o sorted.vcf.gz {path}")
