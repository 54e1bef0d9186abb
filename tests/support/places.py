"""Where tests find the project, its golden cases, and the shared data that are not part of it."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / "bin"
GOLDEN = ROOT / "tests" / "golden"
SHARED = Path(os.environ.get("DARKREGULOME_SHARED") or ROOT.parent / "shared")
"""Absent on most machines: a test that needs it skips."""
