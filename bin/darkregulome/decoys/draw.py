"""Draws the decoys of a table of elements, some elements of one locus at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darkregulome.decoys.learnt import Drawing, language_writer
from darkregulome.decoys.place import Place
from darkregulome.decoys.settings import DecoySettings, DrawingModel
from darkregulome.decoys.trivial import MarkovWriter, ShuffleWriter
from darkregulome.edits.plan import Unusable, surroundings, targets_of, whole_sequence
from darkregulome.edits.settings import preferred_window
from darkregulome.edits.windows import Genome
from darkregulome.errors import InputError
from darkregulome.genome.background import ORDER, fit_background
from darkregulome.genome.bed import Windows, read_bed
from darkregulome.genome.reference import Reference
from darkregulome.io import schemas, tables

ELEMENTS_AT_ONCE = 64


class Writer(Protocol):
    """Draws decoys; its name is that of the set, or of the model."""

    name: str

    def write(self, places: Sequence[Place], numbers: Sequence[int]) -> list[list[str]]:
        """Decoys of each place, by number."""
        ...


class Scorer(Protocol):
    """Measures how predictable sequences are."""

    name: str

    def log_likelihood(self, sequences: Sequence[tuple[Place, str]]) -> NDArray[np.float64]:
        """Mean log p of the bases of each sequence in its place, nats."""
        ...


@dataclass
class DecoyRun:
    """Elements, what draws their decoys, and what measures them.

    Attributes
    ----------
    decoys : name of the set.
    margin : bases on each side of an element that are read.
    left_out : elements that can have no decoys, with the reason; filled while decoys are drawn.
    """

    elements: pd.DataFrame
    genome: Genome
    decoys: str
    writer: Writer
    scorer: Scorer | None
    numbers: Sequence[int]
    margin: int
    left_out: dict[str, str] = field(default_factory=dict)

    def draw(self, progress: Callable[[float, int], None] | None = None) -> Iterator[pd.DataFrame]:
        """Tables of decoys (schema DECOYS), in the order of the elements; at least one, be it empty."""
        yield pd.DataFrame(columns=schemas.DECOYS.columns)
        done = 0
        for locus, group in self.elements.groupby("locus", sort=False):
            for at in range(0, len(group), ELEMENTS_AT_ONCE):
                places = list(self._places(str(locus), group.iloc[at : at + ELEMENTS_AT_ONCE]))
                if places:
                    yield self._table(places)
                done += len(group.iloc[at : at + ELEMENTS_AT_ONCE])
                if progress is not None:
                    progress(done, len(self.elements))

    def _places(self, locus: str, elements: pd.DataFrame) -> Iterator[Place]:
        for target in targets_of(elements):
            try:
                source = surroundings(self.genome, target, self.margin)
                whole_sequence(source, target)
            except Unusable as unusable:
                self.left_out[target.element] = str(unusable)
            else:
                yield Place(target.element, locus, target.start, target.end, source)

    def _table(self, places: Sequence[Place]) -> pd.DataFrame:
        drawn = self.writer.write(places, self.numbers)
        count = len(self.numbers)
        real, own = np.full(len(places), np.nan), np.full(len(places) * count, np.nan)
        if self.scorer is not None:
            real = self.scorer.log_likelihood([(place, place.sequence) for place in places])
            pairs = [(place, one) for place, decoys in zip(places, drawn, strict=True) for one in decoys]
            own = self.scorer.log_likelihood(pairs)
        return pd.DataFrame(
            {
                "element": np.repeat([place.element for place in places], count),
                "decoys": self.decoys,
                "decoy": np.tile(self.numbers, len(places)),
                "sequence": [one for decoys in drawn for one in decoys],
                "log_likelihood": own,
                "log_likelihood_real": np.repeat(real, count),
                "scored_by": "" if self.scorer is None else self.scorer.name,
            }
        )


def decoy_run(
    elements: pd.DataFrame,
    genome: Reference,
    settings: DecoySettings,
    model: DrawingModel,
    loaded: Any,
    *,
    windows: Mapping[str, tuple[str, int, int]],
    seed: int,
) -> DecoyRun:
    """What the settings ask for.

    Parameters
    ----------
    loaded : the model of `model`, None if none is named.
    windows : contig, start and end of each locus.
    """
    numbers = range(settings.first, settings.first + settings.n_decoys)
    language, window = None, ORDER
    if loaded is not None:
        if loaded.kind == "output":
            what = f"{loaded.name} is an output model: it writes no sequence"
            raise InputError.at("--model", what, "name a language model")
        window = min(settings.window or preferred_window(model.entry(), loaded), loaded.context)
        drawing = Drawing(window, settings.sweeps, settings.temperature, seed, model.batch_size)
        language = language_writer(loaded, drawing)
    margin = max(window, ORDER)
    if settings.decoys == "learnt":
        if language is None:
            raise InputError.at("--model", "is not given, and learnt decoys need one", "name a language model")
        return DecoyRun(elements, genome, f"learnt:{language.name}", language, language, numbers, margin)
    if settings.decoys == "shuffle":
        return DecoyRun(elements, genome, "shuffle", ShuffleWriter(seed), language, numbers, margin)
    markov = MarkovWriter(fit_background(genome), windows, seed)
    return DecoyRun(elements, genome, "markov", markov, language or markov, numbers, margin)


def locus_windows(elements: pd.DataFrame, loci: pd.DataFrame | None) -> dict[str, tuple[str, int, int]]:
    """Contig, start and end of each locus: of the table of loci, or what its elements span."""
    if loci is not None:
        absent = set(elements["locus"]) - set(loci["locus"])
        if absent:
            raise InputError.at("--loci", f"has no locus {min(absent)!r}, which the elements name", "give their loci")
        named = loci.set_index("locus")
    else:
        named = elements.groupby("locus").agg(chrom=("chrom", "first"), start=("start", "min"), end=("end", "max"))
    columns = [named[name].tolist() for name in ("chrom", "start", "end")]
    return dict(zip(named.index, zip(*columns, strict=True), strict=True))


def select_elements(elements: pd.DataFrame, asked: str, ris: Path | None, genome: Reference) -> pd.DataFrame:
    """The elements that get decoys: all; the top share of each model's scores; or those that a BED overlaps."""
    if asked == "all":
        return elements
    if asked.startswith("top:"):
        share = _share(asked)
        if ris is None:
            raise InputError.at("--decoy-elements", f"{asked!r} needs scores", "give --ris")
        scores = tables.read_table(ris, schemas.RIS)
        scores = scores[scores["element"].isin(elements["element"])]
        rank = scores.groupby("model")["ris"].rank(ascending=False, pct=True)
        picked = elements[elements["element"].isin(scores.loc[rank <= share, "element"])]
    else:
        overlapped = Windows(read_bed(asked, genome.contigs).table)
        columns = [elements[name] for name in ("chrom", "start", "end")]
        picked = elements[[overlapped.touches(*row) for row in zip(*columns, strict=True)]]
    if picked.empty:
        raise InputError.at(
            "--decoy-elements", f"{asked!r} selects no element", "give all, a larger share, another BED"
        )
    return picked


def _share(asked: str) -> float:
    try:
        share = float(asked.removeprefix("top:"))
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise InputError.at("--decoy-elements", f"{asked!r} has no share", "give one above 0 and up to 1, as top:0.2")
    return share
