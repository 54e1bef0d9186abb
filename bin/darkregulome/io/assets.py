"""Where the files of `assets/` are: registry, class map, shipped models."""

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def find_asset(name: str) -> Path:
    """Path of a file of `assets/`: the checkout's, or the package data of the installation.

    A task on another machine may get `bin/` alone; there the installation is that of the container.
    """
    in_checkout = PACKAGE.parents[1] / "assets"
    return (in_checkout if in_checkout.is_dir() else _installed()) / name


def _installed() -> Path:
    try:
        return Path(str(distribution("darkregulome").locate_file("darkregulome/assets")))
    except PackageNotFoundError:
        return PACKAGE / "assets"
