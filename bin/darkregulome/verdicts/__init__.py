"""The second edition of the diagnostic: six words from a ladder of adjustments. See docs/verdicts.md."""
