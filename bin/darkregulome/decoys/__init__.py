"""Decoys: sequences drawn to stand in the place of an element, and what they say of it."""
