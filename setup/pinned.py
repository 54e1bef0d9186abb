#!/usr/bin/env python3
"""Print what uv.lock pins of a package as a line that pip can read, with its hashes: `setup/pinned.py uv`."""

import sys
import tomllib
from pathlib import Path

LOCK = Path(__file__).resolve().parents[1] / "uv.lock"


def main(name: str) -> None:
    (package,) = (each for each in tomllib.loads(LOCK.read_text())["package"] if each["name"] == name)
    files = [*filter(None, [package.get("sdist")]), *package["wheels"]]
    print(f"{name}=={package['version']}", *(f"--hash={each['hash']}" for each in files))


if __name__ == "__main__":
    main(*sys.argv[1:])
