"""What holds for all tests: the order in which files are begun, examples of Hypothesis, the cache of numba."""

import hashlib
import os

import hypothesis
import pytest

import toy
from places import BIN, ROOT

# Two test processes on two cores: threads of their own would only wait for each other. Set before OpenMP is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Compiled functions are shared between test processes, as long as no file of the folder that holds them changes.
_sources = sorted((BIN / "darkregulome" / "stats").rglob("*.py"))
_digest = hashlib.sha256(b"".join(path.read_bytes() for path in _sources)).hexdigest()[:16]
os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "numba" / _digest))

# The same examples each time; and no deadline, which a busy machine misses whatever the code does.
hypothesis.settings.register_profile("always_the_same", deadline=None, derandomize=True)
hypothesis.settings.load_profile("always_the_same")


@pytest.fixture(scope="session")
def genome(tmp_path_factory):
    """The files of the toy genome, by name; no test changes them."""
    return toy.write_toy_genome(tmp_path_factory.mktemp("genome"))


@pytest.fixture(scope="session")
def reference(genome):
    """The sequence of the toy genome."""
    from darkregulome.genome.reference import Reference

    with Reference(genome["fasta"]) as opened:
        yield opened


@pytest.fixture(scope="session")
def diagnosed():
    """A whole diagnosis of a small table; no test changes it."""
    from example_diagnosis import example_diagnosis

    return example_diagnosis()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with real runs of Nextflow first, as they take longest: of two workers none is left with one at the end.

    pytest-xdist keeps this order by --no-loadscope-reorder. The order within a file stays.
    """
    real = {item.path for item in items if item.get_closest_marker("pipeline")}
    items.sort(key=lambda item: item.path not in real)
