"""Claims on the ladder, one file each, ending in ``CLAIM = Claim(...)``."""
