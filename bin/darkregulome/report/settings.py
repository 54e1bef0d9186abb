"""What the report of a diagnosis is made of: the options of `report.py regulome`."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_SEVERAL: dict[str, Any] = {"commas": True}


class RegulomeFiles(BaseModel):
    """The files of a run; only the diagnosis must be there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    diagnosis: Path = Field(description="diagnosis.json of diagnose.py.")
    decomposition: Path | None = Field(None, description="decomposition.json of decompose.py.")
    cross_checks: tuple[Path, ...] = Field(
        (), description="cross_check_*.json; repeat or use commas.", json_schema_extra=_SEVERAL
    )
    calibration: Path | None = Field(
        None, description="calibration.json of calibrate.py: which verdicts can be reached with so many elements."
    )
    truth: Path | None = Field(None, description="truth.json of a simulated genome.")
    failed: tuple[Path, ...] = Field(
        (), description="Tables of what has no score; repeat or use commas.", json_schema_extra=_SEVERAL
    )
    model_cards: tuple[Path, ...] = Field(
        (), description="model_card.json files; repeat or use commas.", json_schema_extra=_SEVERAL
    )
    figures: tuple[Path, ...] = Field(
        (), description="Folders of PNG figures; repeat or use commas.", json_schema_extra=_SEVERAL
    )
