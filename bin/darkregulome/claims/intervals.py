"""Elements that overlap the intervals of a BED score apart from others of their class and distance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bioframe
import numpy as np
import pandas as pd
from pydantic import Field

from darkregulome.claims.claim import Claim, External, Findings, OutsideData, Subject, Tables
from darkregulome.claims.marked import fold_enrichment, say_enrichment, test_marked
from darkregulome.claims.sentences import say_contrast
from darkregulome.diagnosis.adjust import Ladder
from darkregulome.diagnosis.decision import FLOOR
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Asked, Settings
from darkregulome.errors import InputError
from darkregulome.genome.bed import bed_intervals
from darkregulome.genome.contigs import bare_contig
from darkregulome.io.records import ClaimEntry
from darkregulome.stats.loci import Bools, Floats


class Files(Asked):
    """What the check asks for."""

    bed: Path = Field(description="Intervals, a BED: peaks, enhancers, accessible regions.")
    least_covered: float = Field(0.0, ge=0, le=1, description="Least share of an element that they cover; 0: any base.")


@dataclass(frozen=True, kw_only=True)
class Covered(External):
    """Share of each element that the intervals cover, by element; least share that counts; number of intervals."""

    shares: pd.Series
    least: float
    n_intervals: int

    @property
    def overlaps(self) -> pd.Series:
        """Whether each element counts as overlapping, by element."""
        return (self.shares > 0) & (self.shares >= self.least)


def hold(elements: pd.DataFrame, intervals: pd.DataFrame, least: float = 0.0) -> Covered:
    """The data of the check, of intervals with chrom, start, end."""
    shares = covered_shares(elements, intervals)
    return Covered(
        elements=elements,
        shares=pd.Series(shares, index=elements["element"]),
        least=least,
        n_intervals=len(intervals),
    )


def covered_shares(elements: pd.DataFrame, intervals: pd.DataFrame) -> Floats:
    """Share of the bases of each element that any interval covers; contigs may or may not begin with chr."""
    places = elements[["chrom", "start", "end"]].assign(chrom=elements["chrom"].map(bare_contig))
    others = intervals.assign(chrom=intervals["chrom"].map(bare_contig))
    covered = bioframe.coverage(places.reset_index(drop=True), others)["coverage"].to_numpy(dtype=float)
    lengths = (elements["end"] - elements["start"]).to_numpy(dtype=float)
    return np.asarray(covered / np.maximum(lengths, 1.0), dtype=np.float64)


def _read(elements: pd.DataFrame, files: Files) -> Covered:
    rows = [(one.chrom, one.start, one.end) for one in bed_intervals(files.bed, header=True)]
    data = hold(elements, pd.DataFrame(rows, columns=["chrom", "start", "end"]), files.least_covered)
    if not data.overlaps.any():
        raise InputError.at(files.bed, "overlaps no element", "check that both are of one assembly")
    return data


def _marked(one: Prepared, data: Covered) -> Bools:
    return one.scores.table["element"].map(data.overlaps).to_numpy(dtype=bool)


def _test(subject: Subject, settings: Settings) -> Ladder:
    return test_marked(subject.one, _marked(subject.one, subject.data), "intervals", subject.setting)


def _describe(subject: Subject, ladder: Ladder, settings: Settings) -> Mapping[str, Any]:
    marked = _marked(subject.one, subject.data)
    return {"n_overlapping": int(marked.sum()), "enrichment": fold_enrichment(subject.one, marked, settings)}


def _summary(findings: Findings) -> dict[str, Any]:
    return {"n_intervals": findings.data.n_intervals, "least_covered": findings.data.least}


def _tables(findings: Findings) -> Tables:
    data = findings.data
    columns = ["element", "locus", "chrom", "start", "end", "class", "distance"]
    return Tables(data.elements[columns].assign(covered=data.shares.to_numpy()))


def _figure(record: Mapping[str, Any], profiles: pd.DataFrame) -> Any:
    from darkregulome.plots.cross_check import marked_figure

    return marked_figure(record)


def _say(entry: ClaimEntry, settings: Settings) -> str:
    contrast = say_contrast(entry, "Elements that overlap the intervals score", "others of their class and distance")
    return contrast + say_enrichment(entry.details, "overlap the intervals")


CLAIM = Claim(
    name="intervals",
    title="Intervals of a BED",
    question="do elements that overlap given intervals score apart from others of their class and distance?",
    statistic="elements that overlap less others, class and distance held fixed, both sides partialled out",
    unit="overlapping less other elements, SD of the score",
    floor=FLOOR,
    subject="the enrichment of the intervals",
    order=12,
    needs=OutsideData("intervals", Files, _read, "--bed peaks.bed", _tables, _figure),
    test=_test,
    say=_say,
    describe=_describe,
    summary=_summary,
)
