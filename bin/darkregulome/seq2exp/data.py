"""Windows around TSSs: one-hot sequence, signals and expression, read from FASTA, bigWigs and a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.genome.bases import base_codes, reverse_complement_codes
from darkregulome.genome.bed import read_bed
from darkregulome.genome.bigwig import BigWig
from darkregulome.genome.contigs import Contigs
from darkregulome.genome.reference import Reference
from darkregulome.io.schemas import EXPRESSION
from darkregulome.io.tables import read_table
from darkregulome.seq2exp.network import Seq2ExpConfig
from darkregulome.training.windows import one_hot

CACHE_BYTES = 2**31
"""Memory for windows that have been read; what does not fit is read again when it is needed."""


@dataclass(frozen=True)
class Window:
    """What was read around one TSS, in the direction of the genome.

    Attributes
    ----------
    sequence : base codes, uint8, (bases,).
    signals : float32, (signals, bases), not negative; log10(x + 1) already taken where the configuration asks for it.
    peaks : bool, (bases,), or None.
    """

    sequence: np.ndarray
    signals: np.ndarray
    peaks: np.ndarray | None


@dataclass(frozen=True)
class Batch:
    """Tensors of some genes: bases (batch, window, 4), signals (batch, window, signals), target (batch,)."""

    bases: Tensor
    signals: Tensor
    target: Tensor
    given: Tensor | None

    def to(self, device: torch.device | str) -> "Batch":
        """The same on a device."""
        return self._each(lambda tensor: tensor.to(device))

    def rows(self, chosen: Tensor) -> "Batch":
        """Some of the genes."""
        return self._each(lambda tensor: tensor[chosen])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        given = None if self.given is None else change(self.given)
        return Batch(change(self.bases), change(self.signals), change(self.target), given)


def read_genes(path: str | Path, contigs: Contigs) -> pd.DataFrame:
    """Genes with their TSS and expression (schema EXPRESSION), contigs as the FASTA names them.

    `target`, log10(expression + 1), is added. Genes without a value are left out.

    Raises
    ------
    InputError : the table does not fit, or has contigs or TSSs that the FASTA does not have.
    """
    genes = read_table(path, EXPRESSION)
    names = {name: contigs.resolve(str(name)) for name in genes["chrom"].unique()}
    problems = [
        Problem(str(path), f"has genes on {name!r}, which {contigs.where} does not have", "use the FASTA's own names")
        for name, found in names.items()
        if found is None
    ]
    raise_all(problems)
    genes["chrom"] = genes["chrom"].map(names)
    outside = genes["tss"] >= genes["chrom"].map(contigs.lengths)
    if outside.any():
        first = genes[outside].iloc[0]
        raise InputError.at(
            path,
            f"{outside.sum()} TSSs lie past the end of their contig, such as that of {first['gene']}",
            "give 0-based positions of this genome's assembly",
        )
    genes = genes[genes["expression"].notna()].reset_index(drop=True)
    if genes.empty:
        raise InputError.at(path, "has no gene with an expression value", "give at least one")
    return genes.assign(target=np.log10(genes["expression"] + 1))


class ExpressionWindows:
    """Windows around TSSs, read when they are asked for and kept while memory allows.

    Parameters
    ----------
    signals : bigWig of every signal of the configuration, by name.
    peaks : BED of peaks; needed where the configuration's mask is given.
    shift : bases by which `batch` may move a window to either side.
    """

    def __init__(
        self,
        reference: Reference,
        signals: Mapping[str, Path],
        config: Seq2ExpConfig,
        peaks: Path | None = None,
        shift: int = 0,
    ):
        _check_signals(signals, config, peaks)
        self.config, self.shift = config, shift
        self._reference = reference
        self._tracks = [_Track(signals[name], reference.contigs) for name in config.signals]
        self._peaks = None if peaks is None else read_intervals(peaks, reference.contigs)
        bytes_a_window = (config.window + 2 * shift) * (2 + 4 * len(config.signals))
        self._room = CACHE_BYTES // bytes_a_window
        self._cache: dict[tuple[str, int], Window] = {}

    def read(self, chrom: str, tss: int) -> Window:
        """The window in whose middle the TSS lies, with `shift` bases to spare at both ends; N past the contig."""
        key = (chrom, tss)
        if key in self._cache:
            return self._cache[key]
        start = tss - self.config.window // 2 - self.shift
        end = start + self.config.window + 2 * self.shift
        codes = base_codes(self._reference.fetch(chrom, start, end))
        values = [track.read(chrom, start, end) for track in self._tracks]
        for name, track in zip(self.config.signals, values, strict=True):
            if name in self.config.log10_signals:
                np.log10(track + 1, out=track)
        signals = np.stack(values) if values else np.zeros((0, end - start), np.float32)
        window = Window(codes, signals, None if self._peaks is None else covered_bases(self._peaks, chrom, start, end))
        if len(self._cache) < self._room:
            self._cache[key] = window
        return window

    def batch(self, genes: pd.DataFrame, rng: np.random.Generator | None = None) -> Batch:
        """Tensors of some genes, each window read in its gene's direction; with `rng`, shifted and flipped at random.

        Without `rng` the window is the one in whose middle the TSS lies.
        """
        rows = [self._row(*row, rng) for row in zip(genes["chrom"], genes["tss"], genes["strand"], strict=True)]
        sequences, signals, peaks = zip(*rows, strict=True)
        return Batch(
            bases=one_hot(np.stack(sequences)),
            signals=torch.from_numpy(np.stack(signals).transpose(0, 2, 1).copy()),
            target=torch.tensor(genes["target"].to_numpy(), dtype=torch.float32),
            given=None if self._peaks is None else torch.from_numpy(np.stack(peaks).astype(np.float32)),
        )

    def _row(self, chrom: str, tss: int, strand: str, rng: np.random.Generator | None):
        window = self.read(chrom, tss)
        offset, flip = self.shift, strand == "-"
        if rng is not None:
            offset, flip = int(rng.integers(0, 2 * self.shift + 1)), bool(rng.random() < 0.5)
        here = slice(offset, offset + self.config.window)
        codes, signals = window.sequence[here], window.signals[:, here]
        peaks = None if window.peaks is None else window.peaks[here]
        if not flip:
            return codes, signals, peaks
        return reverse_complement_codes(codes), signals[:, ::-1], None if peaks is None else peaks[::-1]


class _Track:
    """A bigWig, read with zeros where it has no value, by the FASTA's names of contigs."""

    def __init__(self, path: Path, contigs: Contigs):
        self._bigwig = BigWig(path)
        self._bigwig.require_contigs(contigs.lengths, contigs.where)
        self.path = path

    def read(self, chrom: str, start: int, end: int) -> np.ndarray:
        values = np.nan_to_num(self._bigwig.values(chrom, start, end))
        if values.min(initial=0) < 0:
            raise InputError.at(
                self.path, f"has negative values at {chrom}:{start}-{end}", "give a signal of counts or fold changes"
            )
        return values


def _check_signals(signals: Mapping[str, Path], config: Seq2ExpConfig, peaks: Path | None) -> None:
    problems = [
        Problem("--signal", f"{name!r} is not given", f"give --signal {name}=FILE, or leave it out of the config")
        for name in config.signals
        if name not in signals
    ]
    problems += [
        Problem("--signal", f"{name!r} is not a signal of the config", f"it has {', '.join(config.signals) or 'none'}")
        for name in signals
        if name not in config.signals
    ]
    if config.source == "given" and peaks is None:
        problems.append(Problem("--peaks", "is not given", "a mask of peaks needs a BED of them"))
    raise_all(problems)


def read_intervals(path: Path, contigs: Contigs) -> dict[str, np.ndarray]:
    """Starts and ends of the intervals of a BED, by contig: (2, intervals)."""
    table = read_bed(path, contigs).table
    return {str(name): group[["start", "end"]].to_numpy().T for name, group in table.groupby("chrom")}


def covered_bases(intervals: Mapping[str, np.ndarray], chrom: str, start: int, end: int) -> np.ndarray:
    """Which bases of ``[start, end)`` lie in intervals, which are as of `read_intervals`: bool, (end - start,)."""
    covered = np.zeros(end - start, bool)
    starts, ends = intervals.get(chrom, np.zeros((2, 0), int))
    for index in np.flatnonzero((starts < end) & (ends > start)).tolist():
        covered[max(0, starts[index] - start) : ends[index] - start] = True
    return covered
