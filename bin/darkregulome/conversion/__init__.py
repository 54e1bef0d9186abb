"""Scores of other tools, as elements and RIS: one file per format, each with the layout that it takes."""
