"""Scores of other tools, as elements and RIS: one file a format, each with the layout that it takes."""
