"""What the scripts that draw decoys and call elements are asked for."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from darkregulome.edits.settings import MIN_WINDOW, Options
from darkregulome.models.settings import ModelOptions


class DecoySettings(Options):
    """Which decoys are drawn, and how."""

    decoys: Literal["shuffle", "markov", "learnt"] = Field(
        "shuffle",
        description="shuffle (keeps dinucleotides), markov (order 5, given the flanks), or learnt (by --model, given "
        "the flanks).",
    )
    n_decoys: int = Field(19, ge=1, description="Decoys of each element.")
    first: int = Field(1, ge=1, description="Number of the first decoy: 20 adds to 19 that were drawn before.")
    sweeps: float = Field(
        2.0,
        gt=0,
        description="How often a masked model redraws each base on the way to the hub of the star, and from there; a "
        "fraction redraws some.",
    )
    temperature: float = Field(
        1.0, gt=0, description="Learnt decoys: probabilities to the power 1 / temperature; below 1 more predictable."
    )
    decoy_elements: str = Field(
        "all", description="Elements that get decoys: all, top:SHARE (by --ris), or a BED that they overlap."
    )
    window: int | None = Field(
        None,
        ge=MIN_WINDOW,
        description="Bases that a language model sees, or auto: the model's own.",
        json_schema_extra={"none": "auto"},
    )


class DrawingModel(ModelOptions):
    """The language model that draws decoys, or measures how predictable they are."""

    model: str | None = Field(  # type: ignore[assignment]
        None,
        description="Language model in the registry: draws the learnt decoys; of the others it measures how "
        "predictable they are.",
    )


class CallingSettings(Options):
    """How elements are called."""

    alpha: float = Field(0.1, gt=0, lt=1, description="False discovery rate of the calls.")
    family: Literal["all", "drawn"] = Field(
        "all",
        description="Elements that the false discovery rate counts: all of the table (one without decoys has p = 1), "
        "or drawn: those with decoys. Only all is right where elements were selected by their scores.",
    )
    again: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Elements with a p up to this are written to again.bed, and are judged on all of their decoys "
        "where they have more than the others.",
    )


class CallInputs(Options):
    """Tables from which elements are called."""

    elements: Path = Field(description="Element table (parquet, TSV or CSV).")
    effects: tuple[Path, ...] = Field(
        description="Effects of decoys (score_elements.py --perturbation decoy); may be repeated."
    )
    decoy_table: tuple[Path, ...] = Field(
        (), description="The decoys themselves, for how predictable they are; may be repeated."
    )
