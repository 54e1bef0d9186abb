"""What the trainers are asked: where a training keeps what a restart needs."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class RestartOptions(BaseModel):
    """Where a training keeps what it needs to go on after it was killed, and how often it writes that."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Path | None = Field(
        None, description="Where to keep what a restart needs until the end; by default by the output's name."
    )
    state_minutes: float = Field(5.0, ge=0, description="Minutes between two writings of it.")
