"""Xpresso against the values published for it."""

import json

import pysam
import pytest

from darkregulome.errors import InputError
from darkregulome.models.registry import load_model
from places import SHARED

DATA = SHARED / "data"
WEIGHTS = DATA / "models" / "xpresso"

pytestmark = pytest.mark.skipif(not WEIGHTS.is_dir(), reason=f"no Xpresso weights under {WEIGHTS}")


def windows():
    """Gene -> its window, on the strand of the gene."""
    expected = json.loads((WEIGHTS / "expected_values.json").read_text())
    complement = str.maketrans("ACGTN", "TGCAN")
    genome = DATA / "demo" / "reference" / "grch38_demo.fa.gz"
    with pysam.FastaFile(str(genome)) as fasta:
        for gene, (start, end, strand) in expected["windows"].items():
            sequence = fasta.fetch(_contig(fasta), start, end).upper()
            yield gene, sequence if strand == "+" else sequence.translate(complement)[::-1]


def _contig(fasta):
    return next(name for name in fasta.references if name.startswith("chr21"))


@pytest.mark.parametrize(
    ("name", "column"),
    [("xpresso-human-median", "humanMedian"), ("xpresso-k562", "K562"), ("xpresso-gm12878", "GM12878")],
)
def test_published_values_come_out(name, column):
    expected = json.loads((WEIGHTS / "expected_values.json").read_text())
    model = load_model(name, weights=WEIGHTS)
    assert (model.context, model.tss_offset, model.stranded, model.log_outputs) == (10_500, 7_000, True, True)
    for gene, sequence in windows():
        found = model.tss_tracks(sequence)
        assert found.shape == (1,)
        assert found.item() == pytest.approx(expected["models"][column][gene], abs=2e-6)
        if column == "humanMedian" and gene in expected["kipoi_predictions_tsv"]:
            assert found.item() == pytest.approx(expected["kipoi_predictions_tsv"][gene], abs=2e-6)


def test_edits_are_read_in_a_batch_as_alone():
    model = load_model("xpresso-k562", weights=WEIGHTS / "xpresso_K562.state_dict.pt")
    _, sequence = next(windows())
    edited = sequence[:6000] + sequence[6000:6100][::-1] + sequence[6100:]
    both = model.edited_tss_tracks(model.reference_state(sequence), [sequence, edited], [(6000, 6100)] * 2)
    assert both[:, 0].tolist() == pytest.approx([model.tss_tracks(s).item() for s in (sequence, edited)], abs=1e-6)
    assert both[0] != both[1]


def test_folder_without_the_named_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"xpresso_K562.state_dict.pt: does not exist"):
        load_model("xpresso-k562", weights=tmp_path)
