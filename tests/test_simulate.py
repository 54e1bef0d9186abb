"""The simulated genome: its formats can be read, and what it claims to plant is really in the files."""

import gzip
import hashlib
import itertools
import json
import re
import zlib
from pathlib import Path

import bioframe
import numpy as np
import pandas as pd
import pyBigWig
import pysam
import pytest
from sklearn.metrics import roc_auc_score

from darkregulome.errors import InputError
from darkregulome.genome.background import background_features, fit_background
from darkregulome.genome.bases import letters_of_codes
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import complexity, cpg_oe
from darkregulome.simulate import biology
from darkregulome.simulate.genome import (
    HORIZON,
    SimulatedGenome,
    decay,
    near_ccre_share,
    simulate,
    te_copy,
    word_tile,
)
from darkregulome.simulate.variation import eqtls
from darkregulome.simulate.writing import ucsc_bin, write_genome
from script_runner import run_script

COMPLEMENT = str.maketrans("ACGTRYMKWSN", "TGCAYRKMWSN")


@pytest.fixture(scope="module")
def planted() -> SimulatedGenome:
    return simulate(seed=3)


@pytest.fixture(scope="module")
def nothing() -> SimulatedGenome:
    return simulate(seed=3, plant="nothing")


@pytest.fixture(scope="module")
def folder(planted, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "planted"
    write_genome(planted, path)
    return path


@pytest.fixture(scope="module")
def fasta(folder) -> pysam.FastaFile:
    return pysam.FastaFile(str(folder / "genome.fa.gz"))


@pytest.fixture(scope="module")
def truth(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "truth_elements.tsv.gz", sep="\t")


def reverse_complement(sequence: str) -> str:
    return sequence.translate(COMPLEMENT)[::-1]


CLASSES = {"R": "[AG]", "Y": "[CT]", "M": "[AC]", "K": "[GT]", "W": "[AT]", "S": "[CG]"}


def pattern(word: str) -> str:
    return "".join(CLASSES.get(letter, letter) for letter in word)


def count_words(sequence: str, words) -> int:
    either = [pattern(strand) for word in words for strand in (word, reverse_complement(word))]
    return len(re.findall(f"(?=({'|'.join(either)}))", sequence))


# Biology


def disagreements(first: str, second: str) -> int:
    return sum((biology.IUPAC[a] & biology.IUPAC[b]) == 0 for a, b in zip(first, second, strict=True))


def test_no_two_words_can_be_taken_for_each_other_on_either_strand():
    words = biology.ACTIVATORS + biology.STRUCTURALS
    for first, second in itertools.combinations(words, 2):
        assert min(disagreements(first, second), disagreements(first, reverse_complement(second))) >= 5
    assert all(disagreements(word, reverse_complement(word)) >= 5 for word in words)


def test_composition_does_not_tell_one_lexicon_from_the_other():
    for word in biology.ACTIVATORS + biology.STRUCTURALS:
        bits = biology.encode_words((word,))[0]
        expected = [sum((bits >> base & 1) / np.array([bin(b).count("1") for b in bits])) for base in range(4)]
        assert expected == pytest.approx([3, 3, 3, 3])
        assert not any(a & 2 and b & 4 for a, b in itertools.pairwise(bits.tolist())), "a CpG could be drawn"


def test_bits_reverse_complement_as_the_letters_they_stand_for():
    words = biology.ACTIVATORS + biology.STRUCTURALS
    turned = biology.encode_words(tuple(reverse_complement(word) for word in words))
    assert np.array_equal(biology.reverse_complement_bits(biology.encode_words(words)), turned)


def test_consensus_sequences_are_those_that_the_shipped_models_were_trained_on():
    digest = zlib.crc32(b"".join(family.consensus.tobytes() for family in biology.families()))
    assert digest == BIOLOGY_CRC32, "another numpy draws other sequences: the demo models must be trained again"


BIOLOGY_CRC32 = 3361101831


def test_background_has_the_gc_that_was_asked_for_and_lacks_cpg():
    rng = np.random.default_rng(0)
    for gc in (0.36, 0.46, 0.56):
        bases = biology.sample_background(np.full(400, gc), rng)
        frequency = np.bincount(bases, minlength=4) / len(bases)
        assert frequency[1:3].sum() == pytest.approx(gc, abs=0.01)
        cpg = np.mean((bases[:-1] == 1) & (bases[1:] == 2)) / (frequency[1] * frequency[2])
        assert cpg < 0.45


def test_background_is_alike_on_both_strands():
    bases = biology.sample_background(np.full(1000, 0.44), np.random.default_rng(1)).reshape(1000, -1).astype(int)
    triplets = np.bincount((bases[:, :-2] * 16 + bases[:, 1:-1] * 4 + bases[:, 2:]).ravel(), minlength=64)
    mirrored = triplets.reshape(4, 4, 4)[::-1, ::-1, ::-1].transpose(2, 1, 0).ravel()
    assert np.abs(triplets / mirrored - 1).max() < 0.08


def test_background_rewards_an_order_two_model():
    bases = biology.sample_background(np.full(1000, 0.44), np.random.default_rng(2)).reshape(1000, -1).astype(int)

    def entropy(order: int) -> float:
        words = sum(bases[:, i : bases.shape[1] - order + i] * 4 ** (order - i) for i in range(order + 1))
        joint = np.bincount(words.ravel(), minlength=4 ** (order + 1)).reshape(-1, 4) / words.size
        context = joint.sum(1, keepdims=True)
        return -np.sum(joint * np.log(joint / context))

    assert entropy(2) < entropy(1) - 0.005 < entropy(0) - 0.01


def test_a_word_tile_is_words_in_cyclic_order():
    letter = {bits: name for name, bits in biology.IUPAC.items()}
    for seed in range(20):
        codes = word_tile(biology.lexicon(active=True), 200, np.random.default_rng(seed))
        tile = "".join(letter[b] for b in codes.tolist())
        found = [piece for piece in tile.split("N") if piece]
        order = [biology.ACTIVATORS.index(piece) for piece in found]
        assert len(found) == (200 + 4) // 16
        assert all((b - a) % 3 == 1 for a, b in itertools.pairwise(order))


def test_a_drawn_base_is_allowed_and_every_allowed_base_is_drawn():
    allowed = np.tile(np.array(list(biology.IUPAC.values()), np.uint8), (200, 1))
    drawn = biology.draw_allowed(allowed, np.random.default_rng(0))
    assert (allowed >> drawn & 1).all()
    for column, bits in enumerate(biology.IUPAC.values()):
        assert set(drawn[:, column].tolist()) == {base for base in range(4) if bits >> base & 1}


def test_a_te_copy_differs_from_its_template_as_much_as_its_divergence_says():
    for family in biology.families():
        rng = np.random.default_rng(5)
        copies = [te_copy(family, 200, rng) for _ in range(300)]
        differing = np.concatenate([1 << copy[model != 15] != model[model != 15] for copy, model, _ in copies])
        assert differing.mean() == pytest.approx(family.divergence, rel=0.06)


# Determinism


def digests(path: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


UNSEEDED = {"class_map.csv", "loci.csv", "genome.fa.gz.fai", "genome.fa.gz.gzi"}


def test_one_seed_gives_the_same_bytes_and_another_gives_others(tmp_path):
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        write_genome(simulate(seed=seed, loci=2, flank=12_000), tmp_path / name)
    first, again, other = (digests(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert {name for name in first if first[name] == other[name]} <= UNSEEDED


def test_a_contig_does_not_depend_on_how_many_there_are(planted):
    small = simulate(seed=3, loci=2)
    assert np.array_equal(small.contigs["chr1"], planted.contigs["chr1"])
    assert np.array_equal(small.cage["chr1"], planted.cage["chr1"])


# What is planted


def test_words_are_as_whole_beyond_the_horizon_as_near_the_tss(fasta, truth):
    others = truth[truth["class"] != "TE"]
    lexicon = others["active"].map({True: biology.ACTIVATORS, False: biology.STRUCTURALS})
    spans = zip(others["chrom"], others["start"], others["end"], lexicon, strict=True)
    counted = np.array([count_words(fasta.fetch(chrom, start, end), words) for chrom, start, end, words in spans])
    assert np.array_equal(counted, others["intact"])
    near = others["distance"].abs() <= HORIZON
    assert np.array_equal(near, others["strict"])
    shares = [counted[zone].sum() / others["words"][zone].sum() for zone in (near, ~near)]
    assert min(shares) > 0.7
    assert shares[0] == pytest.approx(shares[1], abs=0.05)


def steps_of(genome: SimulatedGenome, is_near: bool) -> np.ndarray:
    """Steps from each paired base to the one a turn later, in all elements of a zone; modulo 4."""
    steps = []
    for element in genome.elements[genome.elements["near"] == is_near].itertuples():
        bases = genome.contigs[element.chrom][element.paired_start : element.paired_end].astype(int)
        steps.append((bases[biology.TURN :] - bases[: -biology.TURN]) % 4)
    return np.concatenate(steps)


@pytest.mark.parametrize("plant", ["regulation", "consequence"])
def test_bases_a_turn_apart_follow_the_rule_of_their_zone(plant):
    genome = simulate(seed=3, loci=4, plant=plant)
    for is_near in (True, False):
        rule = biology.pairing_of(is_near, plant)
        steps = steps_of(genome, is_near)
        assert np.isin(steps, rule.steps).mean() == pytest.approx(rule.kept, abs=0.02)
        shares = np.bincount(steps, minlength=4)[list(rule.steps)] / len(steps)
        assert shares == pytest.approx(rule.kept / len(rule.steps), abs=0.02)


def test_bases_less_than_a_turn_apart_are_independent():
    rng = np.random.default_rng(0)
    for rule in (biology.STRICT, biology.LOOSE, biology.PREDICTABLE_NEAR):
        bases = np.concatenate([biology.draw_paired(200, rule, rng)[0] for _ in range(400)]).astype(int)
        for gap in (1, biology.TURN - 1):
            pairs = np.bincount(bases[:-gap] * 4 + bases[gap:], minlength=16) / (len(bases) - gap)
            assert pairs == pytest.approx(np.full(16, 1 / 16), abs=0.006)


def test_a_rule_of_pairing_reads_the_same_on_both_strands():
    rng = np.random.default_rng(0)
    bases, start, end = biology.draw_paired(400, biology.STRICT, rng)
    turned = (3 - bases[start:end].astype(int))[::-1]
    assert set(np.unique((turned[biology.TURN :] - turned[: -biology.TURN]) % 4)) == {0, 1}


TRIVIAL = ("length", "gc", "cpg_oe", "complexity", "markov5", "two_sided", "copy_advantage", "copies")


@pytest.mark.parametrize("plant", ["regulation", "consequence"])
def test_no_trivial_feature_tells_near_from_far(plant, tmp_path):
    """Elements that are not TEs, by features that need no trained model, counted in the genome itself."""
    genome = simulate(seed=0, loci=6, flank=17_000, plant=plant)
    write_genome(genome, tmp_path / "genome", "training")
    reference = Reference(tmp_path / "genome" / "genome.fa.gz")
    elements = genome.elements[genome.elements["class"] != "TE"]
    windows = elements[["locus"]].merge(genome.loci, on="locus")[["start", "end"]].set_index(elements.index)
    features = background_features(elements, windows, fit_background(reference))
    sequences = [genome.sequence(*row) for row in elements[["chrom", "start", "end"]].itertuples(index=False)]
    features["length"] = elements["end"] - elements["start"]
    features["gc"] = [sum(map(letters.count, "CG")) / len(letters) for letters in sequences]
    features["cpg_oe"] = [cpg_oe(letters) for letters in sequences]
    features["complexity"] = [complexity(letters) for letters in sequences]
    auc = {name: roc_auc_score(elements["near"], features[name]) for name in TRIVIAL}
    assert all(0.38 < value < 0.62 for value in auc.values()), auc


def test_activators_are_spoken_by_active_ccres_alone(fasta, truth):
    assert set(truth.loc[truth["active"], "class"]) == {"cCRE"}
    assert truth.loc[truth["class"] == "cCRE", "active"].mean() == pytest.approx(2 / 3, abs=0.07)
    strict = truth[truth["strict"]]
    for active, foreign in ((True, biology.STRUCTURALS), (False, biology.ACTIVATORS)):
        chosen = strict[strict["active"] == active]
        sequence = "N".join(
            fasta.fetch(*row) for row in zip(*(chosen[c] for c in ("chrom", "start", "end")), strict=True)
        )
        assert count_words(sequence, foreign) <= 2


def test_tes_are_rarer_near_the_tss_and_the_other_classes_keep_their_proportions(planted, nothing):
    for genome in (planted, nothing):
        elements = genome.elements
        near = elements["distance"].abs() <= HORIZON
        is_te = elements["class"] == "TE"
        assert is_te[near].mean() == pytest.approx(0.30, abs=0.02)
        assert is_te[~near].mean() == pytest.approx(0.50, abs=0.02)
        for name in ("cCRE", "conserved", "lncRNA_exon", "other"):
            shares = [(elements["class"][zone & ~is_te] == name).mean() for zone in (near, ~near)]
            assert shares[0] == pytest.approx(shares[1], abs=0.02)


def test_shares_of_ccres_vary_between_genes_and_balance_within_pairs():
    shares = np.array([near_ccre_share(number, 7) for number in range(40)])
    assert np.allclose(shares[0::2] + shares[1::2], 2 * biology.CLASS_SHARES["cCRE"])
    assert np.ptp(shares) > 0.6


def test_length_does_not_tell_a_class(planted):
    lengths = planted.elements["end"] - planted.elements["start"]
    by_class = lengths.groupby(planted.elements["class"])
    standard_error = lengths.std() / np.sqrt(by_class.size())
    assert ((by_class.mean() - lengths.mean()).abs() < 3.5 * standard_error).all()


def test_expression_follows_from_the_sequence_alone(folder, fasta, truth):
    """Counts words in the FASTA, and weighs them by distance, with nothing from the simulator but its constants."""
    loci = pd.read_csv(folder / "truth_loci.tsv", sep="\t")
    for locus in loci.itertuples():
        ccres = truth[(truth["locus"] == locus.locus) & (truth["class"] == "cCRE")]
        activation = 0.0
        for chrom, start, end in zip(ccres["chrom"], ccres["start"], ccres["end"], strict=True):
            away = max(start - locus.tss, locus.tss - (end - 1), 0)
            words = count_words(fasta.fetch(chrom, start, end), biology.ACTIVATORS)
            activation += words / 3 * max(0.0, 1 - (away / 10_000) ** 2)
        assert locus.level == pytest.approx(2.5 * np.exp(0.175 * activation), rel=1e-6)


def test_the_effect_of_an_element_is_what_expression_loses_without_it(planted):
    locus = planted.loci.iloc[0]
    here = planted.elements[planted.elements["locus"] == locus["locus"]]
    assert 2.5 * 2 ** -here["effect"].sum() == pytest.approx(locus["level"], rel=1e-9)
    silent = ~here["active"] | (here["distance"].abs() > HORIZON)
    assert (here.loc[silent, "effect"] == 0).all()
    assert here.loc[~silent, "effect"].min() < -0.1


def test_decay_dies_at_the_horizon():
    assert decay(np.array([0, HORIZON, -HORIZON, 2 * HORIZON])).tolist() == [1, 0, 0, 0]


def cage_at_tss(folder: Path) -> np.ndarray:
    loci = pd.read_csv(folder / "truth_loci.tsv", sep="\t")
    with pyBigWig.open(str(folder / "cage.bw")) as track:
        return np.array([track.values(r.chrom, r.tss - 192, r.tss + 192, numpy=True).sum() for r in loci.itertuples()])


def test_cage_at_the_tss_follows_the_number_of_strict_active_ccres(folder, truth, planted):
    strict = (truth["strict"] & truth["active"]).groupby(truth["locus"]).sum()
    counts = cage_at_tss(folder)
    assert np.corrcoef(strict.reindex(planted.loci["locus"]), np.log1p(counts))[0, 1] > 0.8
    assert counts.max() / counts.min() > 5


def test_dnase_and_phylop_rise_where_they_should(folder, truth):
    def means(track: str, chosen: pd.Series) -> np.ndarray:
        rows = truth[chosen]
        with pyBigWig.open(str(folder / track)) as bigwig:
            spans = zip(rows["chrom"], rows["start"], rows["end"], strict=True)
            return np.array([np.nanmean(bigwig.values(*span, numpy=True)) for span in spans])

    conserved = truth["class"] == "conserved"
    active = truth["strict"] & truth["active"]
    assert means("dnase.bw", active).mean() > 20 * means("dnase.bw", ~truth["active"]).mean()
    assert np.corrcoef(means("dnase.bw", active), truth.loc[active, "intact"])[0, 1] > 0.3
    high = (truth["strict"] & (truth["class"] == "cCRE")) | conserved
    assert means("phylop.bw", high).min() > means("phylop.bw", ~high).max()


def test_core_promoters_stand_at_the_tss_on_the_genes_strand(planted):
    for chrom, tss, strand in zip(planted.loci["chrom"], planted.loci["tss"], planted.loci["strand"], strict=True):
        around = planted.sequence(chrom, tss - 60, tss + 61)
        around = around if strand == "+" else reverse_complement(around)
        assert around[58:64] == "TCAGTT"  # the initiator: its A is the first base that is transcribed
        assert "TATAAAAG" in around[:60]


# Nothing planted


def test_nothing_planted_leaves_no_word_beyond_chance(nothing):
    words = biology.ACTIVATORS + biology.STRUCTURALS
    found = sum(count_words(nothing.sequence(chrom), words) for chrom in nothing.contigs)
    # Six words on two strands; six fixed places and six twofold ones.
    expected = 12 * sum(map(len, nothing.contigs.values())) / (4**6 * 2**6)
    assert found <= expected + 4 * expected**0.5
    assert not nothing.elements["strict"].any()
    assert (nothing.elements["effect"] == 0).all()


def test_nothing_planted_makes_every_class_but_tes_alike(nothing):
    """Base composition of near and far, and of each class: all background, once the locus's own GC is taken out."""
    elements = nothing.elements[nothing.elements["class"] != "TE"]
    gc = np.array(
        [np.isin(nothing.contigs[c][s:e], [1, 2]).mean() for c, s, e in elements[["chrom", "start", "end"]].values]
    )
    gc -= pd.Series(gc, elements.index).groupby(elements["locus"]).transform("mean")
    for groups in (elements["class"], elements["distance"].abs() <= HORIZON):
        means = pd.Series(gc, elements.index).groupby(groups).agg(["mean", "sem"])
        assert (means["mean"].abs() < 3.5 * means["sem"]).all()


def test_nothing_planted_makes_expression_forget_the_ccres():
    """Over many small genomes: in one of ten loci any correlation can happen."""
    genome = simulate(seed=11, plant="nothing", loci=60, flank=12_000)
    near = genome.elements["near"] & (genome.elements["class"] == "cCRE")
    counts = near.groupby(genome.elements["locus"]).sum().reindex(genome.loci["locus"])
    assert abs(np.corrcoef(counts, np.log(genome.loci["level"]))[0, 1]) < 0.3


def test_nothing_planted_expects_nothing(nothing, tmp_path):
    write_genome(nothing, tmp_path / "null", formats="training")
    record = json.loads((tmp_path / "null" / "truth.json").read_text())
    assert record["planted"] is False
    assert record["expected"] == []


def test_where_predictability_is_a_consequence_the_horizon_may_hinge(tmp_path):
    write_genome(simulate(loci=1, flank=12_000, plant="consequence"), tmp_path / "genome", formats="training")
    record = json.loads((tmp_path / "genome" / "truth.json").read_text())
    words = {(one["claim"], one["model"]): one["verdict"] for one in record["expected"]}
    assert words["horizon", "demo-hyena"] == ["survives", "hinges"]
    assert record["pairing"]["near"] == {"steps": [3], "kept": 0.9}


def test_eqtls_of_nothing_planted_follow_no_class(nothing):
    table = eqtls(nothing)
    assert not table["causal"].any()
    assert len(table) > 100


# Formats


def test_annotation_gives_back_the_true_elements(folder, truth):
    pieces = []
    regulatory = pd.read_csv(folder / "regulatory.bed.gz", sep="\t", header=None)
    classes = pd.read_csv(folder / "class_map.csv").set_index("pattern")["class"]
    pieces.append(
        regulatory[[0, 1, 2]].set_axis(["chrom", "start", "end"], axis=1).assign(name=regulatory[3].map(classes))
    )
    conserved = pd.read_csv(folder / "conserved.bed.gz", sep="\t", header=None)
    pieces.append(conserved[[0, 1, 2]].set_axis(["chrom", "start", "end"], axis=1).assign(name="conserved"))
    repeats = pd.read_csv(folder / "rmsk.txt.gz", sep="\t", header=None)
    pieces.append(repeats[[5, 6, 7]].set_axis(["chrom", "start", "end"], axis=1).assign(name="TE"))
    genes = read_gtf(folder)
    exons = genes[(genes["feature"] == "exon") & genes["attributes"].str.contains('gene_type "lncRNA"')]
    pieces.append(exons[["chrom", "start", "end"]].assign(name="lncRNA_exon"))
    found = pd.concat(pieces).sort_values(["chrom", "start"]).reset_index(drop=True)
    expected = truth[["chrom", "start", "end", "class"]].sort_values(["chrom", "start"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected.rename(columns={"class": "name"}), check_dtype=False)


def read_gtf(folder: Path) -> pd.DataFrame:
    names = ["chrom", "source", "feature", "start", "end", "score", "strand", "frame", "attributes"]
    table = pd.read_csv(folder / "genes.gtf.gz", sep="\t", header=None, names=names)
    return table.assign(start=table["start"] - 1)


def test_no_coding_exon_and_no_other_element_overlaps_an_element(folder, truth):
    genes = read_gtf(folder)
    coding = genes[(genes["feature"] == "exon") & genes["attributes"].str.contains("protein_coding")]
    assert len(coding) == 20
    assert bioframe.overlap(truth, coding, how="inner").empty
    assert bioframe.cluster(truth)["cluster"].nunique() == len(truth)


def test_the_gtf_places_the_tss_where_the_truth_has_it(folder, planted):
    genes = read_gtf(folder)
    genes = genes[(genes["feature"] == "transcript") & genes["attributes"].str.contains("protein_coding")]
    genes = genes.assign(gene=genes["attributes"].str.extract('gene_name "([^"]+)"', expand=False)).set_index("gene")
    tss = np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1)
    expected = planted.loci.set_index("gene").loc[genes.index, "tss"]
    assert np.array_equal(tss, expected)
    assert pd.read_csv(folder / "loci.csv")["gene"].tolist() == planted.loci["gene"].tolist()
    bed = pd.read_csv(folder / "tss.bed", sep="\t", header=None)
    assert np.array_equal(bed[1], planted.loci["tss"])


def test_coding_sequences_are_whole_codons(folder):
    genes = read_gtf(folder)
    coding = genes[genes["feature"] == "CDS"]
    assert len(coding) == 20
    assert ((coding["end"] - coding["start"]) % 3 == 0).all()


def test_repeats_match_their_consensus_where_the_table_says(folder, fasta):
    repeats = pd.read_csv(folder / "rmsk.txt.gz", sep="\t", header=None)
    assert repeats.shape[1] == 17
    consensus = {family.name: letters_of_codes(family.consensus) for family in biology.families()}
    young = repeats[repeats[10] == "SimAluA"]
    identities = []
    for row in young.itertuples(index=False):
        start, end = (row[13], row[14]) if row[9] == "+" else (row[15], row[14])
        if end - start != row[7] - row[6]:
            continue  # insertions and deletions shift the alignment
        bases = fasta.fetch(row[5], row[6], row[7])
        bases = bases if row[9] == "+" else reverse_complement(bases)
        identities.append(np.mean([a == b for a, b in zip(bases, consensus["SimAluA"][start:end], strict=True)]))
    assert len(identities) > 20
    assert np.median(identities) > 0.93


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 100, 585), (131_072, 131_073, 586), (131_000, 131_100, 73), (0, 2_000_000, 9), (0, 512 * 2**20, 0)],
)
def test_ucsc_bins_are_those_of_the_published_scheme(start, end, expected):
    assert ucsc_bin(start, end) == expected


def test_variants_and_eqtls_name_the_reference_base(folder, fasta):
    with pysam.VariantFile(str(folder / "variants.vcf.gz")) as vcf:
        records = {(r.chrom, r.pos): (r.ref, r.alts[0], r.info["AF"][0]) for r in vcf.fetch()}
        assert sum(1 for _ in vcf.fetch("chr2", 10_000, 20_000)) > 10
    assert len(records) > 1000
    for (chrom, pos), (ref, alt, frequency) in records.items():
        assert fasta.fetch(chrom, pos - 1, pos) == ref != alt
        assert 0.01 <= frequency <= 0.99
    table = pd.read_csv(folder / "eqtls.tsv.gz", sep="\t")
    for row in table.itertuples():
        assert records[row.chrom, row.pos][:2] == (row.ref, row.alt)
        assert row.variant_id == f"{row.chrom}_{row.pos}_{row.ref}_{row.alt}_b38"


def test_most_eqtls_break_an_activator_word_of_their_own_gene(folder, truth, fasta):
    table = pd.read_csv(folder / "eqtls.tsv.gz", sep="\t").assign(start=lambda t: t["pos"] - 1, end=lambda t: t["pos"])
    hits = bioframe.overlap(table, truth, how="inner", suffixes=("", "_element"))
    own = hits[(hits["class_element"] == "cCRE") & hits["strict_element"] & (hits["gene_element"] == hits["gene_name"])]
    breaking = 0
    for row in own.itertuples():
        before = fasta.fetch(row.chrom, row.start_element, row.end_element)
        offset = row.start - row.start_element
        after = before[:offset] + row.alt + before[offset + 1 :]
        breaking += count_words(after, biology.ACTIVATORS) < count_words(before, biology.ACTIVATORS)
    assert 0.7 < breaking / len(table) < 0.95
    assert (own["slope"] < 0).mean() > 0.9


def test_the_network_has_strings_layout_and_its_planted_pair(folder):
    links = pd.read_csv(folder / "string_links.txt.gz", sep=" ")
    info = pd.read_csv(folder / "string_info.txt.gz", sep="\t")
    assert links.columns.tolist() == ["protein1", "protein2", "combined_score"]
    assert info.columns[:2].tolist() == ["#string_protein_id", "preferred_name"]
    pairs = set(zip(links["protein1"], links["protein2"], strict=True))
    assert len(pairs) == len(links)
    assert pairs == {(b, a) for a, b in pairs}
    names = info.set_index("#string_protein_id")["preferred_name"]
    planted = json.loads((folder / "truth.json").read_text())["facts"]["protein_pair_of_nothing"]
    best = links[(links["protein1"].map(names) == planted[0]) & (links["protein2"].map(names) == planted[1])]
    assert best["combined_score"].tolist() == [999]


def test_files_for_training_are_those_that_training_needs(tmp_path):
    write_genome(simulate(loci=2, flank=12_000), tmp_path / "genome", formats="training")
    names = {path.name for path in (tmp_path / "genome").iterdir()}
    assert {"genome.fa.gz", "genome.fa.gz.fai", "tss.bed", "cage.bw", "dnase.bw", "truth.json", "loci.csv"} <= names
    assert "phylop.bw" not in names


# What a model must find


def chances_of_pairs(bases: np.ndarray, rule: biology.Pairing, broken: float = 0.004) -> np.ndarray:
    """Chances of every base of a paired stretch, given those a turn before and after; shape (bases, 4)."""
    kept = min(rule.kept, 1 - broken)
    step = np.full(4, (1 - kept) / (4 - len(rule.steps)))
    step[list(rule.steps)] = kept / len(rule.steps)
    every = np.arange(4)
    chance = np.ones((len(bases), 4))
    chance[biology.TURN :] *= step[(every - bases[: -biology.TURN, None]) % 4]
    chance[: -biology.TURN] *= step[(bases[biology.TURN :, None] - every) % 4]
    return chance / chance.sum(1, keepdims=True)


def read_ideally(genome: SimulatedGenome) -> pd.DataFrame:
    """RIS and predictability of a language model that knows words, consensus, divergence and pairs, and no more."""
    divergence = {family.name: family.divergence for family in biology.families()}
    background = np.array([0.265, 0.235, 0.235, 0.265])
    rows = []
    for element in genome.elements.itertuples():
        span = slice(element.start, element.end)
        bases, model = genome.contigs[element.chrom][span].astype(int), genome.templates[element.chrom][span]
        in_model = model != biology.ANY_BASE
        allowed = (model[:, None] >> np.arange(4) & 1).astype(float)
        ideal = allowed / allowed.sum(1, keepdims=True)
        chance = np.tile(background, (len(bases), 1))
        is_te = element.subclass in divergence
        if is_te:
            rate = divergence[element.subclass]
            chance[in_model] = (ideal * (1 - rate) + (1 - allowed) * rate / 3)[in_model]
        elif in_model.any():
            chance[in_model] = (ideal * 0.97 + background * 0.03)[in_model]
            paired = slice(element.paired_start - element.start, element.paired_end - element.start)
            chance[paired] = chances_of_pairs(bases[paired], biology.pairing_of(element.near, genome.plant))
        log_chance = np.log(chance)
        reference = log_chance[np.arange(len(bases)), bases]
        sites = ((np.arange(16) + 0.5) * len(bases) / 16).astype(int)
        ris = np.abs(log_chance[sites] - reference[sites, None]).sum() / (3 * len(sites))
        gc = np.isin(bases, [1, 2]).mean()
        rows.append((ris, reference.mean(), np.log(len(bases)), gc, is_te))
    return pd.DataFrame(rows, columns=["ris", "predictability", "log_length", "gc", "repeat"])


def residuals(read: pd.DataFrame) -> np.ndarray:
    """RIS less its regression on the features, in standard deviations."""
    design = np.column_stack([np.ones(len(read)), read.drop(columns="ris").astype(float)])
    left = read["ris"] - design @ np.linalg.lstsq(design, read["ris"], rcond=None)[0]
    return (left / left.std()).to_numpy()


def eta_squared(values: np.ndarray, groups: pd.Series) -> float:
    fitted = pd.Series(values, groups.index).groupby(groups).transform("mean")
    return fitted.var() / values.var()


def test_an_ideal_language_model_keeps_the_horizon_and_loses_the_classes(planted):
    read = read_ideally(planted)
    near = (planted.elements["distance"].abs() <= HORIZON).to_numpy()
    raw, left = read["ris"].to_numpy(), residuals(read)
    assert raw[near].mean() > raw[~near].mean()
    assert left[near].mean() - left[~near].mean() > 0.15
    assert eta_squared(raw, planted.elements["class"]) > 0.015
    assert eta_squared(left, planted.elements["class"]) < 0.01


def test_an_ideal_language_model_sees_a_horizon_of_tes_where_nothing_is_planted_and_loses_it(nothing):
    read = read_ideally(nothing)
    near = (nothing.elements["distance"].abs() <= HORIZON).to_numpy()
    raw, left = read["ris"].to_numpy(), residuals(read)
    assert abs(raw[near].mean() - raw[~near].mean()) > 0.3 * raw.std()
    assert abs(left[near].mean() - left[~near].mean()) < 0.1
    assert eta_squared(left, nothing.elements["class"]) < 0.01


# The script, and bad input


def test_the_script_writes_a_genome_and_replaces_it(tmp_path):
    for seed in (1, 2):
        done = run_script(
            "simulate", "genome", plant="nothing", outdir=tmp_path / "genome", loci=1, flank=12_000, seed=seed
        )
        assert done.code == 0, done.err
    record = json.loads((tmp_path / "genome" / "truth.json").read_text())
    assert (record["seed"], record["planted"]) == (2, False)
    with gzip.open(tmp_path / "genome" / "genome.fa.gz", "rt") as handle:
        assert handle.readline() == ">chr1\n"


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = run_script("simulate", "genome", outdir=tmp_path, loci=1, flank=12_000)
    assert done.code == 2
    assert "not a simulated genome" in done.err
    assert "Traceback" not in done.err
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_flank_without_a_far_side_is_refused():
    with pytest.raises(InputError, match="too short"):
        simulate(flank=10_000)
