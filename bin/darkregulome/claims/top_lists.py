"""Two models' top lists: membership of one list held against membership of the other, on the ladder of any claim."""

from dataclasses import replace

from darkregulome.diagnosis.adjust import Ladder, Pair, make_ladder
from darkregulome.diagnosis.prepared import Prepared
from darkregulome.diagnosis.settings import Settings
from darkregulome.stats.agreement import list_overlap, top_members
from darkregulome.stats.loci import Floats
from darkregulome.stats.setting import MINIMUM_GROUP, NotTestable, Setting

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
    return replace(ladder, details={"lists": list_overlap(members[0], members[1], setting)})


def list_length(n: int, settings: Settings) -> int:
    """Elements of a top list: `list_length` of the settings, and never more than a tenth of all."""
    return max(1, min(settings.list_length, n // 10))
