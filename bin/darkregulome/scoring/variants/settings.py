"""How variants are to be scored: as asked (`Settings`, options of the scripts), and settled for a model (`Settled`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from darkregulome.edits.settings import ModelShape, Options, preferred_window
from darkregulome.errors import InputError

SCORES_OF_KIND = {
    "masked": ("llr", "influence", "influence_signed", "loglik", "embedding"),
    "causal": ("loglik", "influence", "influence_signed", "embedding"),
    "output": ("track",),
}
"""What can be read from each kind of model; the first is read by default."""


WINDOW: Any = Field(
    None,
    ge=1,
    description="Bases that a language model sees, or auto: the model's own.",
    json_schema_extra={"none": "auto"},
)
STRANDS: Any = Field("both", description="both (averaged), or forward, for a language model.")
COMMAS: Any = {"commas": True}
"""One value of the option may hold several by comma."""


class Settings(Options):
    """How variants are to be scored, as asked."""

    score: tuple[str, ...] = Field(
        (),
        description="llr, influence, influence_signed, loglik, embedding, track; all; or auto, the first that the kind "
        "of model has. Repeated or comma-separated.",
        json_schema_extra=COMMAS,
    )
    window: int | None = WINDOW
    edge: Literal["pad", "shift"] = Field(
        "pad", description="At a contig's end: pad the window with N, or shift it inside."
    )
    strands: Literal["both", "forward"] = STRANDS
    max_allele: int | None = Field(
        None, ge=1, description="Longest allele scored, in bases; by default a quarter of the window."
    )
    max_n: float = Field(0.5, ge=0, le=1, description="Largest fraction of a window that may be N.")

    def settle(self, model: ModelShape, entry: Any, tracks: Sequence[str], batch_size: int | None) -> "Settled":
        """What is left open settled for a model and its entry in the registry."""
        own = preferred_window(entry, model)
        window = own if model.kind == "output" else self.window or own
        return Settled(
            scores=choose_scores(self.score, model.kind),
            window=window,
            edge=self.edge,
            both_strands=self.strands == "both",
            max_length=self.max_allele or max(1, window // 4),
            max_n=self.max_n,
            batch_size=batch_size,
            tracks=tuple(tracks),
        )


@dataclass(frozen=True)
class Settled:
    """How variants are scored by one model.

    Attributes
    ----------
    scores : names out of `SCORES_OF_KIND`.
    window : bases that a model sees.
    edge : at a contig's end, ``"pad"`` with N or ``"shift"`` the window inside.
    both_strands : average a language model over both strands, unless it is equivariant.
    max_length : longest allele scored.
    max_n : largest fraction of the window that may be N. At a contig's end half of it is.
    batch_size : sequences per batch; None finds it.
    tracks : tracks of an output model; empty for all.
    """

    scores: tuple[str, ...]
    window: int
    edge: str = "pad"
    both_strands: bool = True
    max_length: int = 0
    max_n: float = 0.5
    batch_size: int | None = None
    tracks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        half = self.window // 2
        if self.max_length > half:
            raise InputError.at(
                "--max-allele", f"{self.max_length} is more than half the window", f"use at most {half}"
            )


class Question(Options):
    """What is asked of scores of variants."""

    score: tuple[str, ...] = Field(
        description="Columns to judge; NAME:neg where low is the effect, NAME:abs without the sign.",
        json_schema_extra=COMMAS,
    )
    label: str | None = Field(None, description="Column of labels.")
    positive: tuple[str, ...] = Field(
        (), description="Labels that are positives; all others are negatives.", json_schema_extra=COMMAS
    )
    measurement: str | None = Field(None, description="Instead of --label: a column of measurements.")
    by: tuple[str, ...] = Field(
        (), description="Columns whose values are judged one by one as well.", json_schema_extra=COMMAS
    )
    frequency: str | None = Field(None, description="Column of allele frequencies.")
    match: tuple[str, ...] = Field(
        (), description="Numeric columns in which negatives are matched.", json_schema_extra=COMMAS
    )
    match_within: tuple[str, ...] = Field(
        (), description="Columns that matched negatives must share.", json_schema_extra=COMMAS
    )
    draws: int = Field(1000, ge=0, description="Bootstrap samples, and draws of matched controls.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")


class ScoredVariants(Options):
    """Scored variants, and what is known of them."""

    scores: Path = Field(description="Scored variants: parquet, TSV, CSV or VCF.")
    truth: Path | None = Field(
        None, description="Table with labels, measurements and any other column; or published ISM (.npz): see docs."
    )
    truth_index: Path | None = Field(None, description="Table of the windows of published ISM.")
    bigwig: tuple[str, ...] = Field(
        (), description="NAME=FILE: a column NAME with the bigWig's value at POS, such as phyloP; repeated."
    )
    on: tuple[str, ...] = Field(
        (), description="Columns by which the two are joined: chrom,pos,ref,alt by default.", json_schema_extra=COMMAS
    )


def choose_scores(names: Sequence[str], kind: str) -> tuple[str, ...]:
    """The scores to read: those named, ``all`` that the kind of model has, or with ``auto`` its first.

    Raises
    ------
    InputError : a kind of model does not have a score.
    """
    readable = SCORES_OF_KIND[kind]
    if list(names) == ["all"]:
        return readable
    if list(names) in ([], ["auto"]):
        return readable[:1]
    unknown = [name for name in names if name not in readable]
    if unknown:
        raise InputError.at(
            "--score", f"a {kind} model has no score {unknown[0]!r}", f"use auto, all, or of {', '.join(readable)}"
        )
    return tuple(name for name in readable if name in names)
