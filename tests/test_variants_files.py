"""VCFs as they are met: none aborts, none loses a record, each allele has the status that was worked out by hand."""

import gzip
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from darkregulome.models import registry
from fake_models import MarkovMasked
from places import ROOT
from script_runner import run_script

#          1         11        21        31
SEQUENCE = "ACGTACGTACGGGTTTCCCANNNNNNNNNNACGTTGCATG"
FASTA = f">chr1\n{SEQUENCE}\n>chr2\nttttACGTCAGG\n>chrR\nACGTRA\n>chrM\nACGTACGTACGTACGTACGT\n"
MAX_ALLELE = 4
FORMAT = "##fileformat=VCFv4.2\n"
NAMES = "#CHROM POS ID REF ALT QUAL FILTER INFO"
OK, SYMBOLIC, MISMATCH, OFF, MALFORMED = "ok", "symbolic", "ref_mismatch", "off_contig", "malformed"


@dataclass(frozen=True)
class Case:
    """A file's content, and the statuses of its alleles, record by record; blanks stand for tabs."""

    title: str
    content: str | bytes
    statuses: tuple[str, ...]
    header: str = FORMAT + NAMES + "\n"

    def bytes(self) -> bytes:
        if isinstance(self.content, bytes):
            return self.content
        return (self.header + self.content).replace(" ", "\t").replace("~", " ").encode("utf-8", "surrogateescape")


def line(chrom: object, pos: object, ref: str, alt: str, rest: str = ". . .") -> str:
    return f"{chrom} {pos} . {ref} {alt} {rest}\n"


SNV = line("chr1", 5, "A", "G")
SAMPLES = FORMAT + NAMES + " FORMAT one two\n"
CORPUS = [
    Case("a plain SNV", SNV, (OK,)),
    Case("no record at all", "", ()),
    Case("several ALTs", line("chr1", 5, "A", "C,G,T"), ("ok,ok,ok",)),
    Case("several ALTs, one symbolic", line("chr1", 5, "A", "C,<DEL>,T"), ("ok,symbolic,ok",)),
    Case("an ALT named twice", line("chr1", 5, "A", "C,C"), ("ok,duplicate",)),
    Case("an empty ALT between commas", line("chr1", 5, "A", "C,,T"), ("ok,symbolic,ok",)),
    Case("an insertion", line("chr1", 5, "A", "ATT"), (OK,)),
    Case("a deletion", line("chr1", 5, "ACG", "A"), (OK,)),
    Case("a deletion and an insertion in one", line("chr1", 5, "ACG", "TT"), (OK,)),
    Case("an indel without its anchor base trimmed", line("chr1", 4, "TACG", "TACGG"), ("too_long",)),
    Case("a substitution of several bases", line("chr1", 5, "ACG", "TCA"), (OK,)),
    Case("a deletion longer than allowed", line("chr1", 5, "ACGTA", "A"), ("too_long",)),
    Case("an insertion longer than allowed", line("chr1", 5, "A", "A" * 60), ("too_long",)),
    Case("a symbolic deletion with END", line("chr1", 5, "A", "<DEL>", ". . SVTYPE=DEL;END=30"), (SYMBOLIC,)),
    Case("a spanning deletion", line("chr1", 5, "A", "*"), (SYMBOLIC,)),
    Case("a break end", line("chr1", 5, "A", "A]chr2:7]"), (SYMBOLIC,)),
    Case("a break end with REF N", line("chr1", 5, "N", "[chr2:7[N"), (SYMBOLIC,)),
    Case("a gVCF block", line("chr1", 5, "A", "<NON_REF>", ". . END=12"), (SYMBOLIC,)),
    Case("no ALT", line("chr1", 5, "A", "."), (SYMBOLIC,)),
    Case("an ALT of N", line("chr1", 5, "A", "N"), (SYMBOLIC,)),
    Case("an IUPAC ALT", line("chr1", 5, "A", "R"), (SYMBOLIC,)),
    Case("a dash for a deletion", line("chr1", 5, "A", "-"), (SYMBOLIC,)),
    Case("lower-case alleles", line("chr1", 5, "a", "g"), (OK,)),
    Case("a soft-masked reference", line("chr2", 2, "T", "G"), (OK,)),
    Case("REF is another base", line("chr1", 5, "C", "G"), (MISMATCH,)),
    Case("REF and ALT exchanged", line("chr1", 5, "G", "A"), (MISMATCH,)),
    Case("REF longer than it agrees", line("chr1", 5, "ACC", "A"), (MISMATCH,)),
    Case("REF a dash for an insertion", line("chr1", 5, "-", "A"), (MISMATCH,)),
    Case("REF is N, where the reference is", line("chr1", 25, "N", "A"), ("n_in_window",)),
    Case("REF is IUPAC, where the reference is", line("chrR", 5, "R", "A"), ("n_in_window",)),
    Case("a window that is mostly past the contig's ends", line("chrR", 2, "C", "A"), ("n_in_window",)),
    Case("the first and the last base", line("chr1", 1, "A", "C") + line("chr1", 40, "G", "C"), (OK, OK)),
    Case("a deletion up to the contig's end", line("chr1", 38, "ATG", "A"), (OK,)),
    Case("position 0, the telomere", line("chr1", 0, "N", "<DEL>") + SNV, (OFF, OK)),
    Case("a position past the contig's end", SNV + line("chr1", 41, "A", "C"), (OK, OFF)),
    Case("REF past the contig's end", line("chr1", 40, "GA", "G"), (OFF,)),
    Case("a position of ten digits", line("chr1", 4294967296, "A", "C"), (OFF,)),
    Case("an unknown contig", line("chr9", 5, "A", "C") + line("HLA-A*01:01", 5, "A", "C"), (OFF, OFF)),
    Case("contigs without chr", line("1", 5, "A", "G") + line("MT", 5, "A", "G"), (OK, OK)),
    Case("one variant twice", SNV + SNV, (OK, "duplicate")),
    Case("one variant under two names of its contig", SNV + line("1", 5, "A", "G"), (OK, "duplicate")),
    Case("one change written in two ways", SNV + line("chr1", 4, "TAC", "TGC"), (OK, "duplicate")),
    Case("ALT is REF", line("chr1", 5, "A", "A"), (OK,)),
    Case("not sorted", line("chr1", 9, "A", "C") + SNV, (OK, OK)),
    Case("a contig in two places", SNV + line("chr2", 2, "T", "G") + line("chr1", 9, "A", "C"), (OK, OK, OK)),
    Case("no position", SNV + "chr1 here . A C . . .\n" + line("chr1", 9, "A", "C"), (OK, MALFORMED, OK)),
    Case("a negative position", line("chr1", -3, "A", "C"), (MALFORMED,)),
    Case("too few columns", "chr1 5 . A\n" + SNV, (MALFORMED, OK)),
    Case("columns separated by blanks", "chr1~5~.~A~G~.~.~.\n" + SNV, (MALFORMED, OK)),
    Case("no REF", "chr1 5 .  G . . .\n", (MALFORMED,)),
    Case("prose among the records", SNV + "see~the~supplement;~p=0.05,~50%\n", (OK, MALFORMED)),
    Case("no contig name", " 5 . A G . . .\n", (MALFORMED,)),
    Case("five columns", "chr1 5 rs1 A G\n", (OK,), FORMAT + "#CHROM POS ID REF ALT\n"),
    Case("five columns under a header of eight", "chr1 5 rs1 A G\n", (OK,)),
    Case("tags that the header does not declare", line("chr1", 5, "A", "G", ". LowQ AF=0.1;DB;XX"), (OK,)),
    Case("an empty INFO", "chr1 5 . A G . . \n", (OK,)),
    Case("a quality that is no number", line("chr1", 5, "A", "G", "high PASS ."), (OK,)),
    Case("samples", line("chr1", 5, "A", "G", ". . . GT 0/1 1|1"), (OK,), SAMPLES),
    Case("too few samples, and none", line("chr1", 5, "A", "G", ". . . GT 0/1") + SNV, (OK, "duplicate"), SAMPLES),
    Case("a malformed line under samples", "chr1 x . A G . . . GT 0/1 0/1\n" + SNV, (MALFORMED, OK), SAMPLES),
    Case("Windows line ends", (FORMAT + NAMES + "\n" + SNV).replace(" ", "\t").replace("\n", "\r\n").encode(), (OK,)),
    Case("no end of the last line", SNV.rstrip("\n"), (OK,)),
    Case("blank lines", "\n" + SNV + "\n~\n" + line("chr1", 9, "A", "C") + "\n", (OK, OK)),
    Case("a comment among the records", SNV + "#~said~so\n" + line("chr1", 9, "A", "C"), (OK, OK)),
    Case("a byte order mark", b"\xef\xbb\xbf" + (FORMAT + NAMES + "\n" + SNV).replace(" ", "\t").encode(), (OK,)),
    Case(
        "bytes that are not UTF-8",
        line("chr1", 5, "A", "G", ". . GENE=\udce9"),
        (OK,),
    ),
    Case("Greek letters in ID", "chr1 5 α1 A G . . .\n", (OK,)),
    Case("no line of the format", SNV, (OK,), NAMES + "\n"),
    Case("a header that declares other contigs", SNV, (OK,), FORMAT + "##contig=<ID=chr7,length=9>\n" + NAMES + "\n"),
    Case(
        "scored before",
        line("chr1", 5, "A", "G", ". . AC=1;DR_STATUS=too_long;DR_LLR=9;DR_OLD=1"),
        (OK,),
        FORMAT + "##INFO=<ID=DR_LLR,Number=1,Type=String,Description='old'>\n" + NAMES + "\n",
    ),
]


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(FASTA)
    pysam.faidx(str(path))
    return path


@pytest.fixture(autouse=True)
def _known_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load_model", lambda *_: MarkovMasked(context=16))


def score(vcf: Path, fasta: Path, out: Path, *more: object):
    words = ("--vcf", vcf, "--fasta", fasta, "--out", out, "--model", "demo-caduceus", "--max-allele", MAX_ALLELE)
    return run_script("score_variants", *words, "--no-progress", *more)


def test_the_corpus_is_of_some_size():
    assert len({case.title for case in CORPUS}) == len(CORPUS)
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.title.replace(" ", "_"))
def test_every_record_of_a_nasty_file_comes_out_once_in_order_with_its_status(case: Case, fasta: Path, tmp_path: Path):
    vcf = tmp_path / "in.vcf"
    vcf.write_bytes(case.bytes())
    done = score(vcf, fasta, tmp_path / "out.parquet")
    assert done.code == 0, done.err
    table = pd.read_parquet(tmp_path / "out.parquet")
    statuses = [",".join(group) for _, group in table.groupby("record")["status"]]
    assert tuple(statuses) == case.statuses
    assert (table["llr"].notna() == (table["status"] == OK)).all()
    assert (table["reason"].eq("") == (table["status"] == OK)).all()

    done = score(vcf, fasta, tmp_path / "out.vcf.gz")
    assert done.code == 0, done.err
    pysam.set_verbosity(0)
    with pysam.VariantFile(str(tmp_path / "out.vcf.gz")) as scored:
        records = [record.copy() for record in scored]
    assert tuple(",".join(record.info["DR_STATUS"]) for record in records) == case.statuses
    written = [value for record in records for value in record.info.get("DR_LLR", ()) if value is not None]
    np.testing.assert_allclose(written, table["llr"].dropna(), rtol=1e-5)
    indexed = any((tmp_path / f"out.vcf.gz{suffix}").exists() for suffix in (".tbi", ".csi"))
    assert indexed != ("has no index" in done.err)


def lines_of(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", errors="surrogateescape") as handle:
        return [text.rstrip("\n").split("\t") for text in handle if not text.startswith("#")]


@pytest.mark.parametrize("title", ["tags that the header does not declare", "samples", "bytes that are not UTF-8"])
def test_nothing_of_a_record_changes_but_the_fields_that_are_added(title: str, fasta: Path, tmp_path: Path):
    case = next(case for case in CORPUS if case.title == title)
    (tmp_path / "in.vcf").write_bytes(case.bytes())
    assert score(tmp_path / "in.vcf", fasta, tmp_path / "out.vcf.gz").code == 0
    before = [
        text.split("\t") for text in case.bytes().decode("utf-8", "surrogateescape").splitlines() if text[0] != "#"
    ]
    after = lines_of(tmp_path / "out.vcf.gz")
    for old, new in zip(before, after, strict=True):
        assert [*new[:7], *new[8:]] == [*old[:7], *old[8:]]
        kept = [item for item in new[7].split(";") if not item.startswith("DR_")]
        assert ";".join(kept) == ("" if old[7] == "." else old[7])


def test_scores_of_an_earlier_run_are_replaced(fasta: Path, tmp_path: Path):
    case = next(case for case in CORPUS if case.title == "scored before")
    (tmp_path / "in.vcf").write_bytes(case.bytes())
    assert score(tmp_path / "in.vcf", fasta, tmp_path / "out.vcf.gz").code == 0
    ((*_, info),) = lines_of(tmp_path / "out.vcf.gz")
    assert info.startswith("AC=1;DR_STATUS=ok;DR_LLR=")
    assert info.count("DR_") == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no line of column names"),
        (b"##fileformat=VCFv4.2\n", "has no line of column names"),
        (b"chr1\t5\t.\tA\tG\t.\t.\t.\n", "stands before the header's line"),
        (b"#CHROM\tPOS\tREF\tALT\n", "names the columns"),
        (b"#CHROM POS ID REF ALT QUAL FILTER INFO\n", "names the columns"),
        (NAMES.replace(" ", "\t").encode() + b"\tFORMAT\tone\tone\n", "has a header that cannot be read"),
        (gzip.compress(b"##fileformat=VCFv4.2\n" * 99, mtime=0)[:40], "truncated or damaged"),
        (bytes(range(128, 256)) * 9, "stands before the header's line"),
    ],
)
def test_a_broken_header_is_one_sentence_and_no_output(content: bytes, message: str, fasta: Path, tmp_path: Path):
    (tmp_path / "in.vcf").write_bytes(content)
    done = score(tmp_path / "in.vcf", fasta, tmp_path / "out.tsv")
    assert done.code == 2
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.vcf"]


def test_a_file_is_read_alike_however_it_is_compressed(fasta: Path, tmp_path: Path):
    content = (
        (FORMAT + "##contig=<ID=chr1>\n" + NAMES + "\n" + SNV + line("chr1", 9, "A", "C")).replace(" ", "\t").encode()
    )
    plain, zipped, blocked, binary = (tmp_path / f"in.{kind}" for kind in ("vcf", "vcf.gz", "vcf.bgz", "bcf"))
    plain.write_bytes(content)
    zipped.write_bytes(gzip.compress(content))
    pysam.tabix_compress(str(plain), str(blocked))
    with pysam.VariantFile(str(plain)) as source, pysam.VariantFile(str(binary), "wb", header=source.header) as target:
        for record in source:
            target.write(record)
    tables = []
    for path in (plain, zipped, blocked, binary):
        assert score(path, fasta, tmp_path / "out.tsv").code == 0
        tables.append((tmp_path / "out.tsv").read_text())
    assert len(set(tables)) == 1


def test_a_truncated_file_leaves_nothing_behind(fasta: Path, tmp_path: Path):
    content = (FORMAT + NAMES + "\n" + SNV * 5000).replace(" ", "\t").encode()
    (tmp_path / "in.vcf.gz").write_bytes(gzip.compress(content)[:-20])
    done = score(tmp_path / "in.vcf.gz", fasta, tmp_path / "out.vcf.gz")
    assert done.code == 2
    assert "truncated" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["in.vcf.gz"]


def many(tmp_path: Path) -> Path:
    """A sorted file of every SNV of chr1 and chr2, with duplicates and what cannot be scored."""
    rows = [line("chr1", at, base, alt) for at, base in enumerate(SEQUENCE, 1) for alt in "ACGT" if base != alt]
    rows[30:30] = rows[28:30]
    rows.insert(20, "chr1 x . A C . . .\n")
    rows += [line("chr2", at, base, "A,C") for at, base in enumerate("TTTTACGTCAGG", 1)]
    plain = tmp_path / "many.vcf"
    plain.write_bytes((FORMAT + NAMES + "\n" + "".join(rows)).replace(" ", "\t").encode())
    return plain


@pytest.mark.parametrize("kind", ["vcf.gz", "parquet", "tsv.gz"])
def test_the_parts_of_a_scatter_gathered_are_the_whole(kind: str, fasta: Path, tmp_path: Path):
    vcf = many(tmp_path)
    assert score(vcf, fasta, tmp_path / f"whole.{kind}").code == 0
    parts = [tmp_path / f"part{number}.{kind}" for number in (1, 2, 3, 4, 5)]
    for number, part in enumerate(parts, start=1):
        assert score(vcf, fasta, part, "--shard", f"{number}/5").code == 0
    done = run_script("gather", "variants", *parts, "--out", tmp_path / f"joined.{kind}")
    assert done.code == 0, done.err
    whole, joined = (tmp_path / f"{name}.{kind}" for name in ("whole", "joined"))
    if kind == "parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(joined), pd.read_parquet(whole))
    else:
        assert gzip.decompress(joined.read_bytes()) == gzip.decompress(whole.read_bytes())


@pytest.mark.heavy
def test_a_million_records_stream_and_come_out_in_order():
    script = ROOT / "benchmarks" / "variants_stream.py"
    done = subprocess.run([sys.executable, script, "--records", "1000000"], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    assert found["in_order"] == found["scored"] == 1_000_000
    assert max(found["peak_mib"].values()) < 1536


def test_parts_of_two_scatters_are_not_gathered(fasta: Path, tmp_path: Path):
    vcf = many(tmp_path)
    assert score(vcf, fasta, tmp_path / "a.tsv").code == 0
    assert score(vcf, fasta, tmp_path / "b.tsv", "--score", "all").code == 0
    done = run_script("gather", "variants", tmp_path / "a.tsv", tmp_path / "b.tsv", "--out", tmp_path / "c.tsv")
    assert done.code == 2
    assert "b.tsv" in done.err
    assert not (tmp_path / "c.tsv").exists()


@pytest.mark.parametrize("indexed", [True, False])
def test_regions_side_by_side_have_each_record_once(indexed: bool, fasta: Path, tmp_path: Path):
    rows = [line("chr1", at, "ACGT"[(at - 1) % 4], "<DEL>" if at == 3 else "A") for at in range(1, 11)]
    rows[6] = line("chr1", 7, "GTA", "G")  # reaches over the regions' common edge
    vcf = tmp_path / "in.vcf"
    vcf.write_bytes((FORMAT + NAMES + "\n" + "".join(rows)).replace(" ", "\t").encode())
    if indexed:
        vcf = Path(pysam.tabix_index(str(vcf), preset="vcf", keep_original=True))
    found = []
    for region in ("chr1:1-7", "1:8-40", "chr2"):
        assert score(vcf, fasta, tmp_path / "out.tsv", "--region", region).code == 0
        found += pd.read_csv(tmp_path / "out.tsv", sep="\t")["pos"].tolist()
    assert found == list(range(1, 11))


def test_all_snvs_of_a_bed(fasta: Path, tmp_path: Path):
    (tmp_path / "in.bed").write_text("track name=x\nchr1\t17\t22\nnowhere\t1\t2\nchrM\t18\t30\n")
    words = ("--bed", tmp_path / "in.bed", "--fasta", fasta, "--model", "demo-caduceus", "--no-progress")
    assert run_script("score_variants", *words, "--out", tmp_path / "out.tsv").code == 0
    table = pd.read_csv(tmp_path / "out.tsv", sep="\t", keep_default_na=False)
    ok = table[table["status"] == OK]
    assert [f"{row.chrom}:{row.pos}{row.ref}>{row.alt}" for row in ok.itertuples()] == [
        *(f"chr1:{at}{ref}>{alt}" for at, ref in ((18, "C"), (19, "C"), (20, "A")) for alt in "ACGT" if alt != ref),
        *(f"chrM:{at}{ref}>{alt}" for at, ref in ((19, "G"), (20, "T")) for alt in "ACGT" if alt != ref),
    ]
    assert table.loc[table["status"] != OK, "status"].tolist() == [SYMBOLIC, SYMBOLIC, OFF]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--region", "chr1:9-3"), "no region"),
        (("--shard", "3/2"), "no shard"),
        (("--score", "track"), "has no score 'track'"),
        (("--edge", "wrap"), "not known"),
        (("--prefix", "D R"), "INFO field"),
        (("--bed", "x.bed"), "are both given"),
        (("--window", "0"), "positive"),
        (("--max-allele", "40"), "half the window"),
    ],
)
def test_options_that_do_not_fit_are_told(options: tuple[str, str], message: str, fasta: Path, tmp_path: Path):
    vcf = many(tmp_path)
    done = score(vcf, fasta, tmp_path / "out.tsv", *options)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize("name", ["out.vcf", "out.txt.zip", "out"])
def test_an_extension_that_cannot_be_written_is_told_before_anything_is_scored(name, fasta: Path, tmp_path: Path):
    done = score(many(tmp_path), fasta, tmp_path / name)
    assert done.code == 2
    assert "name it .vcf.gz" in done.err or "use .vcf.gz" in done.err
