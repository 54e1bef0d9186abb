"""Simulated families and motif pairs as files: one FASTA of training and test sequences, and the truth of the tests."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from darkregulome.genome.bases import letters_of_codes
from darkregulome.io.atomic import atomic_folder
from darkregulome.io.tables import write_json, write_table
from darkregulome.simulate.dependencies import rna_family
from darkregulome.simulate.motif_pairs import MotifSequence, motif_sequence


def write_families(
    folder: str | Path, seed: int, families: int = 4, training: int = 3000, test: int = 10, length: int = 72
) -> None:
    """RNA families: ``train.fa`` and ``test.fa``, and ``structures.tsv`` of the test sequences.

    Parameters
    ----------
    training, test : members of each family; those of the test are drawn anew.
    """
    rng = np.random.default_rng(seed)
    made = [rna_family(f"family{number + 1}", rng, length) for number in range(families)]
    train_records, test_records, rows = [], [], []
    for family in made:
        for number, codes in enumerate(family.draw(training, rng)):
            train_records.append((f"train_{family.name}_{number}", letters_of_codes(codes)))
        for number, codes in enumerate(family.draw(test, rng)):
            name = f"test_{family.name}_{number}"
            test_records.append((name, letters_of_codes(codes)))
            rows.append((name, family.name, letters_of_codes(codes), family.dot_bracket))
    with atomic_folder(folder) as partial:
        _write_fasta([*train_records, *test_records], partial / "sequences.fa")
        _write_fasta(test_records, partial / "test.fa")
        table = pd.DataFrame(rows, columns=["name", "family", "sequence", "dot_bracket"])
        write_table(table, partial / "structures.tsv")
        write_json({"kind": "families", "seed": seed, "families": families, "length": length}, partial / "truth.json")


def write_motif_pairs(folder: str | Path, seed: int, training: int = 12_000, test: int = 40, length: int = 96) -> None:
    """Motif pairs: FASTA of training and test sequences, and ``pairs.bedpe`` of what the test sequences hold."""
    rng = np.random.default_rng(seed)
    train = [motif_sequence(rng, length) for _ in range(training)]
    tests = [motif_sequence(rng, length) for _ in range(test)]
    with atomic_folder(folder) as partial:
        test_records = [(f"test_{number}", item.bases) for number, item in enumerate(tests)]
        train_records = [(f"train_{number}", item.bases) for number, item in enumerate(train)]
        _write_fasta([*train_records, *test_records], partial / "sequences.fa")
        _write_fasta(test_records, partial / "test.fa")
        (partial / "pairs.bedpe").write_text("".join(_bedpe_lines(tests)))
        write_json({"kind": "pairs", "seed": seed, "length": length}, partial / "truth.json")


def _bedpe_lines(tests: Iterable[MotifSequence]) -> Iterable[str]:
    for number, item in enumerate(tests):
        for (start, end), (other_start, other_end) in item.pairs:
            name = f"test_{number}"
            yield f"{name}\t{start}\t{end}\t{name}\t{other_start}\t{other_end}\n"


def _write_fasta(records: Iterable[tuple[str, str]], path: Path) -> None:
    path.write_text("".join(f">{name}\n{bases}\n" for name, bases in records))
