"""Whatever a file holds, its parser takes it or says what is wrong with it: an InputError, and no other exception."""

import gzip
import string
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toy
from darkregulome.claims.string_network import read_network, read_pairs
from darkregulome.conversion.convert import read_any_scores, read_own_elements
from darkregulome.conversion.tables import read_bed_scores
from darkregulome.elements.class_map import read_class_map
from darkregulome.elements.loci import read_locus_rows
from darkregulome.errors import InputError
from darkregulome.genome.annotation import read_gtf, read_repeats
from darkregulome.genome.bed import read_bed
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.eqtls import read_eqtls
from darkregulome.genome.reference import Reference, compress_fasta
from darkregulome.genome.vcf import VcfFile, parse_region
from darkregulome.io.npz import open_npz
from darkregulome.io.schemas import EFFECTS, ELEMENTS, LOCI, RIS
from darkregulome.io.tables import read_table
from darkregulome.models.checkpoint import read_config
from darkregulome.models.registry import read_registry
from darkregulome.report.records import Diagnosis, read_record
from darkregulome.scoring.embeddings.windows import read_windows
from darkregulome.scoring.maps.sequences import sequences_of_bed
from darkregulome.scoring.variants.records import parse_shard, snvs_of_bed
from darkregulome.seq2exp.recipe import read_recipe
from darkregulome.training.enformer import read_sites

FUZZ = settings(
    derandomize=True,
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
CONTIGS = Contigs(toy.LENGTHS, "genome.fa.gz")
SEQUENCES = toy.toy_sequences()

# Valid texts of each format: what is mutated.
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t7\t.\tA\tC,<DEL>\t.\t.\tX=1\n"
EQTLS = "variant_id\tgene_id\tpval_nominal\nchr1_100_A_G_b38\tENSG1.2\t1e-5\nchr2_7_C_T_b38\tENSG2\t0.2\n"
STRING = "protein1 protein2 combined_score\n9606.ENSP1 9606.ENSP2 900\nALPHA BETA 0.4\n"
LOCUS_TABLE = "locus\tgene\tchrom\ttss\tstrand\tstart\tend\na\tALPHA\tchr1\t10000\t+\t1000\t19001\n"
SCORES = "element\tmodel\tris\tpredictability\nx\tm\t0.5\t-1.2\ny\tm\t0.1\t-1.3\n"
INTERVALS = "chrom\tstart\tend\tscore\nchr1\t100\t200\t0.5\nchr1\t300\t420\t0.1\n"
REGISTRY = "models:\n  x: {kind: masked, architecture: caduceus, context: 512, tracks: {a: 1}, sites: 4}\n"
RECIPE = "model: {window: 1024, signals: [h3k27ac]}\ntraining: {steps: 10, kl_ramp: [0.1, 0.2]}\n"
FASTA = ">chr1 first\nACGTNACGT\nACGT\n>chr2\nacgtRYK\n"
DIAGNOSIS = '{"parameters": {"alpha": 0.05}, "models": {"m": {"kind": "masked"}}, "claims": []}\n'
CONFIG = '{"model_type": "caduceus", "d_model": 16, "n_layer": 1}\n'

BED6 = "track name=x\nchr1\t10\t30\tname\t0.5\t-\nchr2 5 9 . 1 +\n"


def read_with_genome(read: Callable[[Path, Reference], object]) -> Callable[[Path], object]:
    """A parser that reads beside a genome, which is written once."""

    def parse(path: Path) -> object:
        fasta = path.parent / "genome" / "genome.fa"
        if not fasta.exists():
            fasta.parent.mkdir()
            toy.write_fasta(fasta, SEQUENCES)
        with Reference(fasta) as genome:
            return read(path, genome)

    return parse


PARSERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "bed": ("a.bed", toy._lines(toy.REGULATORY), lambda path: read_bed(path, CONTIGS)),
    "own_bed": ("own.bed", BED6, read_own_elements),
    "bed_scores": ("s.bed", BED6, read_bed_scores),
    "bed_of_maps": ("m.bed", BED6, read_with_genome(lambda path, genome: list(sequences_of_bed(path, genome)))),
    "bed_of_windows": ("w.bed", BED6, read_with_genome(read_windows)),
    "bed_of_snvs": ("v.bed", BED6, read_with_genome(lambda path, genome: list(snvs_of_bed(path, genome)))),
    "bed_of_tss": ("tss.bed", BED6, read_sites),
    "gtf": ("a.gtf", toy.gtf_text(), lambda path: read_gtf(path, CONTIGS)),
    "rmsk": ("rmsk.txt", toy.rmsk_text(), lambda path: read_repeats(path, CONTIGS)),
    "repeats_bed": ("r.bed", "chr1\t10\t90\tAluY#SINE/Alu\t0\t+\n", lambda path: read_repeats(path, CONTIGS)),
    "vcf": ("a.vcf", VCF, lambda path: [record.alts for record in VcfFile(path).records()]),
    "eqtl": ("e.tsv", EQTLS, lambda path: read_eqtls(read_table(path), path, 0.05)),
    "string": ("links.txt", STRING, lambda path: read_network(path, {"ALPHA", "BETA", "9606.ENSP1"})),
    "string_info": ("info.txt", "#string_protein_id\tpreferred_name\nP1\tALPHA\n", lambda path: names_of(path)),
    "pairs": ("pairs.tsv", "gene1\tgene2\nALPHA\tBETA\n", read_pairs),
    "loci": ("loci.csv", "locus,gene,chrom,tss,strand\na,ALPHA,chr1,100,+\nb,BETA,,,\n", read_locus_rows),
    "class_map": ("map.csv", "pattern,class,subclass\nPLS*,cCRE,=\nAlu,TE,Alu\n", read_class_map),
    "placed_loci": ("loci.tsv", LOCUS_TABLE, lambda path: read_table(path, LOCI)),
    "elements": ("elements.tsv", LOCUS_TABLE, lambda path: read_table(path, ELEMENTS)),
    "ris": ("ris.csv", SCORES.replace("\t", ","), lambda path: read_table(path, RIS)),
    "effects": ("effects.tsv", SCORES, lambda path: read_table(path, EFFECTS)),
    "scores": ("scores.tsv", INTERVALS, lambda path: read_any_scores(None, path)),
    "registry": ("models.yml", REGISTRY, read_registry),
    "recipe": ("recipe.yaml", RECIPE, read_recipe),
    "config": ("config.json", CONFIG, lambda path: read_config(path.parent)),
    "diagnosis": ("diagnosis.json", DIAGNOSIS, lambda path: read_record(path, Diagnosis, "give another")),
    "fasta": ("genome.fa", FASTA, lambda path: read_fasta(path)),
}


def names_of(info: Path) -> object:
    from darkregulome.claims.string_network import read_names

    return read_names(info, {"ALPHA"})


def read_fasta(path: Path) -> None:
    for suffix in (".fai", ".gzi", ".gz", ".gz.fai", ".gz.gzi"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with Reference(path) as reference:
        for name, length in reference.lengths.items():
            assert len(reference.fetch(name, -2, length + 2)) == length + 4
    compress_fasta(path, Path(f"{path}.gz"))


# What breaks parsers: numbers at the edges, odd letters, the separators of other formats, quotes, control characters.
TOKENS = st.one_of(
    st.sampled_from(
        ["", "-1", "0", "1e400", "nan", "NaN", "inf", "99999999999999999999", "1.5", "chr1", "ALPHA", "\0"]
    ),
    st.sampled_from(
        ['"', "'", "#", "\t", "\n", "\r\n", ",", ";", " ", "{", "[", "&a", "*a", "!!python/name:os.system"]
    ),
    st.text(alphabet=string.printable + "é‮", max_size=8),
)


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """A valid text with some fields, lines or characters changed, dropped or doubled; or cut; or other bytes."""
    for _ in range(draw(st.integers(0, 4))):
        how = draw(st.sampled_from(["field", "splice", "drop", "double", "cut"]))
        lines = text.splitlines(keepends=True) or [""]
        at = draw(st.integers(0, len(lines) - 1))
        place = draw(st.integers(0, max(0, len(text) - 1)))
        if how == "field":
            separator = next((one for one in ("\t", ",", ":", " ") if one in lines[at]), "\t")
            fields = lines[at].split(separator)
            fields[draw(st.integers(0, len(fields) - 1))] = draw(TOKENS)
            lines[at] = separator.join(fields)
            text = "".join(lines)
        elif how == "splice":
            text = text[:place] + draw(TOKENS) + text[place:]
        elif how == "drop":
            text = "".join(lines[:at] + lines[at + 1 :])
        elif how == "double":
            text = "".join(lines[: at + 1] + lines[at:])
        else:
            text = text[:place]
    data = text.encode()
    if draw(st.integers(0, 9)) == 0:
        data = draw(st.binary(max_size=64)) + data
    if draw(st.integers(0, 9)) == 0:
        data = gzip.compress(data, mtime=0)
        data = data[: draw(st.integers(0, len(data)))]
    return data


@pytest.mark.parametrize("name", list(PARSERS))
def test_a_parser_takes_a_file_or_says_what_is_wrong(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    file, text, read = PARSERS[name]
    path = tmp_path / file

    @FUZZ
    @given(mutated(text))
    def try_one(data: bytes) -> None:
        path.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
        except InputError as error:
            for problem in error.problems:
                assert problem.where
                assert problem.what
                assert problem.remedy

    try_one()


@pytest.mark.parametrize("name", [name for name in PARSERS if "bed" in name])
def test_a_digit_that_is_no_number_is_told(name: str, tmp_path: Path):
    file, _, read = PARSERS[name]
    (tmp_path / file).write_text("chr1\t²\t9\tx\t0.5\t-\n")
    if name == "bed_of_windows":
        assert [window.status for window in read(tmp_path / file)] == ["malformed"]
    else:
        with pytest.raises(InputError, match=rf"{file}:1: "):
            read(tmp_path / file)


@pytest.mark.parametrize("compressed", [False, True])
def test_an_npz_is_read_or_refused_whichever_of_its_bytes_is_another(compressed: bool, tmp_path: Path):
    path = tmp_path / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, a=np.arange(6.0))
    whole = path.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(len(whole))]
    refused: list[str] = []
    for data in [*damaged, *(whole[:size] for size in range(0, len(whole), 9))]:
        path.write_bytes(data)
        try:
            with open_npz(path, "give another") as arrays:
                found = dict(arrays)
        except InputError as error:
            refused.append(str(error))
        else:
            assert not any(name == "a" and not np.array_equal(array, np.arange(6.0)) for name, array in found.items())
    assert set(refused) == {f"{path}: is not an npz archive of plain arrays; give another."}
    assert len(refused) > len(damaged) / 2


def test_one_array_alone_is_no_npz(tmp_path: Path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, np.arange(6.0))
    with pytest.raises(InputError, match="is not an npz archive"), open_npz(tmp_path / "a.npz", "give another"):
        pass


@FUZZ
@given(st.one_of(TOKENS, st.from_regex(r"\S{0,9}:?[0-9,]{0,9}-?[0-9,]{0,9}", fullmatch=True)))
def test_regions_and_shards_are_taken_or_refused(word: str):
    for parse in (parse_region, parse_shard):
        try:
            parse(word)
        except InputError:
            continue
