#!/usr/bin/env python3
"""The heavy tests in groups, the worthiest first, each only if there is time for it: what CI does after the demos.

    python3 setup/heavy_tests.py --minutes 60 --since "$(date +%s)"

A group is left out, with the reason, where the time is too short or the machine lacks what it needs; where apt-get can
bring that, it does. What fails in a group is tried once more, which is said. A group that fails again, or takes three
times what it should, fails the whole; the others still run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
GB = 1 << 30


@dataclass(frozen=True)
class Group:
    """Tests that need the same: `minutes` is what they take on two cores, `apt` what brings `commands` on Debian."""

    name: str
    minutes: float
    words: tuple[str, ...]
    commands: tuple[str, ...] = ()
    apt: tuple[str, ...] = ()
    free_gb: int = 0


CONTAINERS = ("podman", "runc", "debootstrap")
NAMED = ("faults", "faults_regulome", "slurm", "cloud", "containers")
GROUPS = (
    Group("faults", 9, ("tests/test_faults.py", "tests/test_faults_regulome.py")),
    Group(
        "slurm",
        3,
        ("tests/test_slurm.py",),
        ("slurmctld", "slurmd", "sbatch", "munged"),
        ("slurm-wlm", "munge"),
    ),
    Group("cloud", 2, ("tests/test_cloud.py",)),
    Group(
        "containers",
        9,
        ("tests/test_containers.py",),
        CONTAINERS,
        (*CONTAINERS, "fuse-overlayfs", "slirp4netns", "uidmap"),
        free_gb=25,
    ),
    Group("others", 6, ("tests", *(f"--ignore=tests/test_{name}.py" for name in NAMED))),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="all that may be used, by what ran before too")
    parser.add_argument("--since", type=float, default=time.time(), help="when that began, seconds since 1970")
    parser.add_argument("--only", nargs="*", choices=[group.name for group in GROUPS], help="these groups alone")
    given = parser.parse_args()
    told = []
    for group in GROUPS:
        if given.only and group.name not in given.only:
            continue
        left = given.minutes - (time.time() - given.since) / 60
        why = reason_to_skip(group, left)
        if why:
            told.append((group.name, f"SKIPPED: {why}", False))
        else:
            told.append((group.name, *run(group)))
        print(f"heavy tests, {group.name}: {told[-1][1]}", flush=True)
    print("\n".join(["Heavy tests:", *(f"  {name:<12} {said}" for name, said, _bad in told)]))
    return int(any(bad for _name, _said, bad in told))


def reason_to_skip(group: Group, left: float) -> str | None:
    """Why a group cannot be run with `left` minutes; None where it can."""
    if left < 1.5 * group.minutes:
        return f"it takes {group.minutes:g} minutes, and {max(left, 0):.0f} are left"
    if absent(group.commands):
        install(group.apt)
    if names := absent(group.commands):
        return f"{', '.join(names)} not installed (Debian: apt-get install {' '.join(group.apt)})"
    if shutil.disk_usage("/var/tmp").free < group.free_gb * GB:
        return f"less than {group.free_gb} GB of disk are free"
    return None


def absent(commands: Sequence[str]) -> list[str]:
    """The commands that are not here."""
    return [name for name in commands if shutil.which(name, path=PATH) is None]


def install(packages: Sequence[str]) -> None:
    """Bring packages where that is possible; what is still missing then is seen by whoever needs it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(["apt-get", *words], env=quiet, stdout=subprocess.DEVNULL, check=False, timeout=300)


def run(group: Group) -> tuple[str, bool]:
    """Run a group: what to say of it, and whether that is bad."""
    start = time.monotonic()
    limit = 3 * 60 * group.minutes
    attempts = ((), ("--last-failed",))
    for attempt, more in enumerate(attempts, start=1):
        words = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-m", "heavy", "-rs", "--durations=5", *group.words]
        left = max(limit - (time.monotonic() - start), 1)
        # By timeout(1), which also ends what pytest has started in its group of processes.
        ended = subprocess.run(["timeout", "--kill-after=30", f"{left:.0f}", *words, *more], cwd=ROOT, check=False)
        took = f"{(time.monotonic() - start) / 60:.1f} of about {group.minutes:g} minutes"
        if ended.returncode == 124:
            return f"FAILED: not finished after {limit / 60:.0f} minutes", True
        if ended.returncode == 0:
            return f"passed in {took}" + ", some tests at the second attempt" * (attempt > 1), False
    return f"FAILED (exit {ended.returncode}) in {took}", True


if __name__ == "__main__":
    sys.exit(main())
