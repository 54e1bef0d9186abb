"""Elements: disjoint, dark, classed by priority, measured as the schema says; and what mirrors them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toy
from darkregulome.elements.build import (
    PRIORITY,
    ElementSettings,
    Sources,
    build_elements,
    read_sources,
    signed_distance,
)
from darkregulome.elements.class_map import default_class_map, read_class_map
from darkregulome.elements.loci import place_loci, read_locus_rows
from darkregulome.elements.settings import AnnotationFiles
from darkregulome.errors import InputError
from darkregulome.genome.annotation import read_gtf
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.io.schemas import ELEMENTS
from darkregulome.io.tables import check_table
from places import SHARED

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bioframe")

DATA = SHARED / "data" / "demo"
needs_shared = pytest.mark.skipif(not DATA.is_dir(), reason=f"real annotation is not at {DATA}")
FLANK = 9_000


@pytest.fixture(scope="module")
def loci(genome, reference):
    annotation = read_gtf(genome["gtf"], reference.contigs)
    return place_loci(read_locus_rows(genome["loci"]), annotation.genes, reference.contigs, FLANK)[0]


@pytest.fixture(scope="module")
def sources(genome, reference, loci):
    files = {name: genome[name] for name in ("regulatory", "repeats", "conserved", "class_map")}
    return read_sources(loci, reference, genome["gtf"], AnnotationFiles(**files))


@pytest.fixture(scope="module")
def elements(loci, sources, reference):
    return build_elements(loci, sources, reference)


def at(elements, chrom, start, end):
    rows = elements.table.query("chrom == @chrom and start == @start and end == @end")
    assert len(rows) == 1
    return rows.iloc[0]


def test_table_fits_its_schema_and_is_sorted(elements):
    table = check_table(elements.table, ELEMENTS, "elements")
    assert table.sort_values(["locus", "chrom", "start"], kind="stable").index.tolist() == list(range(len(table)))
    first = table.iloc[0]
    assert first["element"] == f"{first['locus']}|{first['chrom']}:{first['start']}-{first['end']}|{first['class']}"


def test_elements_of_a_locus_never_overlap_and_hold_no_coding_base(elements):
    taken = set()
    for row in elements.table.itertuples():
        span = {(row.chrom, base) for base in range(row.start, row.end)}
        assert not span & taken
        taken |= span
    for _, _, chrom, _, biotype, exons in toy.GENES:
        for start, end in exons if biotype == "protein_coding" else ():
            assert not taken & {(chrom, base) for base in range(start, end)}


def test_classes_win_in_their_order(elements):
    # The promoter-like cCRE loses its coding bases, and takes those of the lncRNA exon.
    assert at(elements, "chr1", 9_700, 10_000)["subclass"] == "PLS"
    assert at(elements, "chr3", 11_800, 12_050)["class"] == "cCRE"
    assert at(elements, "chr3", 12_050, 12_250)["class"] == "lncRNA_exon"
    # A conserved block gives way to the dELS in it; a LINE is cut by the pELS inside it.
    assert at(elements, "chr2", 5_250, 5_400)["class"] == "conserved"
    assert at(elements, "chr1", 8_300, 8_500)["class"] == "TE"
    assert at(elements, "chr1", 8_000, 8_300)["class"] == "cCRE"


def test_long_intervals_are_split_evenly_and_short_ones_dropped(elements):
    line = elements.table.query("subclass == 'L1PA4'")
    assert line[["start", "end"]].to_numpy().tolist() == [[14_000, 14_850], [14_850, 15_700]]
    assert elements.table["length"].between(50, 1_000).all()
    assert "MIRb" not in set(elements.table["subclass"])
    assert "(CA)n" not in set(elements.table["subclass"])


def test_words_and_families_are_kept(elements):
    assert at(elements, "chr3", 18_000, 18_300)[["class", "subclass"]].tolist() == ["other", "mystery_word"]
    assert any("mystery_word" in note for note in elements.notes)
    assert at(elements, "chr1", 2_000, 2_300)[["subclass", "family", "strand"]].tolist() == ["AluY", "SINE/Alu", "+"]


def test_elements_of_n_only_are_kept_and_said(elements):
    blank = at(elements, "chr1", 15_100, 15_400)
    assert blank["n_fraction"] == 1
    assert np.isnan(blank["gc"])
    assert any("N only" in note for note in elements.notes)


def test_features_are_those_of_the_sequence(elements):
    sequences = toy.toy_sequences()
    for row in elements.table.itertuples():
        sequence = sequences[row.chrom][row.start : row.end]
        known = sum(sequence.count(base) for base in "ACGT")
        assert row.n_fraction == pytest.approx(1 - known / len(sequence))
        if known:
            assert row.gc == pytest.approx((sequence.count("G") + sequence.count("C")) / known)


def test_repeat_fraction_counts_every_repeat(elements):
    assert at(elements, "chr1", 8_000, 8_300)["repeat_fraction"] == 1  # inside a LINE
    assert at(elements, "chr1", 16_000, 16_350)["repeat_fraction"] == 0
    assert (elements.table.query("`class` == 'TE'")["repeat_fraction"] == 1).all()


def test_distance_is_signed_on_the_strand_of_the_gene(elements):
    assert at(elements, "chr1", 9_700, 10_000)["distance"] == -1  # ends just upstream of ALPHA's TSS (+)
    assert at(elements, "chr2", 9_000, 9_300)["distance"] == -1  # starts just upstream of BETA's TSS (-)
    assert at(elements, "chr2", 5_000, 5_250)["distance"] == 8_999 - 5_249
    assert at(elements, "chr3", 11_800, 12_050)["distance"] == 0


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 500), st.integers(10_500, 20_000))
def test_distance_is_the_same_in_the_mirror(tss, start, length, size):
    end = start + length
    here = signed_distance(np.array([start]), np.array([end]), tss, "+")
    mirrored = signed_distance(np.array([size - end]), np.array([size - start]), size - 1 - tss, "-")
    assert here.tolist() == mirrored.tolist()
    assert (signed_distance(np.array([start]), np.array([end]), tss, "-") == -here).all()
    covers = start <= tss < end
    assert (here[0] == 0) == covers
    assert abs(here[0]) == min(abs(base - tss) for base in (start, end - 1)) * (not covers)


def test_a_mirrored_genome_has_the_mirrored_elements(tmp_path, loci, sources, reference, elements):
    """Reverse complement of genome and annotation: distances, lengths and strand-free features stay."""
    flipped = {name: reverse_complement(sequence) for name, sequence in toy.toy_sequences().items()}
    path = toy.write_fasta(tmp_path / "flipped.fa", flipped)

    def flip(table):
        size = table["chrom"].map(toy.LENGTHS)
        flipped = table.assign(start=size - table["end"], end=size - table["start"])
        if "strand" in table:
            flipped["strand"] = table["strand"].map({"+": "-", "-": "+", ".": "."})
        return flipped

    mirrored_loci = flip(loci).assign(tss=loci["chrom"].map(toy.LENGTHS) - 1 - loci["tss"])
    mirrored = Sources(flip(sources.intervals), flip(sources.repeats), flip(sources.not_dark))
    with Reference(path) as other:
        found = build_elements(mirrored_loci, mirrored, other).table
    columns = ["locus", "distance", "class", "subclass", "length", "gc", "cpg_oe", "repeat_fraction", "n_fraction"]
    left = elements.table[columns].sort_values(columns[:4], ignore_index=True)
    right = found[columns].sort_values(columns[:4], ignore_index=True)
    pd.testing.assert_frame_equal(left, right)


intervals = st.lists(
    st.tuples(st.sampled_from(PRIORITY), st.integers(0, 1_900), st.integers(1, 600)), min_size=1, max_size=15
)


@settings(max_examples=25, deadline=None)
@given(intervals, st.integers(1, 60), st.integers(120, 300))
def test_any_annotation_gives_disjoint_elements_of_the_highest_class(reference, rows, min_length, max_length):
    table = pd.DataFrame(
        [("chr2", s, s + n, ".", kind, kind, ".") for kind, s, n in rows],
        columns=["chrom", "start", "end", "strand", "class", "subclass", "family"],
    )
    table = table.sort_values("class", key=lambda kinds: kinds.map(PRIORITY.index), kind="stable", ignore_index=True)
    none = table.iloc[:0]
    locus = {"locus": "a", "gene": "a", "chrom": "chr2", "tss": 1_000, "strand": "+", "start": 0, "end": 2_000}
    wanted = ElementSettings(min_length=min_length, max_length=max_length)
    try:
        found = build_elements(pd.DataFrame([locus]), Sources(table, none, none), reference, wanted).table
    except InputError:
        found = pd.DataFrame(columns=["start", "end", "class"])
    best = {}
    for row in table.itertuples(index=False):
        for base in range(row.start, min(row.end, 2_000)):
            best.setdefault(base, row[4])
    seen = set()
    for start, end, kind in found[["start", "end", "class"]].itertuples(index=False):
        assert min_length <= end - start <= max_length
        for base in range(start, end):
            assert base not in seen
            assert best[base] == kind
            seen.add(base)


@pytest.mark.parametrize("seed", range(8))
def test_each_base_of_nested_repeats_belongs_to_the_shortest_that_covers_it(reference, tmp_path, seed):
    """Against a naive loop; the younger repeat jumped into the older. Of two as long the first by place and name."""
    rng = np.random.default_rng(seed)
    repeats = []
    for number in range(12):
        length = int(rng.choice([40, 40, 90, 200, 300]))  # equal lengths are common
        start = int(rng.integers(900, 1_500 - length)) // 10 * 10  # and so are equal and touching ends
        repeats.append((start, start + length, f"R{number}", str(rng.choice(["+", "-"]))))
    text = "".join(f"chr2\t{s}\t{e}\t{name}\t0\t{strand}\tSINE/Alu\n" for s, e, name, strand in repeats)
    gtf = toy.write_text(tmp_path / "g.gtf", 'chr1\tx\texon\t1\t9\t.\t+\t.\tgene_id "G"; gene_biotype "lncRNA";\n')
    locus = {"locus": "a", "gene": "a", "chrom": "chr2", "tss": 1_000, "strand": "+", "start": 800, "end": 1_600}
    loci = pd.DataFrame([locus])
    sources = read_sources(loci, reference, gtf, AnnotationFiles(repeats=toy.write_text(tmp_path / "r.bed", text)))
    table = build_elements(loci, sources, reference, ElementSettings(min_length=1)).table
    owners = {}
    for row in table.itertuples():
        for base in range(row.start, row.end):
            assert base not in owners
            owners[base] = row.subclass
    expected = {}
    for base in range(800, 1_600):
        covering = [(e - s, s, e, name) for s, e, name, _ in repeats if s <= base < e]
        if covering:
            expected[base] = min(covering)[3]
    assert owners == expected


def test_a_region_that_two_loci_share_gives_an_element_to_each(loci, sources, reference, elements):
    both = pd.concat([loci, loci.iloc[[0]].assign(locus="again", tss=16_500, start=8_000, end=20_000)])
    found = build_elements(both, sources, reference).table
    shared = found.query("chrom == 'chr1' and start == 16_000")
    assert sorted(shared["locus"]) == ["ALPHA", "again"]
    assert found["element"].is_unique
    pd.testing.assert_frame_equal(found.query("locus != 'again'").reset_index(drop=True), elements.table)


def test_promoters_can_be_excluded(loci, sources, reference):
    found = build_elements(loci, sources, reference, ElementSettings(promoter_exclusion=200)).table
    assert (found["distance"].abs() > 200).all()


def test_a_locus_without_element_is_said_and_left_out(loci, sources, reference):
    bare = loci.iloc[[0]].assign(locus="bare", gene="BARE", tss=100, start=0, end=500)
    found = build_elements(pd.concat([loci, bare], ignore_index=True), sources, reference)
    assert found.empty_loci == ["bare"]
    assert "locus bare has no element and is left out" in found.notes
    table = found.failed(pd.concat([loci, bare]))
    assert table[["locus", "gene", "stage"]].to_numpy().tolist() == [["bare", "BARE", "build_elements"]]
    with pytest.raises(InputError, match="has no interval of 50 bases or more around any of the 1 loci"):
        build_elements(bare, sources, reference)


def test_faulty_annotations_are_all_told_at_once(genome, reference, loci, tmp_path):
    empty = toy.write_text(tmp_path / "empty.bed", "")
    past = toy.write_text(tmp_path / "past.bed", "chr1\t19990\t20010\n")
    with pytest.raises(InputError) as caught:
        read_sources(loci, reference, genome["gtf"], AnnotationFiles(regulatory=empty, conserved=past))
    assert [Path(problem.where).name for problem in caught.value.problems] == ["empty.bed", "past.bed:1"]


@pytest.mark.parametrize(("low", "high"), [(0, 100), (60, 100)])
def test_lengths_that_cannot_both_hold_are_refused(low, high):
    with pytest.raises(InputError, match="at least twice the minimum"):
        ElementSettings(min_length=low, max_length=high)


@pytest.mark.parametrize(
    ("word", "kind", "subclass"),
    [
        *[("PLS,CTCF-bound", "cCRE", "PLS"), ("dELS", "cCRE", "dELS"), ("CTCF-only,CTCF-bound", "cCRE", "CTCF-only")],
        *[("DNase-H3K4me3", "cCRE", "DNase-H3K4me3"), ("CA-CTCF", "cCRE", "CA-CTCF"), ("TF", "cCRE", "TF")],
        *[("CTCF_Binding_Site", "cCRE", "CTCF_binding_site"), ("Open_chromatin", "cCRE", "open_chromatin_region")],
        *[("Promoter_Flanking_Region", "cCRE", "promoter_flanking_region"), ("CpG: 111", "other", "CpG_island")],
    ],
)
def test_shipped_class_map_knows_the_words_of_encode_and_ensembl(word, kind, subclass):
    assert default_class_map().lookup(word) == (kind, subclass)


def test_faulty_class_map_is_told_by_line(tmp_path):
    path = toy.write_text(tmp_path / "m.csv", "pattern,class,subclass\na,cCRE,a\nb,enhancer,b\nc\n")
    with pytest.raises(InputError) as caught:
        read_class_map(path)
    assert [problem.where for problem in caught.value.problems] == [f"{path}:3", f"{path}:4"]


def test_class_words_are_found_in_the_column_that_has_them(tmp_path, genome, reference, loci):
    rows = "".join(f"{c}\t{s}\t{e}\tEH38E{s}\t0\t{w}\n" for c, s, e, w in toy.REGULATORY)
    path = toy.write_text(tmp_path / "registry.bed", rows)
    found = read_sources(
        loci, reference, genome["gtf"], AnnotationFiles(regulatory=path, class_map=genome["class_map"])
    )
    assert set(found.intervals.query("`class` == 'cCRE'")["subclass"]) == {"PLS", "pELS", "dELS", "CTCF-only"}
    assert any("column 6" in note for note in found.notes)
    with pytest.raises(InputError, match="has no column 9"):
        read_sources(loci, reference, genome["gtf"], AnnotationFiles(regulatory=path), class_column=9)


@needs_shared
def test_real_regions_give_elements_of_every_class():
    annotation = DATA / "annotation"
    with Reference(DATA / "reference" / "grch38_demo.fa.gz") as reference:
        genes = read_gtf(annotation / "genes.gtf.gz", reference.contigs, exons=False).genes
        loci, failed = place_loci(read_locus_rows(DATA / "loci.tsv"), genes, reference.contigs, 50_000)
        assert not failed
        names = {
            "regulatory": "ensembl_regulatory_chr21",
            "repeats": "rmsk_chr21",
            "conserved": "gerp_constrained_chr1",
        }
        files = AnnotationFiles(**{kind: annotation / f"{name}.bed" for kind, name in names.items()})
        sources = read_sources(loci, reference, annotation / "genes.gtf.gz", files)
        table = check_table(build_elements(loci, sources, reference).table, ELEMENTS, "real")
    assert set(table["class"]) == {"cCRE", "TE", "lncRNA_exon", "conserved"}
    assert not sources.intervals["class"].eq("other").any()
    assert table["locus"].nunique() == 9
