"""Features of a genome's background against naive loops over strings."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest

import toy
from darkregulome.genome import background as module
from darkregulome.genome.background import FEATURES, background_features, fit_background, kmer_codes
from darkregulome.genome.bases import base_codes
from darkregulome.genome.reference import Reference
from darkregulome.genome.sequence import reverse_complement

K = module.COPY_K


def random_dna(length, seed):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length, p=[0.3, 0.2, 0.2, 0.3]))


def planted():
    """Three contigs with Ns, copies of one piece on both strands, and a run of one base."""
    one, two = random_dna(3000, 1), random_dna(1500, 2)
    piece = one[400:480]
    one = one[:900] + piece + one[980:1300] + reverse_complement(piece) + one[1380:1700] + "NNRN" + one[1704:]
    two = two[:200] + piece[10:70] + "A" * 30 + two[290:]
    return {"chr1": one, "chr2": two, "chr3": "ACGTN"}


SEQUENCES = planted()
WINDOW = ("chr1", 300, 1800)
ELEMENTS = pd.DataFrame(
    [(300, 420), (420, 520), (880, 1000), (1280, 1400), (1690, 1720), (1703, 1712), (1701, 1704), (1790, 1800)],
    columns=["start", "end"],
).assign(chrom="chr1")


@pytest.fixture
def opened(tmp_path):
    readers = []

    def open_fasta(sequences):
        folder = tmp_path / str(len(readers))
        folder.mkdir()
        readers.append(Reference(toy.write_fasta(folder / "genome.fa", sequences)))
        return readers[-1]

    yield open_fasta
    for reader in readers:
        reader.close()


def features_of(reference, elements=ELEMENTS, start=WINDOW[1], end=WINDOW[2]):
    windows = pd.DataFrame({"start": start, "end": end}, index=elements.index)
    return background_features(elements, windows, fit_background(reference))


def counted(sequences, size):
    """k-mers of both strands, without those that hold another letter."""
    counts = Counter()
    for forward in sequences.values():
        for strand in (forward, reverse_complement(forward)):
            kmers = (strand[at : at + size] for at in range(len(strand) - size + 1))
            counts.update(kmer for kmer in kmers if set(kmer) <= set("ACGT"))
    return counts


class Naive:
    """The definitions of the module, one base at a time, of a genome whose window is N."""

    def __init__(self, sequences, chrom, start, end):
        self.start, whole = start - K, "N" * K + sequences[chrom] + "N" * K
        self.text = whole[start : end + 2 * K]
        rest = sequences[chrom][:start] + "N" * (end - start) + sequences[chrom][end:]
        self.counts = {size: counted({**sequences, chrom: rest}, size) for size in (6, 7, K)}

    def share(self, kmer, at):
        counts = self.counts[len(kmer)]
        return math.log((counts[kmer] + 1) / sum(counts[kmer[:at] + base + kmer[at + 1 :]] + 1 for base in "ACGT"))

    def oriented(self):
        return (self.text, False), (reverse_complement(self.text), True)

    def places(self, start, end, flipped):
        length = len(self.text)
        places = range(start - self.start, end - self.start)
        return [length - 1 - at for at in places] if flipped else list(places)

    def markov5(self, start, end):
        values = []
        for text, flipped in self.oriented():
            kmers = [text[at - 5 : at + 1] for at in self.places(start, end, flipped)]
            values += [self.share(kmer, 5) for kmer in kmers if set(kmer) <= set("ACGT")]
        return np.mean(values) if values else np.nan

    def two_sided(self, start, end):
        kmers = [self.text[at - 3 : at + 4] for at in self.places(start, end, False)]
        values = [self.share(kmer, 3) for kmer in kmers if set(kmer) <= set("ACGT")]
        return np.mean(values) if values else np.nan

    def copied(self, text, at):
        """The base that the last earlier copy of the 12 before `at` predicts."""
        read, back = text[at - K : at], reverse_complement(text[at - K : at])
        for first in range(at - K - 1, -1, -1):
            if text[first : first + K] == read:
                return text[first + K]
            if text[first : first + K] == back:
                return reverse_complement(text[first - 1]) if first else "N"
        return "N"

    def copy_advantage(self, start, end):
        values = []
        for text, flipped in self.oriented():
            for at in self.places(start, end, flipped):
                kmer = text[at - 5 : at + 1]
                if not set(kmer) <= set("ACGT"):
                    continue
                predicted = self.copied(text, at) if set(text[at - K : at]) <= set("ACGT") else "N"
                p = math.exp(self.share(kmer, 5))
                values.append(
                    0 if predicted == "N" else math.log(0.9 * (predicted == text[at]) + 0.1 * p) - math.log(p)
                )
        return np.mean(values) if values else np.nan

    def expected(self, kmer):
        """Counts of the 6-mers over those of the 5-mers that two of them share."""
        count = {word: n + 1 for word, n in self.counts[6].items()}
        shared = [sum(count.get(w, 1) for base in "ACGT" for w in (five + base, base + five)) / 2
                  for five in (kmer[at : at + 5] for at in range(1, 7))]  # fmt: skip
        return math.prod(count.get(kmer[at : at + 6], 1) for at in range(7)) / math.prod(shared)

    def copies(self, start, end):
        kmers = [self.text[at : at + K] for at in self.places(start, end, False)[: max(0, end - start - K + 1)]]
        kmers = [kmer for kmer in kmers if set(kmer) <= set("ACGT")]
        values = [math.log2((self.counts[K][kmer] + 1) / (self.expected(kmer) + 1)) for kmer in kmers]
        return np.mean(values) if values else np.nan


def test_features_equal_naive_loops_over_the_genome_with_the_window_as_n(opened):
    naive = Naive(SEQUENCES, *WINDOW)
    features = features_of(opened(SEQUENCES))
    for row, (start, end) in zip(features.itertuples(), ELEMENTS[["start", "end"]].to_numpy(), strict=True):
        for name in FEATURES:
            assert getattr(row, name) == pytest.approx(getattr(naive, name)(start, end), abs=1e-9, nan_ok=True), name
    assert features["copies"].isna().tolist() == [False] * 4 + [False, True, True, True]
    assert features.loc[6].isna().all()  # N only
    assert features.loc[[1, 2, 3], "copy_advantage"].min() > 0.2 > features.loc[0, "copy_advantage"]
    assert features.loc[1, "copies"] > features.loc[0, "copies"]


def test_the_own_window_is_left_out_and_put_back(opened):
    blank = {**SEQUENCES, "chr1": SEQUENCES["chr1"][:300] + "N" * 1500 + SEQUENCES["chr1"][1800:]}
    whole, rest = fit_background(opened(SEQUENCES)), fit_background(opened(blank))
    before = {size: counts.copy() for size, counts in whole.counts.items()}
    with whole.without(*WINDOW):
        for size in before:
            np.testing.assert_array_equal(whole.counts[size], rest.counts[size])
            assert whole.counts[size].sum() < before[size].sum()
    for size in before:
        np.testing.assert_array_equal(whole.counts[size], before[size])


def test_an_element_and_its_reverse_complement_have_the_same_features(opened):
    flipped = {chrom: reverse_complement(text) for chrom, text in SEQUENCES.items()}
    length = len(SEQUENCES["chr1"])
    there = ELEMENTS.assign(start=length - ELEMENTS["end"], end=length - ELEMENTS["start"])
    expected = features_of(opened(SEQUENCES))
    found = features_of(opened(flipped), there, length - WINDOW[2], length - WINDOW[1])
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12)


def test_a_planted_copy_raises_the_advantage_of_both_and_of_nothing_else(opened):
    text = random_dna(4000, 5)
    elements = pd.DataFrame({"chrom": "c", "start": [1000, 2000, 3000], "end": [1100, 2100, 3100]})
    rest = {"other": random_dna(5000, 6)}
    for copy in (text[1000:1100], reverse_complement(text[1000:1100])):
        plain = features_of(opened({"c": text, **rest}), elements, 500, 3500)["copy_advantage"]
        found = features_of(opened({"c": text[:3000] + copy + text[3100:], **rest}), elements, 500, 3500)
        assert (found["copy_advantage"] - plain).between([0.4, -0.01, 0.4], [1.0, 0.01, 1.0]).all()
    # Outside of the window a copy is none, but its 12-mers count.
    far = {"c": text, "other": rest["other"][:100] + text[1000:1100] + rest["other"][200:]}
    found, plain = (features_of(opened(one), elements, 500, 3500) for one in (far, {"c": text, **rest}))
    assert abs(found["copy_advantage"] - plain["copy_advantage"]).max() < 0.02
    assert (found["copies"] - plain["copies"]).between([0.9, -0.05, -0.05], [1.01, 0.05, 0.05]).all()


def test_kmers_are_numbers_in_base_four():
    text = random_dna(60, 7)[:40] + "N" + random_dna(19, 8)
    for size in range(1, 14):
        expected = [
            -1 if "N" in text[at : at + size] else int(text[at : at + size].translate(str.maketrans("ACGT", "0123")), 4)
            for at in range(60 - size + 1)
        ]
        np.testing.assert_array_equal(np.maximum(kmer_codes(base_codes(text), size), -1), expected)
    assert len(kmer_codes(base_codes("ACG"), 4)) == 0


def test_a_long_fasta_is_sampled_in_even_blocks_and_it_is_said(opened, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "SAMPLED_BASES", 1000)
    reference = opened(SEQUENCES)
    sample = fit_background(reference)
    assert 900 <= sample.bases <= 1100
    assert "block of 64 bases" in sample.notes[0]
    texts = {
        f"{chrom}:{first}": SEQUENCES[chrom][first:last]
        for chrom, (firsts, lasts) in sample.blocks.items()
        for first, last in zip(firsts, lasts, strict=True)
    }
    for size, counts in sample.counts.items():
        forward = counted(texts, size).total() / 2
        assert counts.sum() == forward
    with sample.without("chr1", 0, 3000), sample.without("chr2", 0, 1500):
        assert sample.kmers == 0


def test_pieces_of_any_size_count_alike(opened, monkeypatch):
    reference = opened(SEQUENCES)
    expected = fit_background(reference).counts
    monkeypatch.setattr(module, "_PIECE", 37)
    for size, counts in fit_background(reference).counts.items():
        np.testing.assert_array_equal(counts, expected[size])


def test_a_genome_that_is_its_window_alone_says_so(opened):
    background = fit_background(opened({"c": random_dna(500, 9)}))
    elements = pd.DataFrame({"chrom": ["c"], "start": [100], "end": [200]})
    features = background_features(elements, pd.DataFrame({"start": [0], "end": [500]}), background)
    assert features["markov5"].tolist() == pytest.approx([math.log(0.25)])
    assert "give the whole genome" in background.notes[-1]
