"""Tables of element-gene pairs are read as they are, and an interval that a table repeats counts once."""

import numpy as np
import pandas as pd
import pytest

import toy
from darkregulome.conversion.convert import Source, convert, read_any_scores
from darkregulome.conversion.settings import ScoreFormat
from darkregulome.diagnosis.diagnose import diagnose
from darkregulome.diagnosis.settings import Settings
from darkregulome.elements.settings import Around
from darkregulome.errors import InputError
from places import SHARED

ABC = (
    "chr\tstart\tend\tname\tclass\tTargetGene\tTargetGeneTSS\tisSelfPromoter\tABC.Score\n"
    "chr1\t9000\t9100\tgenic|chr1:9000-9100\tgenic\tALPHA\t10000\tFalse\t0.4\n"
    "chr1\t9000\t9100\tgenic|chr1:9000-9100\tgenic\tOTHER\t20000\tFalse\t0.1\n"
    "chr1\t19000\t19100\tintergenic|chr1:19000-19100\tintergenic\tOTHER\t20000\tTrue\t0.7\n"
)
CRISPRI = (
    "chrom\tchromStart\tchromEnd\tname\tEffectSize\tstartTSS\tmeasuredGeneSymbol\tdistanceToTSS\n"
    "chr1\t9000\t9100\tALPHA|x\t-0.3\t10000\tALPHA\t950\nchr1\t9000\t9100\tBETA|x\t\t7000\tBETA\t\n"
)
PLAIN = (
    "chrom\tstart\tend\tscore\tgene\nchr1\t9000\t9100\t1\tALPHA\n"
    "chr2\t9500\t9600\t2\tENSG9\nchr2\t9500\t9600\t3\tBETA\n"
)


def pairs(tmp_path, text, score=None, gene="gene", around=None, name="pairs.tsv"):
    form = ScoreFormat(format="table", score_column=score, gene_column=gene)
    return read_any_scores(None, toy.write_text(tmp_path / name, text), form, around)


def test_each_pair_of_an_abc_table_is_an_element_of_its_gene(tmp_path):
    read = pairs(tmp_path, ABC, "ABC.Score", "TargetGene")
    table = read.elements.merge(read.ris, on="element").set_index(["start", "locus"])
    assert table["ris"].to_dict() == {(9000, "ALPHA"): 0.4, (9000, "OTHER"): 0.1, (19_000, "OTHER"): 0.7}
    assert table["distance"].to_dict() == {
        (9000, "ALPHA"): 9099 - 10_000,
        (9000, "OTHER"): 9099 - 20_000,
        (19_000, "OTHER"): 19_099 - 20_000,
    }
    assert table["element"].is_unique
    assert sorted(read.loci["gene"]) == ["ALPHA", "OTHER"]
    assert any(note.startswith("3 pairs of element and gene") for note in read.notes)


def test_a_column_of_distances_is_taken_as_it_is_and_may_be_empty(tmp_path):
    read = pairs(tmp_path, CRISPRI, "EffectSize", "measuredGeneSymbol")
    distance = read.elements.set_index("locus")["distance"]
    assert distance["ALPHA"] == 950
    assert pd.isna(distance["BETA"])
    assert read.ris.set_index("element")["ris"].isna().sum() == 1


def test_a_gtf_gives_the_distance_from_the_pairs_own_gene(tmp_path):
    genome = toy.write_toy_genome(tmp_path / "genome")
    read = pairs(tmp_path, PLAIN, around=Around(gtf=genome["gtf"]))
    distance = read.elements.set_index("locus")["distance"]
    # ALPHA's TSS is chr1:10,000 (+), BETA's chr2:8,999 (-).
    assert distance["ALPHA"] == 9_099 - 10_000
    assert distance["BETA"] == -(9_500 - 8_999)
    assert pd.isna(distance["ENSG9"])
    assert any("no TSS of 1 genes (ENSG9)" in note for note in read.notes)


def test_without_distance_or_gtf_none_is_known(tmp_path):
    read = pairs(tmp_path, PLAIN)
    assert read.elements["distance"].isna().all()
    assert any(note.startswith("WARNING: no TSS of 3 genes") for note in read.notes)


@pytest.mark.parametrize(
    ("text", "gene", "message"),
    [
        (PLAIN, "symbol", r"pairs.tsv: has no column 'symbol' \(its columns are chrom, start"),
        (PLAIN.replace("ALPHA", ""), "gene", r"pairs.tsv:2: has no gene in the column 'gene'"),
        (PLAIN.replace("BETA", "ENSG9"), "gene", r"has several scores of chr2:9500-9600\|ENSG9 \(2 to 3\)"),
    ],
)
def test_pairs_at_fault_are_named(tmp_path, text, gene, message):
    with pytest.raises(InputError, match=message):
        pairs(tmp_path, text, gene=gene)


def test_genes_are_those_of_tables_with_their_own_intervals(tmp_path):
    form = ScoreFormat(gene_column="gene")
    table = toy.write_text(tmp_path / "pairs.tsv", PLAIN)
    bed = toy.write_text(tmp_path / "x.bed", "chr1\t9000\t9100\ta\t1\n")
    with pytest.raises(InputError, match="leave out --elements"):
        convert([Source(table, "m", form)], bed)
    with pytest.raises(InputError, match="which has no column of genes"):
        convert([Source(bed, "m", form)])


def test_two_tables_of_the_same_pairs_are_two_models(tmp_path):
    form = ScoreFormat(gene_column="gene")
    first, second = (toy.write_text(tmp_path / name, PLAIN) for name in ("a.tsv", "b.tsv"))
    both = convert([Source(first, "a", form), Source(second, "b", form)])
    assert both.ris.groupby("model").size().tolist() == [3, 3]
    short = toy.write_text(tmp_path / "c.tsv", PLAIN.replace("BETA", "GAMMA"))
    with pytest.raises(InputError, match="other intervals than the first file"):
        convert([Source(first, "a", form), Source(short, "c", form)])


def test_an_interval_written_twice_counts_once_and_is_the_table_with_it_once(tmp_path):
    once = PLAIN.replace("\tgene", "").replace("\tALPHA", "").splitlines()[:2]
    rows = [*once, "chr2\t9500\t9600\t2"]
    texts = "\n".join(rows) + "\n", "\n".join([*rows, rows[-1], rows[1]]) + "\n"
    plain, repeated = (read_any_scores(None, toy.write_text(tmp_path / "s.tsv", text)) for text in texts)
    pd.testing.assert_frame_equal(plain.elements, repeated.elements)
    pd.testing.assert_frame_equal(plain.ris, repeated.ris)
    assert any(note == "2 rows repeat an interval and do not count again." for note in repeated.notes)


def test_an_interval_with_several_scores_is_refused_by_name_or_averaged_over_loci(tmp_path):
    text = "chrom\tstart\tend\tscore\tlocus\nchr1\t5\t9\t1\ta\nchr1\t5\t9\t3\tb\nchr1\t20\t30\t7\ta\n"
    with pytest.raises(InputError, match=r"several scores of chr1:5-9 \(1 to 3\).*--gene-column"):
        read_any_scores(None, toy.write_text(tmp_path / "s.tsv", text.replace("locus", "remark")))
    read = read_any_scores(None, toy.write_text(tmp_path / "s.tsv", text))
    assert read.ris["ris"].tolist() == [2.0, 7.0]
    assert any("their mean is taken" in note for note in read.notes)
    with pytest.raises(InputError, match=r"several scores of chr1:5-9"):
        read_any_scores(None, toy.write_text(tmp_path / "s.tsv", text.replace("\tb", "\ta")))


REAL = {
    "crispri": (
        "crispri/EPCrisprBenchmark_combined_data.training_K562.GRCh38.tsv.gz",
        "EffectSize",
        "measuredGeneSymbol",
    ),
    "rE2G": ("re2g_k562_chr22/encode_e2g_predictions_threshold0.243.tsv.gz", "ENCODE-rE2G.Score", "TargetGene"),
    "ABC": ("abc_k562_chr22_hg38/EnhancerPredictionsFull_threshold0.027_self_promoter.tsv", "ABC.Score", "TargetGene"),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables_of_pairs_are_read_as_they_are(name):
    place, score, gene = REAL[name]
    path = SHARED / "data" / "bench" / place
    if not path.exists():
        pytest.skip(f"{place} is not on this machine (DARKREGULOME_SHARED)")
    read = read_any_scores(None, path, ScoreFormat(format="table", score_column=score, gene_column=gene))
    raw = pd.read_csv(path, sep="\t")
    assert len(read.elements) == len(raw)
    assert read.elements["locus"].nunique() == raw[gene].nunique()
    assert np.isclose(read.ris["ris"].sum(), raw[score].sum())
    assert read.elements["distance"].notna().all()
    record = diagnose(read.elements, read.ris, Settings(permutations=99, bootstrap=100)).record
    (model,) = record["models"].values()
    assert model["n"] == len(raw)
    assert any("loci that overlap" in note for note in model["notes"])
    assert "horizon" in {claim["claim"] for claim in record["claims"]}
