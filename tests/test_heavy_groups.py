"""What CI runs after the demos: which heavy tests, and when it leaves them out."""

import importlib.util
import re
import sys
import time
from pathlib import Path

import pytest

from places import ROOT


@pytest.fixture(scope="module")
def heavy():
    spec = importlib.util.spec_from_file_location("heavy_tests", ROOT / "setup" / "heavy_tests.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["heavy_tests"] = module
    spec.loader.exec_module(module)
    return module


def run(heavy, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["heavy_tests.py", *words])
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the tests it runs here need none, and start sooner
    return heavy.main()


def test_every_heavy_test_is_in_one_group_and_all_of_them_fit_into_the_usual_time(heavy):
    files = {f"tests/{path.name}" for path in ROOT.glob("tests/test_*.py") if "mark.heavy" in path.read_text()}
    named = [word for group in heavy.GROUPS for word in group.words if re.fullmatch(r"tests/test_\w+\.py", word)]
    assert len(named) == len(set(named))
    assert set(named) <= files
    (others,) = (group for group in heavy.GROUPS if "tests" in group.words)
    assert {word for word in others.words if word != "tests"} == {f"--ignore={name}" for name in named}
    # After 20 minutes of tests and demos the last one must still be let in.
    assert 20 + sum(group.minutes for group in heavy.GROUPS) + others.minutes / 2 <= 60
    # Whatever is let in is over, or ended, in the 90 minutes that CI has.
    assert max(60 + 1.5 * group.minutes for group in heavy.GROUPS) < 90


def test_a_group_that_does_not_fit_or_lacks_something_is_left_out_with_the_reason(heavy, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr(heavy, "install", lambda packages: ran.append(packages))
    monkeypatch.setattr(heavy, "run", lambda group: (ran.append(group.name) or "passed", False))
    tests = (
        heavy.Group("long", 10, ("long",)),
        heavy.Group("lacking", 1, ("lacking",), ("no-such-program",), ("no-such-package",)),
        heavy.Group("large", 1, ("large",), free_gb=10**9),
        heavy.Group("short", 2, ("short",)),
    )
    monkeypatch.setattr(heavy, "GROUPS", tests)
    since = time.time() - 50 * 60
    assert run(heavy, monkeypatch, "--minutes", "60", "--since", str(since)) == 0
    assert ran == [("no-such-package",), "short"]
    said = capsys.readouterr().out
    assert "long: SKIPPED: it takes 10 minutes, and 10 are left" in said
    assert "lacking: SKIPPED: no-such-program not installed (Debian: apt-get install no-such-package)" in said
    assert f"large: SKIPPED: less than {10**9} GB of disk are free" in said


@pytest.mark.parametrize(("body", "status", "said"), [("pass", 0, "passed"), ("assert False", 1, "FAILED (exit 1)")])
def test_a_group_that_fails_fails_the_whole(heavy, monkeypatch, capfd, tmp_path: Path, body, status, said):
    (tmp_path / "test_one.py").write_text(f"import pytest\n\n@pytest.mark.heavy\ndef test_it():\n    {body}\n")
    words = (str(tmp_path), "-o", f"cache_dir={tmp_path / 'cache'}")
    monkeypatch.setattr(heavy, "GROUPS", (heavy.Group("one", 1, words), heavy.Group("two", 1, words)))
    assert run(heavy, monkeypatch, "--only", "one") == status
    assert f"heavy tests, one: {said} in" in capfd.readouterr().out


def test_what_fails_once_is_tried_again_and_told(heavy, monkeypatch, capfd, tmp_path: Path):
    (tmp_path / "test_one.py").write_text(
        "from pathlib import Path\nimport pytest\n\n"
        "@pytest.mark.heavy\ndef test_it():\n    seen = Path(__file__).with_name('seen')\n"
        "    before, _ = seen.exists(), seen.touch()\n    assert before\n"
    )
    group = heavy.Group("one", 1, (str(tmp_path), "-o", f"cache_dir={tmp_path / 'cache'}"))
    monkeypatch.setattr(heavy, "GROUPS", (group,))
    assert run(heavy, monkeypatch) == 0
    assert "some tests at the second attempt" in capfd.readouterr().out


def test_a_group_that_hangs_is_ended(heavy, monkeypatch, capfd, tmp_path: Path):
    (tmp_path / "test_one.py").write_text(
        "import time\nimport pytest\n\n@pytest.mark.heavy\ndef test_it():\n    time.sleep(60)\n"
    )
    group = heavy.Group("one", 2 / 180, (str(tmp_path), "-o", f"cache_dir={tmp_path}"))  # two seconds at most
    monkeypatch.setattr(heavy, "GROUPS", (group,))
    assert run(heavy, monkeypatch) == 1
    assert "one: FAILED: not finished" in capfd.readouterr().out
