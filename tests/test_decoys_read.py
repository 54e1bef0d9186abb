"""Decoys are read as the real sequence is: whichever of them stands in the genome, the model's numbers are the same."""

import numpy as np
import pandas as pd
import pytest

from darkregulome.edits.plan import Decoy
from darkregulome.edits.settings import Settings, resolve
from darkregulome.errors import InputError
from darkregulome.scoring.elements import ElementRun, plan_summary, score_elements
from element_runs import element_run
from fake_models import EquivariantMasked, LinearOutput, MarkovCausal, MarkovMasked
from test_scoring_elements import MemoryGenome, element_table, locus_table, random_dna

LENGTH = 400
CASES = [
    (MarkovMasked, "llr"),
    (EquivariantMasked, "llr"),
    (MarkovMasked, "loglik"),
    (MarkovMasked, "dependency"),
    (MarkovCausal, "loglik"),
    (MarkovCausal, "dependency"),
    (LinearOutput, "track"),
]


def values_of(model, readout, span, texts, real):
    """g of each of `texts`, up to a constant, where `real` of them stands in the genome."""
    before = random_dna(LENGTH)
    start, end = span
    genome = MemoryGenome(chr1=before[:start] + texts[real] + before[end:])
    others = [number for number in range(len(texts)) if number != real]
    elements = element_table(span)
    elements["decoys"] = [tuple(Decoy("shuffle", number + 1, texts[number]) for number in others)]
    settings = Settings(
        perturbation="decoy", readout=readout, sites=5, target="9,4", window=None if readout == "track" else 48
    )
    scores = score_elements(element_run(model(), elements, locus_table(), genome, settings))
    assert scores.reference["status"].tolist() == ["ok"]
    assert set(scores.effects["decoys"]) == {"shuffle"}
    sums = scores.effects.groupby("replicate")["effect"].sum()
    values = np.zeros(len(texts))
    for number in others:
        values[number] = sums[number + 1]
    return values - values.mean()


@pytest.mark.parametrize(("model", "readout"), CASES)
@pytest.mark.parametrize("span", [(179, 191), (160, 191)])
def test_whichever_sequence_stands_in_the_genome_the_values_are_the_same(model, readout, span):
    length = span[1] - span[0]
    # The last is the first again: a decoy may be the real sequence.
    texts = [random_dna(length, seed) for seed in (1, 2, 3)]
    texts.append(texts[0])
    values = [values_of(model, readout, span, texts, real) for real in range(3)]
    assert np.ptp(values[0]) > 1e-4
    np.testing.assert_allclose(values[1], values[0], atol=2e-5)
    np.testing.assert_allclose(values[2], values[0], atol=2e-5)
    assert values[0][0] == pytest.approx(values[0][3], abs=1e-6)


def test_a_plan_counts_the_decoys_and_an_element_without_any_has_no_effects():
    genome = MemoryGenome(chr1=random_dna(LENGTH))
    elements = element_table((180, 200), (210, 222))
    elements["decoys"] = [tuple(Decoy("markov", k, random_dna(20, k)) for k in range(1, 4)), ()]
    run = element_run(LinearOutput(), elements, locus_table(), genome, Settings(perturbation="decoy"))
    summary = plan_summary(run)
    assert summary["edits"].sum() == 3
    scores = score_elements(run)
    assert scores.reference["status"].tolist() == ["ok", "no_effects"]
    assert scores.effects["replicate"].tolist() == [1, 2, 3]


def test_decoys_cannot_be_cut_into_blocks():
    with pytest.raises(InputError, match="cannot cut decoys"):
        resolve(Settings(perturbation="decoy", block=5), LinearOutput())


def test_llr_is_the_readout_of_decoys_by_a_masked_model():
    assert resolve(Settings(perturbation="decoy"), MarkovMasked()).readout == "llr"
    assert isinstance(element_run(MarkovMasked(), pd.DataFrame(), None, None, Settings()), ElementRun)
