"""How elements are to be scored: as asked (`Settings`, options of the scripts), and settled for a model (`Settled`)."""

from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from darkregulome.errors import InputError

READOUTS_OF_KIND = {"masked": ("llr", "loglik", "dependency"), "causal": ("loglik", "dependency"), "output": ("track",)}
PERTURBATION_OF_KIND = {"masked": "substitution", "causal": "substitution", "output": "shuffle"}
SITES = 8
EVERY_SITE = 2**31 - 1
MIN_WINDOW = 8


class ModelShape(Protocol):
    """What settings depend on of a model, which need not be loaded."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    @property
    def context(self) -> int: ...


class Preferences(Protocol):
    """What a model's entry in the registry prefers."""

    readout: str | None
    perturbation: str | None
    window: int | None
    sites: int


def preferred_window(entry: Preferences, model: ModelShape) -> int:
    """Bases that a model sees unless another number is asked for; all that an output model can see."""
    return model.context if model.kind == "output" else min(entry.window or model.context, model.context)


class Options(BaseModel):
    """Options of a script: a field each, and unchanged once made."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(Options):
    """How elements are to be scored, as asked: what is None is left to the model."""

    readout: Literal["llr", "loglik", "dependency", "track"] | None = Field(
        None,
        description="llr, loglik, dependency, track, or auto: the model's own, or what reads the edits.",
        json_schema_extra={"none": "auto"},
    )
    perturbation: Literal["substitution", "saturation", "shuffle", "deletion", "mask", "insertion", "decoy"] | None = (
        Field(
            None,
            description="substitution, saturation (every site, every base), shuffle, deletion, mask (N), insertion, "
            "decoy (--decoy-table), or auto: the model's own.",
            json_schema_extra={"none": "auto"},
        )
    )
    sites: int | None = Field(
        None, ge=1, description="Sites substituted in an element; by default the model's own number."
    )
    alternatives: Literal[1, 3] | None = Field(
        None, description="Bases tried at a site, 1 or 3; by default 3 for masked models, else 1."
    )
    replicates: int = Field(1, ge=1, description="Draws of each random edit; in an estimate also the number of decoys.")
    block: int | None = Field(
        None, ge=1, description="Edit an element in blocks of this many bases, one by one; by default whole."
    )
    insert: str = Field("10", description="What an insertion puts in: letters, or a number of bases to draw.")
    target: str = Field(
        "200,50", description="Bases upstream and downstream of the TSS that the readout dependency reads."
    )
    window: int | None = Field(
        None,
        ge=MIN_WINDOW,
        description="Bases that a language model sees, or auto: the model's own.",
        json_schema_extra={"none": "auto"},
    )
    placement: Literal["centre", "end"] = Field(
        "centre", description="Where a causal model's window holds the element: centre, or end, which is quicker."
    )
    predictability_passes: int = Field(
        7,
        ge=1,
        le=7,
        description="Passes, of seven that mask each base once, in which a masked model with the readout llr reads how "
        "predictable an element is; fewer are quicker and less reliable.",
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw.")

    @property
    def single_bases(self) -> bool:
        """Whether what is asked edits single bases, which llr can compare; the model's own perturbation does.

        So does decoy: the readout llr compares single bases of real sequence and of decoys.
        """
        return self.perturbation in (None, "substitution", "saturation", "decoy") and not self.block

    def preferring(self, entry: Preferences, context: int) -> "Settings":
        """The same with what is left open taken from a model's entry; a readout that cannot read the edits is not.

        Parameters
        ----------
        context : longest window of the model.
        """
        asked = self.model_copy(update={"perturbation": self.perturbation or entry.perturbation})
        readout = None if entry.readout == "llr" and not asked.single_bases else entry.readout
        return asked.model_copy(
            update={
                "readout": self.readout or readout,
                "window": self.window or min(entry.window or context, context),
                "sites": self.sites or entry.sites,
            }
        )


@dataclass(frozen=True)
class Settled:
    """How elements are scored by one model: nothing is left open.

    Attributes
    ----------
    block : size of the pieces of an element that are edited one by one; 0 edits it whole (substitutions: one base).
    insert : what an insertion puts in: letters, or a number of bases to draw.
    target : bases upstream and downstream of the TSS that `dependency` reads.
    placement : where a tile lies in the window of a causal model, ``centre`` or ``end``; others have it in the centre.
    """

    readout: str
    perturbation: str
    window: int
    sites: int
    replicates: int
    alternatives: int
    predictability_passes: int
    seed: int
    block: int
    insert: str | int
    target: tuple[int, int]
    placement: str

    @property
    def by_site(self) -> bool:
        """Whether single bases are edited, or places between them, and not pieces of sequence."""
        return self.perturbation == "insertion" or (
            self.perturbation in ("substitution", "saturation") and not self.block
        )


def resolve(settings: Settings, model: ModelShape) -> Settled:
    """`settings` with what is left open settled for `model`, and checked against what it can do.

    Raises
    ------
    InputError
        A readout or perturbation that the kind of model does not have, or sizes that do not fit.
    """
    perturbation = settings.perturbation or PERTURBATION_OF_KIND[model.kind]
    readout = _readout(settings.model_copy(update={"perturbation": perturbation}), model.kind)
    window = _window(settings.window, model)
    if perturbation == "decoy" and settings.block:
        raise InputError.at("--block", "cannot cut decoys, which replace whole elements", "leave it out")
    insert = _insert(settings.insert)
    length = insert if isinstance(insert, int) else len(insert)
    if perturbation == "insertion" and not 1 <= length <= window // 4:
        raise InputError.at("--insert", f"{length} bases do not fit", f"give 1 to {window // 4} bases")
    everywhere = perturbation == "saturation"
    return Settled(
        readout=readout,
        perturbation=perturbation,
        window=window,
        sites=EVERY_SITE if everywhere else settings.sites or SITES,
        replicates=settings.replicates,
        alternatives=3 if everywhere else settings.alternatives or (3 if readout == "llr" else 1),
        predictability_passes=settings.predictability_passes,
        seed=settings.seed,
        block=settings.block or 0,
        insert=insert,
        target=_target(settings.target),
        # For the others nothing is gained by it.
        placement=settings.placement if model.kind == "causal" else "centre",
    )


def _readout(settings: Settings, kind: str) -> str:
    """The readout of settings whose perturbation is settled."""
    allowed = READOUTS_OF_KIND[kind]
    readout = settings.readout or ("loglik" if kind == "masked" and not settings.single_bases else allowed[0])
    if readout not in allowed:
        raise InputError.at(
            "--readout", f"{readout!r} is not a readout of {kind} models", f"use {', '.join(allowed)} or auto"
        )
    if readout == "llr" and not settings.single_bases:
        raise InputError.at(
            "--perturbation",
            f"{settings.perturbation!r} cannot be read as llr, which compares bases at one masked site",
            "use substitution, saturation or decoy without --block, or --readout loglik",
        )
    return readout


def _window(asked: int | None, model: ModelShape) -> int:
    output = model.kind == "output"
    window = model.context if output else min(asked or model.context, model.context)
    if asked is not None and asked != window:
        raise InputError.at(
            "--window",
            f"{asked} bases do not fit {model.name}, which reads {model.context}",
            f"give {'exactly' if output else 'at most'} {model.context}",
        )
    return window


def _target(text: str) -> tuple[int, int]:
    parts = [int(part) if part.strip().isdecimal() else -1 for part in text.split(",")]
    if len(parts) != 2 or min(parts) < 0 or not sum(parts):
        raise InputError.at("--target", f"{text!r} is no region", "give two numbers, such as 200,50")
    return parts[0], parts[1]


def _insert(text: str) -> str | int:
    from darkregulome.genome.alleles import is_bases  # loads pysam, which --help does without

    letters = text.upper()
    if letters.isdecimal():
        return int(letters)
    if not is_bases(letters):
        raise InputError.at("--insert", f"{text!r} is neither a number nor DNA", "give a number of bases, or letters")
    return letters
