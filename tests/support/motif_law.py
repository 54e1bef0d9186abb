"""What the law of `simulate/motif_pairs.py` expects of each base, given all others: exactly, over all arrangements."""

import numpy as np

from darkregulome.simulate import motif_pairs


def conditionals(codes: np.ndarray) -> np.ndarray:
    """P(base | all other bases) by the law, for sequences of base codes (sequences, length); (sequences, length, 4)."""
    count, length = codes.shape
    ratios = [_ratios(unit, codes) for unit in motif_pairs.UNITS]
    before = np.zeros((length + 1, count))  # weight of all arrangements of what stands before a place
    after = np.zeros((length + 1, count))
    before[0] = after[length] = 1
    for end in range(1, length + 1):
        before[end] = motif_pairs._STAY * before[end - 1]
        after[length - end] = motif_pairs._STAY * after[length - end + 1]
        for unit, ratio in zip(motif_pairs.UNITS, ratios, strict=True):
            if (size := len(unit.letters)) <= end:
                before[end] += unit.rate * before[end - size] * ratio[:, end - size]
                after[length - end] += unit.rate * after[length - end + size] * ratio[:, length - end]
    joint = np.repeat((motif_pairs._STAY * before[:-1] * after[1:]).T[..., None], 4, axis=-1)
    for unit, ratio in zip(motif_pairs.UNITS, ratios, strict=True):
        size = len(unit.letters)
        around = unit.rate * (before[: length - size + 1] * after[size:]).T * ratio
        tilts = _tilts(unit, codes)
        for place in range(size):
            here = codes[:, place : place + length - size + 1]
            energies = unit.fields[place] + tilts[place][..., None] * unit.variant[place]
            now = np.take_along_axis(energies, here[..., None], axis=-1)
            joint[:, place : place + length - size + 1] += around[..., None] * np.exp(energies - now)
    return joint / joint.sum(-1, keepdims=True)


def _sums(unit: motif_pairs.Unit, codes: np.ndarray) -> list[np.ndarray]:
    """S of each side of a unit at each place, (sequences, places)."""
    places = codes.shape[1] - len(unit.letters) + 1
    return [
        sum((unit.variant[i][codes[:, i : i + places]] for i in range(*side)), np.zeros((len(codes), places)))
        for side in unit.sides
    ]


def _ratios(unit: motif_pairs.Unit, codes: np.ndarray) -> np.ndarray:
    """Chance of the bases at each place as this unit, over that of the same as background, (sequences, places)."""
    places = codes.shape[1] - len(unit.letters) + 1
    logs = np.full((len(codes), places), len(unit.letters) * np.log(4) - unit.log_total)
    for i in range(len(unit.letters)):
        logs += unit.fields[i][codes[:, i : i + places]]
    if unit.coupling:
        one, other = _sums(unit, codes)
        logs += unit.coupling * one * other
    return np.exp(logs)


def _tilts(unit: motif_pairs.Unit, codes: np.ndarray) -> list[np.ndarray]:
    """What the partner adds to the energy of a base of the first variant, of each base of the unit."""
    nothing = np.zeros((len(codes), codes.shape[1] - len(unit.letters) + 1))
    tilts = [nothing] * len(unit.letters)
    if unit.coupling:
        one, other = _sums(unit, codes)
        for side, partner in zip(unit.sides, (other, one), strict=True):
            for i in range(*side):
                tilts[i] = unit.coupling * partner
    return tilts
