"""Simulated families and motif pairs as files: one FASTA of training and test sequences, and the truth of the tests."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkregulome.genome.bases import letters_of_codes
from darkregulome.io.atomic import atomic_folder
from darkregulome.io.tables import write_json, write_table
from darkregulome.simulate.dependencies import rna_family
from darkregulome.simulate.motif_pairs import motif_sequence

Records = list[tuple[str, str]]


def write_families(
    folder: str | Path, seed: int, families: int = 4, training: int = 3000, test: int = 10, length: int = 72
) -> None:
    """RNA families: ``sequences.fa`` and ``test.fa``, and ``structures.tsv`` of the test sequences.

    Parameters
    ----------
    training, test : members of each family, drawn independently.
    """
    rng = np.random.default_rng(seed)
    train: Records = []
    tests: list[tuple[str, str, str, str]] = []
    for family in [rna_family(f"family{number + 1}", rng, length) for number in range(families)]:
        members = enumerate(map(letters_of_codes, family.draw(training, rng)))
        train += [(f"train_{family.name}_{number}", bases) for number, bases in members]
        members = enumerate(map(letters_of_codes, family.draw(test, rng)))
        tests += [(f"test_{family.name}_{number}", family.name, bases, family.dot_bracket) for number, bases in members]
    table = pd.DataFrame(tests, columns=["name", "family", "sequence", "dot_bracket"])
    truth = {"kind": "families", "seed": seed, "families": families, "length": length}
    test_records = [(name, bases) for name, _, bases, _ in tests]
    _write(folder, train, test_records, truth, lambda partial: write_table(table, partial / "structures.tsv"))


def write_motif_pairs(folder: str | Path, seed: int, training: int = 12_000, test: int = 40, length: int = 96) -> None:
    """Motif pairs: FASTA of training and test sequences, and ``pairs.bedpe`` of what the test sequences hold."""
    rng = np.random.default_rng(seed)
    train = [(f"train_{number}", motif_sequence(rng, length).bases) for number in range(training)]
    tests = {f"test_{number}": motif_sequence(rng, length) for number in range(test)}
    lines = [
        "\t".join(map(str, (name, *first, name, *second))) + "\n"
        for name, item in tests.items()
        for first, second in item.pairs
    ]
    truth = {"kind": "pairs", "seed": seed, "length": length}
    test_records = [(name, item.bases) for name, item in tests.items()]
    _write(folder, train, test_records, truth, lambda partial: (partial / "pairs.bedpe").write_text("".join(lines)))


def _write(
    folder: str | Path, train: Records, tests: Records, truth: Mapping[str, Any], write_structure: Callable[[Path], Any]
) -> None:
    with atomic_folder(folder) as partial:
        _write_fasta([*train, *tests], partial / "sequences.fa")
        _write_fasta(tests, partial / "test.fa")
        write_structure(partial)
        write_json(truth, partial / "truth.json")


def _write_fasta(records: Iterable[tuple[str, str]], path: Path) -> None:
    path.write_text("".join(f">{name}\n{bases}\n" for name, bases in records))
