"""Effects of variants: records read, judged, placed in windows, scored by any model, written back in order."""
