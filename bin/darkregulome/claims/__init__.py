"""Claims about scores: one file per claim, each of which ends in ``CLAIM = Claim(...)``; see `claims/claim.py`."""
