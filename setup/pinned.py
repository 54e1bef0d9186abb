#!/usr/bin/env python3
"""Print what uv.lock pins of a package as a line that pip can read, with its hashes: `setup/pinned.py uv`."""

import sys
import tomllib
from functools import cache
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "uv.lock"


@cache
def locked_packages() -> dict[str, dict]:
    """The packages of uv.lock by name; of several versions that of the oldest Python, which comes first."""
    packages: dict[str, dict] = {}
    for package in tomllib.loads(LOCK.read_text())["package"]:
        packages.setdefault(package["name"], package)
    return packages


def main(name: str) -> None:
    package = locked_packages()[name]
    files = [*filter(None, [package.get("sdist")]), *package["wheels"]]
    print(f"{name}=={package['version']}", *(f"--hash={each['hash']}" for each in files))


if __name__ == "__main__":
    main(*sys.argv[1:])
