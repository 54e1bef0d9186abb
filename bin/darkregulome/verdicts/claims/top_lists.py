"""Two models' top lists: membership of one list held against membership of the other, on the ladder of any claim."""

from dataclasses import replace
from typing import Any

from darkregulome.stats.agreement import hypergeometric_p, top_members
from darkregulome.stats.loci import Floats
from darkregulome.stats.nulls import empirical_p
from darkregulome.stats.tested import MINIMUM_GROUP, NotTestable, Setting
from darkregulome.verdicts.adjust import Ladder, Pair, make_ladder
from darkregulome.verdicts.prepared import Prepared
from darkregulome.verdicts.settings import Settings

OVERLAP_FLOOR, OVERLAP_MARGIN = 0.05, 0.1
"""Share of one list, beyond chance, that lies in the other."""


def test_lists(
    one: Prepared, first: Floats, second: Floats, names: tuple[str, str], setting: Setting, settings: Settings
) -> Ladder:
    """Membership of the second list on membership of the first: the overlap beyond chance, as a share of a list.

    Parameters
    ----------
    one : whose features are taken out of both. first, second : shape (n,), scores whose top makes the lists.
    """
    k = list_length(len(first), settings)
    if k < MINIMUM_GROUP:
        raise NotTestable(f"a top list of {k} elements is too short")
    members = [top_members(values, k).astype(float) for values in (first, second)]
    pair = Pair(members[1], members[0], f"top of {names[0]}", f"top of {names[1]}")
    ladder = make_ladder(one, pair, setting, OVERLAP_FLOOR, OVERLAP_MARGIN)
    return replace(ladder, details={"lists": lists_record(members[0], members[1], setting)})


def list_length(n: int, settings: Settings) -> int:
    """Elements of a top list: `list_length` of the settings, and never more than a tenth of all."""
    return max(1, min(settings.list_length, n // 10))


def lists_record(first: Floats, second: Floats, setting: Setting) -> dict[str, Any]:
    """The overlap as it is counted, with the rotation's p on both tails: an overlap of zero is a finding too.

    Parameters
    ----------
    first, second : shape (n,), 1 for members.
    """
    k, n = int(first.sum()), len(first)
    null = setting.null.draw(second, first)
    observed, draws = float(null.observed[0]), null.draws[:, 0]
    overlap = round(observed)
    return {
        "k": k,
        "overlap": overlap,
        "expected_by_chance": float(null.mean[0]),
        "p_more": empirical_p(observed, draws, two_sided=False),
        "p_fewer": empirical_p(-observed, -draws, two_sided=False),
        "hypergeometric_p": hypergeometric_p(overlap, n, k, k),
    }
