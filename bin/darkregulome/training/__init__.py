"""Small, real trainers: language models on a FASTA, a small Enformer on a FASTA and tracks."""
