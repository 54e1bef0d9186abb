"""What a model holds of each base of a region: its prediction there, and what an edit does."""
