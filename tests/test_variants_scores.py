"""Scores of variants: official numbers, known models, and laws that any model obeys."""

import itertools
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
import torch

from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement
from darkregulome.genome.vcf import Record, parse_record
from darkregulome.models import registry
from darkregulome.scoring.variants.records import AlleleChecker
from darkregulome.scoring.variants.score import CHUNK_RECORDS, make_scorer, score_records
from darkregulome.scoring.variants.settings import SCORES_OF_KIND, Settled
from fake_models import ORDER_0, EquivariantMasked, LinearOutput, MarkovCausal, MarkovMasked, OrderZeroMasked
from places import GOLDEN, SHARED
from script_runner import run_script

GOLDEN = Path(os.environ.get("GOLDEN_DIR") or GOLDEN)
SEQUENCE = "".join(np.random.default_rng(3).choice(list("ACGT"), 120))
LANGUAGE = (MarkovMasked, EquivariantMasked, MarkovCausal)


def record(pos: int, ref: str, alt: str, chrom: str = "chr1", number: int = 0) -> Record:
    return parse_record(number, f"{chrom}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t.")


def score(tmp_path: Path, model, variants, sequence: str = SEQUENCE, loci=None, **options) -> pd.DataFrame:
    """One row an allele of (pos, ref, alt), the contig being `sequence`."""
    path = tmp_path / f"{abs(hash(sequence))}.fa"
    path.write_text(f">chr1\n{sequence}\n")
    chosen = {"scores": SCORES_OF_KIND[model.kind], "window": model.context, "max_length": 7, **options}
    settings = Settled(**chosen)
    with Reference(path) as reference:
        scorer = make_scorer(model, reference, settings, loci)
        records = [record(*variant, number=number) for number, variant in enumerate(variants)]
        chunks = list(score_records(records, scorer, AlleleChecker(reference, settings.max_length), settings.window))
    alleles = [allele for chunk in chunks for group in chunk.alleles for allele in group]
    alts = [alt for chunk in chunks for of_one in chunk.records for alt in of_one.alts]
    scores = {name: np.concatenate([chunk.scores[name] for chunk in chunks]) for name in scorer.names}
    return pd.DataFrame({"alt": alts, "status": [a.status for a in alleles], **scores})


def snvs(sequence: str = SEQUENCE, step: int = 7) -> list[tuple[int, str, str]]:
    return [
        (at + 1, sequence[at], "ACGT"[("ACGT".index(sequence[at]) + 1 + at % 3) % 4])
        for at in range(0, len(sequence), step)
    ]


# Official numbers


@pytest.mark.parametrize("case", ["gpn_convnet", "gpn_bytenet"])
def test_the_scores_of_gpn_come_out(case: str, tmp_path: Path):
    folder = GOLDEN / case
    fasta = tmp_path / "genome.fa"
    fasta.write_bytes((folder / "genome.fa").read_bytes())
    for name in ("llr", "influence"):
        expected = pd.read_csv(folder / f"variants_{name}.tsv", sep="\t")
        lines = [f"{row.chrom}\t{row.pos}\t.\t{row.ref}\t{row.alt}\t.\t.\t." for row in expected.itertuples()]
        head = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
        (tmp_path / "in.vcf").write_text("\n".join([*head, *lines]) + "\n")
        words = ("--vcf", tmp_path / "in.vcf", "--fasta", fasta, "--model", "gpn", "--weights", folder)
        options = ("--window", 128, "--max-n", 1, "--score", name, "--no-progress", "--device", "cpu")
        done = run_script("score_variants", *words, *options, "--out", tmp_path / "out.parquet")
        assert done.code == 0, done.err
        found = pd.read_parquet(tmp_path / "out.parquet")
        np.testing.assert_allclose(found[name], expected[name], atol=2e-5)
        if name == "llr":
            words = (*words, "--strands", "forward")
            assert run_script("score_variants", *words, *options, "--out", tmp_path / "fwd.tsv").code == 0
            np.testing.assert_allclose(
                pd.read_csv(tmp_path / "fwd.tsv", sep="\t")["llr"], expected["llr_fwd"], atol=2e-5
            )


def test_the_signed_influence_of_the_dependency_maps_comes_out(tmp_path: Path):
    sequence = str(np.load(GOLDEN / "gpn_dependency" / "input.npz")["seqs"][0])
    expected = np.load(GOLDEN / "gpn_dependency" / "expected.npz")["variant_influence"]
    (tmp_path / "genome.fa").write_text(f">chr1\n{sequence}\n")
    (tmp_path / "in.bed").write_text("chr1\t0\t12\nchr1\t90\t96\n")
    # One window, all of the sequence, on one strand, as the published function reads it.
    options = ("--window", 96, "--edge", "shift", "--strands", "forward", "--score", "influence_signed")
    words = ("--bed", tmp_path / "in.bed", "--fasta", tmp_path / "genome.fa", "--model", "gpn", "--no-progress")
    weights = ("--weights", GOLDEN / "gpn_convnet", "--out", tmp_path / "out.parquet", "--device", "cpu")
    done = run_script("score_variants", *words, *weights, *options)
    assert done.code == 0, done.err
    found = pd.read_parquet(tmp_path / "out.parquet")
    wanted = [expected[pos - 1, "ACGT".index(alt)] for pos, alt in zip(found["pos"], found["alt"], strict=True)]
    np.testing.assert_allclose(found["influence_signed"], wanted, atol=2e-5)


# Known models


def test_the_llr_of_a_model_without_context_is_the_ratio_of_its_frequencies(tmp_path: Path):
    found = score(tmp_path, OrderZeroMasked(context=16), [(20, SEQUENCE[19], "ACGT".replace(SEQUENCE[19], "")[0])])
    ref, alt = SEQUENCE[19], "ACGT".replace(SEQUENCE[19], "")[0]

    def log_p(base):
        return (math.log(ORDER_0["ACGT".index(base)]) + math.log(ORDER_0["TGCA".index(base)])) / 2

    assert found["llr"][0] == pytest.approx(log_p(alt) - log_p(ref), abs=1e-6)
    assert found["influence"][0] == 0  # nothing else can change
    assert found["influence_signed"][0] == 0


def test_bases_substituted_together_are_masked_together_and_their_ratios_added(tmp_path: Path):
    ref = SEQUENCE[30:33]
    alt = "".join("ACGT"[("ACGT".index(base) + 1) % 4] for base in ref)
    singles = [(31 + at, ref[at], alt[at]) for at in range(3)]
    found = score(tmp_path, OrderZeroMasked(context=16), [(31, ref, alt), *singles])
    assert found["llr"][0] == pytest.approx(found["llr"][1:].sum(), abs=1e-6)
    # Of a Markov field three neighbours masked at once: the middle one is seen through no neighbour at all.
    model = MarkovMasked(context=15)
    score(tmp_path, model, [(31, ref, alt)], scores=("llr",))
    assert len(model.sequences_run) == 2  # both strands
    assert all("###" in sequence for sequence in model.sequences_run)


def test_the_log_likelihood_difference_of_a_chain_is_the_sum_over_what_changes(tmp_path: Path):
    model = MarkovCausal(context=20, order=2)

    def total(window: str) -> float:
        return sum(math.log(model.distribution(window, at)["ACGT".index(base)]) for at, base in enumerate(window))

    for at in (30, 60, 77):
        ref = SEQUENCE[at]
        alt = "ACGT".replace(ref, "")[at % 3]
        start = at - 10
        window = SEQUENCE[start : start + 20]
        edited = window[:10] + alt + window[11:]
        expected = sum(total(strand(edited)) - total(strand(window)) for strand in (str, reverse_complement)) / 2
        found = score(tmp_path, model, [(at + 1, ref, alt)], scores=("loglik",))
        assert found["loglik"][0] == pytest.approx(expected, abs=1e-5)


def test_the_log_likelihood_difference_of_a_masked_model_masks_each_base(tmp_path: Path):
    # Of a Markov field whose neighbours are seen, every seventh base masked at once is each base masked alone.
    model = MarkovMasked(context=20)

    def total(window: str) -> float:
        chances = [model.distribution(window, at)["ACGT".index(base)] for at, base in enumerate(window)]
        return sum(map(math.log, chances))

    ref, alt = SEQUENCE[59], "ACGT".replace(SEQUENCE[59], "")[1]
    window = SEQUENCE[49:69]
    edited = window[:10] + alt + window[11:]
    expected = sum(total(strand(edited)) - total(strand(window)) for strand in (str, reverse_complement)) / 2
    found = score(tmp_path, MarkovMasked(context=20), [(60, ref, alt)], scores=("loglik",))
    assert found["loglik"][0] == pytest.approx(expected, abs=1e-5)


def test_the_embedding_distance_is_that_of_the_hidden_states(tmp_path: Path):
    model = MarkovMasked(context=15)
    found = score(tmp_path, model, [(31, SEQUENCE[30], "ACGT".replace(SEQUENCE[30], "")[0])], scores=("embedding",))
    window = SEQUENCE[23:38]
    edited = window[:7] + "ACGT".replace(SEQUENCE[30], "")[0] + window[8:]
    distances = [
        torch.dist(model.hidden(model.encode([strand(window)])), model.hidden(model.encode([strand(edited)]))).item()
        for strand in (str, reverse_complement)
    ]
    assert found["embedding"][0] == pytest.approx(np.mean(distances), abs=1e-6)


# Laws


class UniformMasked(OrderZeroMasked):
    """Knows nothing."""

    def distribution(self, sequence, position):
        return [0.25] * 4


INDELS = [
    (30, SEQUENCE[29], SEQUENCE[29] + "GTC"),
    (40, SEQUENCE[39:43], SEQUENCE[39]),
    (50, SEQUENCE[49:52], "TTTTT"),
    (61, SEQUENCE[60:62], SEQUENCE[60]),
]


def test_alleles_of_different_lengths_are_alike_to_a_model_that_knows_nothing(tmp_path: Path):
    scores = ("llr", "loglik", "influence", "influence_signed")
    found = score(tmp_path, UniformMasked(context=16), INDELS, scores=scores)
    assert (found["status"] == "ok").all()
    np.testing.assert_allclose(found.drop(columns=["alt", "status"]).astype(float), 0, atol=1e-6)


@pytest.mark.parametrize("kind", LANGUAGE)
def test_exchanging_ref_and_alt_changes_the_sign_of_differences_and_nothing_of_distances(kind, tmp_path: Path):
    model = kind(context=24)
    for pos, ref, alt in [*snvs(step=17)[2:-2], *INDELS]:
        other = SEQUENCE[: pos - 1] + alt + SEQUENCE[pos - 1 + len(ref) :]
        scores = tuple(name for name in SCORES_OF_KIND[model.kind] if name != "influence_signed")
        wide = {"scores": scores, "window": 24}
        there = score(tmp_path, model, [(pos, ref, alt)], **wide)
        back = score(tmp_path, model, [(pos, alt, ref)], other, **wide)
        for name in scores:
            sign = -1 if name in ("llr", "loglik") else 1
            assert there[name][0] == pytest.approx(sign * back[name][0], abs=2e-5), (pos, ref, alt, name)


@pytest.mark.parametrize("kind", LANGUAGE)
def test_the_reverse_complement_of_a_genome_gives_the_same_scores(kind, tmp_path: Path):
    # An odd window has the same bases on either strand.
    variants = snvs()
    size = len(SEQUENCE)
    mirrored = [(size - pos + 1, reverse_complement(ref), reverse_complement(alt)) for pos, ref, alt in variants]
    there = score(tmp_path, kind(context=15), variants)
    back = score(tmp_path, kind(context=15), mirrored, reverse_complement(SEQUENCE))
    assert there["status"].tolist() == back["status"].tolist()
    for name in SCORES_OF_KIND[kind.kind]:
        np.testing.assert_allclose(there[name], back[name], atol=2e-5, err_msg=name)


def test_one_strand_is_enough_for_an_equivariant_model(tmp_path: Path):
    model, both = EquivariantMasked(context=15), EquivariantMasked(context=15)
    both.equivariant = False
    one, two = score(tmp_path, model, snvs()), score(tmp_path, both, snvs())
    assert len(both.sequences_run) == 2 * len(model.sequences_run)
    for name in SCORES_OF_KIND["masked"]:
        np.testing.assert_allclose(one[name], two[name], atol=2e-5, err_msg=name)


@pytest.mark.parametrize("kind", LANGUAGE)
def test_scores_do_not_depend_on_the_batches_nor_on_their_neighbours(kind, tmp_path: Path):
    variants = [*snvs(step=11), *INDELS]
    together = score(tmp_path, kind(context=16), variants)
    small = score(tmp_path, kind(context=16), variants, batch_size=3)
    alone = pd.concat([score(tmp_path, kind(context=16), [variant]) for variant in variants], ignore_index=True)
    pd.testing.assert_frame_equal(together, small)
    pd.testing.assert_frame_equal(together, alone)


def test_nothing_is_computed_twice_and_identity_not_at_all(tmp_path: Path):
    model = MarkovMasked(context=16)
    found = score(tmp_path, model, [(31, SEQUENCE[30], "A,C,G,T")])
    assert (found["status"] == "ok").all()
    zero = found["alt"] == SEQUENCE[30]
    assert (found.loc[zero, list(SCORES_OF_KIND["masked"])] == 0).all(axis=None)
    masked = [sequence.count("#") for sequence in model.sequences_run if "#" in sequence]
    assert masked.count(1) == 2  # one a strand, for three bases
    assert len(masked) == 2 + 2 * 4 * 7  # and seven for the log-likelihood of each allele
    # The rest: the reference and three alternatives on two strands, for log-probabilities and again for hidden states.
    assert len(model.sequences_run) - len(masked) == 2 * 2 * 4


def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = MarkovMasked(context=16)
    whole = score(tmp_path, model, snvs())
    run = model.log_probs

    def narrow(tokens):
        if len(tokens) > 3:
            raise torch.OutOfMemoryError
        return run(tokens)

    monkeypatch.setattr(model, "log_probs", narrow)
    pd.testing.assert_frame_equal(score(tmp_path, model, snvs()), whole)


def test_a_window_at_the_end_of_a_contig_is_filled_with_n_or_shifted_inside(tmp_path: Path):
    last = (len(SEQUENCE), SEQUENCE[-1], "ACGT".replace(SEQUENCE[-1], "")[0])
    seen = {}
    for edge in ("pad", "shift"):
        model = MarkovCausal(context=16)
        score(tmp_path, model, [last], edge=edge, scores=("loglik",))
        seen[edge] = set(model.sequences_run)
    assert SEQUENCE[-8:-1] + SEQUENCE[-1] + "N" * 7 in {text[1:] for text in seen["pad"]} | seen["pad"]
    assert SEQUENCE[-16:] in seen["shift"]
    assert not any("N" in text for text in seen["shift"])


def test_no_more_than_a_chunk_of_the_input_is_ever_held(tmp_path: Path):
    drawn = 0

    def endless():
        nonlocal drawn
        for number in itertools.count():
            drawn += 1
            yield record(number + 1, "A", "<DEL>", number=number)

    (tmp_path / "genome.fa").write_text(">chr1\nACGT\n")
    with Reference(tmp_path / "genome.fa") as reference:
        settings = Settled(("llr",), 16)
        scorer = make_scorer(MarkovMasked(), reference, settings)
        stream = score_records(endless(), scorer, AlleleChecker(reference, 4), 16)
        for turn in (1, 2, 3):
            next(stream)
            assert drawn == turn * CHUNK_RECORDS


# Output models


@pytest.mark.parametrize("log_outputs", [False, True])
def test_the_track_change_is_that_of_the_windows_themselves(log_outputs: bool, tmp_path: Path):
    model = LinearOutput(context=20, tss_offset=10, stranded=False, log_outputs=log_outputs)
    variants = snvs()[2:-2]
    found = score(tmp_path, model, variants)
    for row, (pos, _, alt) in enumerate(variants):
        start = pos - 1 - 10
        window = SEQUENCE[start : start + 20]
        edited = window[:10] + alt + window[11:]
        before, after = model.predict(window), model.predict(edited)
        change = (after - before) * math.log2(10) if log_outputs else np.log2((after + 1) / (before + 1))
        assert found["track"][row] == pytest.approx(change.mean(), abs=1e-5)
        assert found["track_cage"][row] == pytest.approx(change[0], abs=1e-5)
        assert found["track_dnase"][row] == pytest.approx(change[1], abs=1e-5)


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize(
    ("pos", "ref", "alt"), [(55, 1, "GATT"), (55, 4, "T"), (64, 1, "CCA"), (64, 3, "A"), (57, 1, "")]
)
def test_the_tss_stays_in_its_place_whatever_is_inserted_or_deleted(strand, pos, ref, alt, tmp_path: Path):
    tss, model = 59, LinearOutput(context=20, tss_offset=12)
    bases = SEQUENCE[pos - 1 : pos - 1 + ref]
    alt = alt or "ACGT".replace(bases, "")[0]
    loci = pd.DataFrame({"locus": ["x"], "chrom": ["chr1"], "tss": [tss], "strand": [strand]})
    found = score(tmp_path, model, [(pos, bases, alt)], loci=loci)
    genome = SEQUENCE[: pos - 1] + alt + SEQUENCE[pos - 1 + ref :]
    moved = tss + (len(alt) - ref if pos - 1 < tss else 0)

    def window(sequence: str, at: int) -> str:
        if strand == "+":
            return sequence[at - 12 : at + 8]
        return reverse_complement(sequence[at - 7 : at + 13])

    before, after = model.predict(window(SEQUENCE, tss)), model.predict(window(genome, moved))
    assert found["track"][0] == pytest.approx(np.log2((after + 1) / (before + 1)).mean(), abs=1e-5)


def test_a_variant_in_no_window_of_a_locus_is_told(tmp_path: Path):
    loci = pd.DataFrame({"locus": ["x"], "chrom": ["1"], "tss": [59], "strand": ["+"]})
    variants = [(30, SEQUENCE[29], "<DEL>"), (31, SEQUENCE[30], "ACGT".replace(SEQUENCE[30], "")[0])]
    found = score(tmp_path, LinearOutput(context=20, tss_offset=12), variants, loci=loci)
    assert found["status"].tolist() == ["symbolic", "outside_window"]


# Real data


@pytest.mark.skipif(not (SHARED / "data" / "bench").exists(), reason=f"no data in {SHARED}")
def test_every_record_of_ncvardb_gets_a_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = MarkovMasked(context=32)
    monkeypatch.setattr(registry, "load_model", lambda *_: model)
    tables = [
        pd.read_csv(SHARED / "data" / "bench" / "ncvardb_odd_chroms" / f"ncVar_{kind}.tsv", sep="\t", dtype=str)
        for kind in ("benign", "pathogenic")
    ]
    variants = pd.concat(tables)[["chr", "pos", "ID", "ref", "alt"]].fillna(".")
    rows = [f"{row.chr}\t{row.pos}\t{row.ID}\t{row.ref}\t{row.alt}\t.\t.\t." for row in variants.itertuples()]
    head = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    (tmp_path / "in.vcf").write_text("\n".join([*head, *rows]) + "\n")
    # There is no whole genome at hand: contig 21 is made up around the variants, so that about half of its fit.
    with open(tmp_path / "genome.fa", "w") as handle:
        for chrom in ("21",):
            of_chrom = variants[variants["chr"] == chrom]
            bases = np.tile(np.frombuffer(b"ACGT", np.uint8), int(of_chrom["pos"].astype(int).max()) // 4 + 100)
            for pos, ref in zip(of_chrom["pos"].astype(int)[::2], of_chrom["ref"][::2], strict=True):
                bases[pos - 1 : pos - 1 + len(ref)] = np.frombuffer(ref.encode(), np.uint8)
            handle.write(f">chr{chrom}\n{bases.tobytes().decode()}\n")
    pysam.faidx(str(tmp_path / "genome.fa"))
    words = ("--vcf", tmp_path / "in.vcf", "--fasta", tmp_path / "genome.fa", "--out", tmp_path / "out.parquet")
    done = run_script("score_variants", *words, "--model", "demo-caduceus", "--no-progress")
    assert done.code == 0, done.err
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found.groupby("record")["id"].first().tolist() == variants["ID"].tolist()
    assert set(found["status"]) <= {
        "ok",
        "ref_mismatch",
        "off_contig",
        "symbolic",
        "too_long",
        "duplicate",
        "n_in_window",
        "malformed",
    }
    counts = found["status"].value_counts()
    assert counts["off_contig"] == (~found["chrom"].isin(["21"])).sum()
    assert counts["ok"] > 40
    assert counts["ref_mismatch"] > 20
