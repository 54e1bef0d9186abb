"""Checks before a run: sound input passes and says what was done; every fault is one clear sentence, all at once."""

import gzip
import json
import re
from pathlib import Path

import pyBigWig
import pysam
import pytest

import toy
from darkregulome.elements.checks import RunInputs, check_run
from darkregulome.errors import InputError
from script_runner import run_script

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bioframe")
FLANK = 9_000
SEQUENCES = toy.toy_sequences()


@pytest.fixture(scope="module")
def genome(genome, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    return {**genome, "conservation": write_bigwig(folder / "phylop.bw"), "eqtl": write_eqtls(folder / "eqtls.tsv.gz")}


def write_bigwig(path: Path, lengths=toy.LENGTHS, prefix="chr") -> Path:
    with pyBigWig.open(str(path), "w") as bigwig:
        bigwig.addHeader([(prefix + name.removeprefix("chr"), length) for name, length in lengths.items()])
        for name in lengths:
            contig = prefix + name.removeprefix("chr")
            bigwig.addEntries(contig, 0, values=[0.5] * 15_000, span=1, step=1)
    return path


def write_eqtls(path: Path, shift: int = 0, rows: int = 12) -> Path:
    """eQTLs of ALPHA with the reference's own alleles; `shift` moves the positions, and so spoils them."""
    lines = ["chrom\tpos\tref\talt\tgene_id\tslope"]
    for at in range(rows):
        pos = 6_001 + 137 * at
        ref = SEQUENCES["chr1"][pos - 1]
        lines.append(f"chr1\t{pos + shift}\t{ref}\t{'A' if ref != 'A' else 'C'}\tENSG00000000001.9\t0.1")
    return toy.write_text(path, "\n".join(lines) + "\n")


def write_vcf(path: Path, records, contig="chr1", index=False) -> Path:
    header = f"##fileformat=VCFv4.2\n##contig=<ID={contig}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    text = header + "".join(f"{contig}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.\n" for pos, ref, alt in records)
    plain = toy.write_text(path.with_suffix(""), text)
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    if index:
        pysam.tabix_index(str(path), preset="vcf", force=True)
    return path


def given(genome, **changes):
    return RunInputs(**{**genome, "flank": FLANK, **changes})


def problems(inputs) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_run(inputs)
    return [str(problem) for problem in caught.value.problems]


def only_problem(inputs) -> str:
    found = problems(inputs)
    assert len(found) == 1, found
    assert found[0].count("\n") == 0
    assert found[0].endswith(".")
    return found[0]


def test_sound_input_passes(genome):
    checked = check_run(given(genome))
    assert checked.loci == ["ALPHA", "BETA", "GAMMA"]
    assert checked.n_elements == 29
    assert not [note for note in checked.notes if "mapped" in note]


def test_other_contig_names_are_mapped_and_said(genome, tmp_path):
    gtf = toy.write_text(tmp_path / "g.gtf.gz", toy.gtf_text(prefix=""))
    bigwig = write_bigwig(tmp_path / "p.bw", prefix="")
    checked = check_run(given(genome, gtf=gtf, conservation=bigwig))
    assert checked.n_elements == 29
    for name in ("g.gtf.gz", "p.bw"):
        assert any(name in note and "1 -> chr1" in note for note in checked.notes)


def test_missing_fasta_index_is_made_and_said(genome, tmp_path):
    fasta = tmp_path / "g.fa.gz"
    fasta.write_bytes(genome["fasta"].read_bytes())
    assert any("made one" in note for note in check_run(given(genome, fasta=fasta)).notes)


def test_all_problems_are_told_at_once(genome, tmp_path):
    found = problems(
        given(
            genome,
            loci=toy.write_text(tmp_path / "l.csv", "locus,gene,chrom,tss,strand\na,ALPHO,,,\nb,B,chr1,20000,+\n"),
            conserved=toy.write_text(tmp_path / "empty.bed", ""),
            regulatory=toy.write_text(tmp_path / "past.bed", "chr1\t19000\t20001\tPLS\n"),
            class_map=toy.write_text(tmp_path / "m.csv", "word\n"),
            eqtl=tmp_path / "absent.tsv",
            device="gpu",
        )
    )
    names = [re.match(r".*?([\w.-]+(?::\d+)?): ", problem).group(1) for problem in found]
    assert sorted(names) == ["--device", "absent.tsv", "empty.bed", "l.csv:2", "l.csv:3", "m.csv", "past.bed:1"]


def cut(path: Path, folder: Path) -> Path:
    data = path.read_bytes()
    short = folder / path.name
    short.write_bytes(data[: len(data) * 2 // 3])
    return short


@pytest.mark.parametrize("name", ["fasta", "gtf", "regulatory", "repeats", "eqtl"])
def test_truncated_gzip_is_told(genome, tmp_path, name):
    message = only_problem(given(genome, **{name: cut(genome[name], tmp_path)}))
    assert genome[name].name in message
    assert "truncated" in message


def test_bgzipped_text_that_lost_its_end_is_told(genome, tmp_path):
    pysam.tabix_compress(str(genome["conserved"]), str(tmp_path / "c.bed.gz"))
    data = (tmp_path / "c.bed.gz").read_bytes()
    (tmp_path / "c.bed.gz").write_bytes(data[:-28])
    assert "truncated bgzip" in only_problem(given(genome, conserved=tmp_path / "c.bed.gz"))


def test_damaged_bigwig_is_told(genome, tmp_path):
    (tmp_path / "not.bw").write_text("not a bigWig")
    assert "is not a bigWig" in only_problem(given(genome, conservation=tmp_path / "not.bw"))
    data = genome["conservation"].read_bytes()
    (tmp_path / "short.bw").write_bytes(data[: len(data) // 3])
    assert "damaged" in only_problem(given(genome, conservation=tmp_path / "short.bw"))


def test_bigwig_of_another_assembly_is_told(genome, tmp_path):
    path = write_bigwig(tmp_path / "p.bw", {**toy.LENGTHS, "chr2": 18_500})
    assert "says that chr2 has 18500 bases" in only_problem(given(genome, conservation=path))
    path = write_bigwig(tmp_path / "q.bw", {"chr8": 18_000})
    assert "has none of the contigs" in only_problem(given(genome, conservation=path))


def test_eqtls_whose_reference_allele_is_not_the_references_are_told(genome, tmp_path):
    found = problems(given(genome, eqtl=write_eqtls(tmp_path / "e.tsv", shift=-1)))
    assert re.search(r"e\.tsv:\d+: has REF [ACGT] at chr1:\d+, where the reference has [ACGT]; ", found[0])
    # One base off, about three in four differ: too many to list, so they are counted.
    assert re.search(r"\d+ of 12 reference alleles differ", found[-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gene\tslope\nALPHA\t0.1\n", "has no positions (its columns are gene, slope)"),
        ("chrom\tpos\n", "has no eQTL"),
        ("chrom\tpos\tgene\nchr1\t20001\tALPHA\n", "past the contig's end"),
        ("chrom\tpos\tgene\nchr1\t0\tALPHA\n", "has the position 0"),
        ("chrom\tpos0\tgene\nchr1\t20000\tALPHA\n", "past the contig's end"),
    ],
)
def test_faulty_eqtl_tables_are_told(genome, tmp_path, text, message):
    assert message in only_problem(given(genome, eqtl=toy.write_text(tmp_path / "e.tsv", text)))


def test_gtex_variant_ids_stand_for_their_columns(genome, tmp_path):
    ref = SEQUENCES["chr1"][6_000]
    good = toy.write_text(tmp_path / "e.tsv", f"variant_id\tgene_id\nchr1_6001_{ref}_N_b38\tENSG00000000001.1\n")
    assert check_run(given(genome, eqtl=good)).loci
    wrong = "A" if ref != "A" else "C"
    bad = toy.write_text(tmp_path / "f.tsv", f"variant_id\tgene_id\nchr1_6001_{wrong}_N_b38\tENSG00000000001.1\n")
    assert f"has REF {wrong} at chr1:6001, where the reference has {ref}" in only_problem(given(genome, eqtl=bad))


def test_eqtls_of_other_genes_are_noted(genome, tmp_path):
    other = toy.write_text(tmp_path / "e.tsv", "chrom\tpos\tgene\nchr1\t6001\tDELTA\n")
    assert any("no eQTL of any gene of the loci" in note for note in check_run(given(genome, eqtl=other)).notes)


def test_eqtls_without_genes_or_positions_are_noted(genome, tmp_path):
    bare = toy.write_text(tmp_path / "e.tsv", "#CHR\tPosition\nchr1\t6001\nchr1\t\n")
    notes = " ".join(check_run(given(genome, eqtl=bare)).notes)
    assert "names no genes, so position alone will decide" in notes
    assert "1 eQTLs have no position" in notes
    assert not any("have no position" in note for note in check_run(given(genome)).notes)


def test_a_class_map_is_read_where_something_needs_it(genome, tmp_path):
    bad = toy.write_text(tmp_path / "map.csv", "pattern,class,subclass\n")
    for changes in ({"class_map": bad}, {"class_map": bad, "regulatory": None}):
        assert "has a header and no pattern" in only_problem(given(genome, **changes))
    assert check_run(given(genome, class_map=None, regulatory=None)).n_elements > 0


def test_what_is_no_vcf_is_refused_with_the_reason(genome, tmp_path):
    path = toy.write_text(tmp_path / "v.vcf", "chr1\t1\tno header\n")
    assert re.search(
        r"v\.vcf: cannot be read as VCF \((?!None).+\); check it: bcftools view",
        only_problem(given(genome, variants=path)),
    )


def test_variants_are_checked_against_the_reference(genome, tmp_path):
    ref = SEQUENCES["chr1"][7_000]
    wrong = "A" if ref != "A" else "C"
    good = write_vcf(tmp_path / "good.vcf.gz", [(7_001, ref, wrong)], index=True)
    assert not [note for note in check_run(given(genome, variants=good)).notes if "good.vcf.gz" in note]
    unindexed = write_vcf(tmp_path / "plain.vcf.gz", [(7_001, ref, wrong)], contig="1")
    notes = " ".join(check_run(given(genome, variants=unindexed)).notes)
    assert "has no index" in notes
    assert "1 -> chr1" in notes
    for index in (False, True):
        bad = write_vcf(tmp_path / f"bad{index}.vcf.gz", [(7_001, wrong, ref)], index=index)
        assert f"has REF {wrong} at chr1:7001" in only_problem(given(genome, variants=bad))
    mixed = write_vcf(tmp_path / "mixed.vcf.gz", [(7_001, ref, wrong), (6_001, SEQUENCES["chr1"][6_000], "N")])
    assert "is not sorted" in only_problem(given(genome, variants=mixed))
    assert "truncated" in only_problem(
        given(genome, variants=cut(good, tmp_path.joinpath("sub").mkdir() or tmp_path / "sub"))
    )


def test_failed_loci_are_notes_where_they_are_allowed_unless_none_is_left(genome, tmp_path):
    some = toy.write_text(tmp_path / "l.csv", "gene\nALPHA\nNOSUCH\n")
    checked = check_run(given(genome, loci=some, allow_failed_loci=True))
    assert checked.loci == ["ALPHA"]
    assert any("left out" in note and "NOSUCH" in note for note in checked.notes)
    none = toy.write_text(tmp_path / "n.csv", "gene\nNOSUCH\n")
    assert "NOSUCH" in only_problem(given(genome, loci=none, allow_failed_loci=True))


def test_unknown_model_is_told(genome):
    assert "'no-such-model' is not in the registry" in only_problem(given(genome, models=["no-such-model"]))


def test_checkpoint_that_does_not_fit_its_config_is_told(genome, tmp_path):
    from darkregulome.models.caduceus import CaduceusConfig, CaduceusForMaskedLM
    from darkregulome.models.checkpoint import save_checkpoint

    config = {"model_type": "caduceus", "d_model": 8, "n_layer": 1, "vocab_size": 16, "rcps": False}
    save_checkpoint(CaduceusForMaskedLM(CaduceusConfig.model_validate(config)), config, tmp_path / "tiny")
    assert check_run(given(genome, models=["tiny"], weights={"tiny": tmp_path / "tiny"})).models == ["tiny"]
    saved = json.loads((tmp_path / "tiny" / "config.json").read_text())
    (tmp_path / "tiny" / "config.json").write_text(json.dumps({**saved, "d_model": 16}))
    assert "tiny" in problems(given(genome, models=["tiny"], weights={"tiny": tmp_path / "tiny"}))[0]


@pytest.mark.skipif(__import__("torch").cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_told(genome):
    assert "--device" in only_problem(given(genome, device="cuda:3"))


def test_script_writes_its_json_or_nothing(genome, tmp_path):
    options = {name: genome[name] for name in ("fasta", "gtf", "loci", "regulatory", "eqtl", "conservation")}
    ran = run_script("check_inputs", **options, flank=FLANK, out=tmp_path / "ok" / "checked.json")
    assert ran.code == 0, ran.err
    assert json.loads((tmp_path / "ok" / "checked.json").read_text())["loci"] == ["ALPHA", "BETA", "GAMMA"]
    bad = toy.write_text(tmp_path / "l.csv", "gene\nALPHO\n")
    ran = run_script("check_inputs", **{**options, "loci": bad}, out=tmp_path / "bad" / "checked.json")
    assert ran.code == 2
    assert ran.err.count("error: ") == 1
    assert "Traceback" not in ran.err
    assert not (tmp_path / "bad").exists()


def test_gzip_that_is_not_bgzip_does_for_everything_but_the_fasta(genome, tmp_path):
    plain = tmp_path / "g.fa.gz"
    plain.write_bytes(gzip.compress(b">chr1\nACGT\n"))
    assert "gzipped, not bgzipped" in only_problem(given(genome, fasta=plain))
