"""darkregulome: which part of an in-silico mutagenesis score is regulation, and which is predictability."""

__version__ = "0.1.0"
