"""Options of every script that runs a model: pydantic alone, so that `--help` stays quick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ModelOptions(BaseModel):
    """A model, and how it is run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="Name of the model in the registry.")
    weights: Path | None = Field(None, description="Checkpoint folder instead of the registry's.")
    registry: Path | None = Field(None, description="Another registry of models (YAML).")
    batch_size: int | None = Field(
        None, ge=1, description="Sequences per batch, or auto.", json_schema_extra={"none": "auto"}
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:INDEX.")
    precision: str = Field("fp32", description="fp32, tf32 or bf16; effects need fp32 or tf32.")

    def entry(self) -> Any:
        """The model's entry in the registry."""
        from darkregulome.models.registry import find_entry

        return find_entry(self.model, self.weights, self.registry)

    def load(self, threads: int, tracks: Mapping[str, int] | None = None) -> Any:
        """The model, on as many threads; `tracks` of an output model are names and indices, if not the registry's."""
        import torch

        from darkregulome.models.registry import load_model

        torch.set_num_threads(threads)
        return load_model(self.model, self.weights, self.device, self.precision, self.registry, tracks)


class TrackModelOptions(ModelOptions):
    """A model that may predict tracks."""

    tracks: tuple[str, ...] = Field(
        (),
        description="Tracks of an output model: names of the registry's, or NAME=INDEX in the model's head.",
        json_schema_extra={"commas": True},
    )
