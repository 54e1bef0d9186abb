"""Power by simulation, from calibration.json of calibrate.py, in place of the analytic one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darkregulome.diagnosis.settings import Settings, SimulatedPower
from darkregulome.errors import InputError, Problem, raise_all
from darkregulome.io.documents import read_json
from darkregulome.stats.verdict import REFERENCE_EFFECT

SAME_SIZE = 0.1
"""A calibration is for a table whose elements and loci are no more than this share more or fewer than its own."""
REMEDY = "give calibration.json of calibrate.py"
_SHARED = ("alpha", "horizon", "null", "residualize", "top_fraction")


def read_simulated_power(paths: Sequence[Path], settings: Settings) -> tuple[SimulatedPower, ...]:
    """The power of each calibration, which must be of the tests that `settings` ask for.

    Raises
    ------
    InputError
        A file is no calibration, plants another effect than power is stated for, or has other settings; all at once.
    """
    problems: list[Problem] = []
    powers: list[SimulatedPower] = []
    for path in paths:
        try:
            record = read_json(path, REMEDY)
            parameters = record["parameters"]
            differing = _differing(parameters, settings)
            measured = SimulatedPower(
                model=parameters.get("model"),
                n=parameters["n"],
                n_loci=parameters["n_loci"],
                power=_smallest(record["conditions"]),
            )
        except InputError as error:
            problems += error.problems
            continue
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            problems.append(Problem(str(path), f"is no calibration ({message})", REMEDY))
            continue
        problems += [Problem(str(path), fault, "calibrate with the settings of the diagnosis") for fault in differing]
        powers.append(measured)
    raise_all(problems)
    return tuple(powers)


def _differing(parameters: dict[str, Any], settings: Settings) -> list[str]:
    faults = []
    if parameters["effect"] != REFERENCE_EFFECT:
        faults.append(f"plants an effect of {parameters['effect']:g} SD; power is stated for {REFERENCE_EFFECT:g} SD")
    for name in _SHARED:
        if parameters[name] != getattr(settings, name):
            faults.append(f"is for {name} {parameters[name]}, and the diagnosis has {getattr(settings, name)}")
    return faults


def _smallest(conditions: Sequence[dict[str, Any]]) -> dict[str, float]:
    """By claim, the smallest share of tables in which a residual test finds what is planted."""
    power: dict[str, float] = {}
    for condition in conditions:
        for row in condition["claims"]:
            if row["role"] == "planted":
                power[row["claim"]] = min(float(row["residual"]["rate"]), power.get(row["claim"], 1.0))
    return power


def power_by_simulation(claim: str, model: str, n: int, n_loci: int, settings: Settings) -> float | None:
    """The simulated power of a claim on a model; None where no calibration is for it.

    A calibration that imitates the model's own scores comes before those that imitate nobody's; of several that fit
    alike, the smallest power counts.
    """
    fitting = [
        one
        for one in settings.simulated_power
        if claim in one.power and _near(n, one.n) and _near(n_loci, one.n_loci) and one.model in (model, None)
    ]
    own = [one for one in fitting if one.model == model]
    return min((one.power[claim] for one in own or fitting), default=None)


def _near(size: int, calibrated: int) -> bool:
    return abs(size - calibrated) <= SAME_SIZE * calibrated
