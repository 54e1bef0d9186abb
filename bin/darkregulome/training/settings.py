"""What the trainers are asked: data, budget, how a model learns, and where a restart finds its state."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darkregulome.errors import InputError
from darkregulome.training.schedule import Budget

Precision = Literal["fp32", "tf32", "bf16"]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RestartOptions(_Settings):
    """Where a training keeps what it needs to go on after it was killed, and how often it writes that."""

    state: Path | None = Field(
        None, description="Where to keep what a restart needs until the end; by default by the output's name."
    )
    state_minutes: float = Field(5.0, ge=0, description="Minutes between two writings of it.")

    def place(self, outdir: Path) -> Path:
        """The state's place for a checkpoint folder."""
        return self.state or outdir.with_name(f"{outdir.name}.state")


class BudgetOptions(_Settings):
    """How long a training takes: steps or minutes."""

    steps: int | None = Field(None, ge=1, description="Steps to train: exactly repeatable.")
    minutes: float | None = Field(None, ge=0, description="Minutes to train, instead of steps.")

    @model_validator(mode="after")
    def _one_of_both(self) -> "BudgetOptions":
        if (self.steps is None) == (self.minutes is None):
            raise InputError.at("--steps and --minutes", "are both given, or neither", "give one of the two")
        return self

    def share(self, share: float = 1.0) -> Budget:
        """The budget of a part of a training, by its share of the whole."""
        return Budget(
            None if self.steps is None else round(share * self.steps),
            None if self.minutes is None else share * self.minutes,
        )


class LanguageInputs(_Settings):
    """What a language model is and reads."""

    fasta: tuple[Path, ...] = Field(description="FASTA of the genome; may be repeated.")
    architecture: str = Field(description="caduceus, gpn, bert or hyena.")
    config: Path = Field(description="config.json of the architecture, in the official form.")
    holdout: tuple[str, ...] = Field(
        description="Contigs left out of training, comma-separated; patterns too: 'test_*'.",
        json_schema_extra={"commas": True},
    )
    exclude: tuple[str, ...] = Field(
        (), description="Contigs left out altogether, comma-separated.", json_schema_extra={"commas": True}
    )
    probe: Path | None = Field(
        None, description="BED of motif positions: their held-out loss shows whether the grammar is known."
    )
    start: Path | None = Field(None, description="Checkpoint folder of the same shape to go on from.")


class LanguageTraining(_Settings):
    """How a language model is trained.

    Without `patience` the last weights are kept. The held-out windows are spread evenly over the held-out contigs.
    """

    window: int = Field(256, ge=16, description="Bases per training window.")
    batch: int = Field(64, ge=1, description="Windows per step.")
    parts: int = Field(
        1,
        ge=1,
        description="Parts into which a step is cut, so that less memory is enough.",
        json_schema_extra={"option": "accumulate"},
    )
    learning_rate: float = Field(3e-3, ge=0, description="Peak learning rate.")
    weight_decay: float = Field(0.01, ge=0, json_schema_extra={"option": False})
    strands: Literal["both", "forward"] = Field("both", description="both, or forward: windows as they stand, for RNA.")
    repeat_weight: float = Field(1.0, ge=0, le=1, description="Weight of soft-masked bases in the loss; GPN's is 0.1.")
    evaluate_every: int = Field(200, ge=0, description="Steps between evaluations; 0 for none.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Stop after this many evaluations without a lower held-out loss; keep the best weights.",
    )
    heldout_windows: int = Field(256, ge=1, description="Held-out windows of an evaluation.")
    device: str = Field("cpu", description="auto, cpu, cuda or cuda:INDEX.")
    precision: Precision = Field("fp32", description="fp32, tf32 or bf16; effects need fp32 or tf32.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")

    @model_validator(mode="after")
    def _patience_counts_something(self) -> "LanguageTraining":
        if self.patience is not None and not self.evaluate_every:
            raise InputError.at("--patience", "counts evaluations, of which there are none", "give --evaluate-every")
        return self


class EnformerInputs(_Settings):
    """What an Enformer is and reads: bigWigs around TSSs, or windows with binned targets."""

    fasta: tuple[Path, ...] = Field(
        description="FASTA of the genome, or of pieces named contig:start-end; may be repeated."
    )
    config: Path = Field(description="config.json of the Enformer.")
    holdout: tuple[str, ...] = Field(
        description="Contigs left out of training, comma-separated.", json_schema_extra={"commas": True}
    )
    validation: tuple[str, ...] = Field(
        (),
        description="Contigs by which the best weights are chosen; by default the last weights are kept.",
        json_schema_extra={"commas": True},
    )
    tracks: tuple[Path, ...] = Field((), description="bigWig of one track; repeat it for every track.")
    tss: Path | None = Field(None, description="BED of TSSs: a window is taken around each.")
    windows: Path | None = Field(None, description="BED of windows with binned targets, instead of --tracks and --tss.")
    targets: Path | None = Field(None, description="npz of the targets: windows x bins x tracks.")
    track_table: Path | None = Field(
        None, description="Table of the targets' tracks: identifier, description, strand_pair."
    )
    track_pattern: str = Field("", description="Train on the tracks whose description matches this regular expression.")

    @model_validator(mode="after")
    def _one_kind(self) -> "EnformerInputs":
        bigwigs, target_set = (bool(self.tracks), self.tss), (self.windows, self.targets, self.track_table)
        if not ((all(bigwigs) and not any(target_set)) or (all(target_set) and not any(bigwigs))):
            raise InputError.at(
                "the data",
                "are either --tracks and --tss, or --windows, --targets and --track-table",
                "give all of the one kind and none of the other",
            )
        return self


class EnformerTraining(_Settings):
    """How an Enformer is trained; lengths in bases. A part of a step is normalised by itself."""

    window: int = Field(49_152, description="Bases per window.")
    bin: int = Field(128, ge=1, json_schema_extra={"option": False})
    shift: int = Field(4_096, ge=0, description="Bases by which a window may move to either side.")
    tower_window: int = Field(4_096, description="Bases per window while the convolution tower learns.")
    tower_batch: int = Field(16, ge=1, description="Windows per step while the tower learns.")
    tower_share: float = Field(0.5, ge=0, le=1, description="Share of the steps for the tower.")
    batch: int = Field(16, ge=1, json_schema_extra={"option": False})
    learning_rate: float = Field(2e-3, ge=0, description="Peak learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="Weight decay.")
    centre_weight: float = Field(20.0, json_schema_extra={"option": False})
    """Weight of the bins at a TSS: they are one in hundreds, and are what the readout reads."""
    evaluate_every: int = Field(100, ge=0, description="Steps between two evaluations.")
    patience: int | None = Field(
        None, ge=1, description="Evaluations without a better validation after which a part ends."
    )
    parts: int = Field(
        1,
        ge=1,
        description="Parts into which a step is cut, so that less memory is enough.",
        json_schema_extra={"option": "accumulate"},
    )
    device: str = Field("cpu", description="auto, cpu, cuda or cuda:INDEX.")
    precision: Precision = Field("fp32", description="fp32, tf32 or bf16; effects need fp32 or tf32.")
    seed: int = Field(0, ge=0, description="Seed of every random draw.")

    @model_validator(mode="after")
    def _whole_bins(self) -> "EnformerTraining":
        for option, length in (("--window", self.window), ("--tower-window", self.tower_window)):
            if length < self.bin or length % self.bin:
                raise InputError.at(option, f"is {length}", f"give a multiple of {self.bin}, the bases of a bin")
        return self
