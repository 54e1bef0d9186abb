"""How Seq2Exp is trained: the paper's recipe as defaults, and its learning rate."""

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from darkregulome.errors import InputError
from darkregulome.io.documents import read_json, read_yaml
from darkregulome.seq2exp.network import Seq2ExpConfig, parse_config, validation_error

_Share = Annotated[float, Field(ge=0, lt=1)]


class Recipe(BaseModel):
    """Settings of one training. The defaults are the paper's; lengths are in bases.

    Attributes
    ----------
    steps, batch, warm_up : optimizer steps, genes a step, and steps over which the learning rate rises.
    learning_rate, first_rate, last_rate : at its peak, at the first step, at the last step (cosine between).
    beta2 : AdamW's memory of squared gradients, 1 / (1 - beta2) steps: in a training of some hundred steps the KL would
        otherwise enter with the step sizes of the much smaller gradients before it.
    kl_weight, continuity_weight : weights of the two terms beside the prediction loss.
    kl_ramp : shares of the steps between which `kl_weight` rises from 0; a model is selected after the second.
    kl_guard : the share by which the running prediction loss may exceed the least one so far before the weight of the
        KL falls (see `KlGuard`): the mask then cannot close at the price of the prediction. None leaves the weight as
        it is.
    copy_predictor : share of the steps after which the generator starts again from the predictor's weights: what tells
        expression is what the mask must tell, and the predictor learns it sooner. None never does.
    draw_until : share of the steps in which the mask is drawn; then training sees its mean, as evaluation does. A Beta
        of small parameters is nearly a coin, and a hard mask of coins is another one than that of their means.
    validate_every : steps between validations; the model with the least validation MSE is kept.
    shift : largest random shift of a training window.
    restarts : trainings from other random starts, of which that of the least validation MSE is kept: short trainings
        close the mask altogether now and then, and the validation shows it.
    accumulate : parts into which a step is cut, so that less memory is enough.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: PositiveInt = 50_000
    batch: PositiveInt = 8
    warm_up: NonNegativeInt = 5_000
    learning_rate: PositiveFloat = 5e-4
    first_rate: PositiveFloat = 1e-5
    last_rate: PositiveFloat = 1e-4
    weight_decay: NonNegativeFloat = 0.01
    clip: PositiveFloat = 1.0
    beta2: Annotated[float, Field(gt=0, lt=1)] = 0.999
    kl_weight: NonNegativeFloat = 0.01
    continuity_weight: NonNegativeFloat = 0.0
    kl_ramp: tuple[_Share, _Share] = (0.0, 0.0)
    kl_guard: PositiveFloat | None = None
    copy_predictor: _Share | None = None
    draw_until: Annotated[float, Field(ge=0, le=1)] = 1.0
    validate_every: PositiveInt = 500
    shift: NonNegativeInt = 0
    accumulate: PositiveInt = 1
    restarts: PositiveInt = 1

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then cosine."""
        if step < self.warm_up:
            return self.first_rate + (self.learning_rate - self.first_rate) * step / self.warm_up
        phase = (step - self.warm_up) / max(1, self.steps - 1 - self.warm_up)
        return self.last_rate + (self.learning_rate - self.last_rate) * 0.5 * (1 + math.cos(math.pi * min(phase, 1.0)))

    def kl_weight_at(self, step: int) -> float:
        """Weight of the KL at a step."""
        begin, end = (share * self.steps for share in self.kl_ramp)
        if step >= end:
            return self.kl_weight
        return self.kl_weight * (step - begin) / (end - begin) if step > begin else 0.0

    @model_validator(mode="after")
    def _ramp_rises(self) -> "Recipe":
        if self.kl_ramp[0] > self.kl_ramp[1]:
            raise ValueError("kl_ramp must not end before it begins")
        return self


def read_recipe(path: str | Path | None) -> tuple[Seq2ExpConfig, Recipe]:
    """Model and training settings from a JSON or YAML file with the objects ``model`` and ``training``.

    What the file does not name, or every setting where there is no file, is the paper's.

    Raises
    ------
    InputError : the file cannot be read, or has fields that do not exist or do not fit.
    """
    content: dict[str, Any] = {}
    if path is not None:
        content = _read(Path(path))
    strange = [key for key in content if key not in ("model", "training")]
    if strange:
        raise InputError.at(path, f"has the key {strange[0]!r}", "give the objects model and training")
    config = parse_config(content.get("model") or {}, f"{path}: model")
    with validation_error(f"{path}: training"):
        return config, Recipe.model_validate(content.get("training") or {})


def _read(path: Path) -> dict[str, Any]:
    return (read_json if path.suffix == ".json" else read_yaml)(path, "give the objects model and training")
