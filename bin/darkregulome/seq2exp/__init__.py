"""Seq2Exp: masks of regulatory elements, learnt from gene expression (Su et al. 2025, arXiv:2502.13991)."""
