"""The one engine for whoever edits sequence: windows, edits, the plan of passes, readouts, batches, cost."""
