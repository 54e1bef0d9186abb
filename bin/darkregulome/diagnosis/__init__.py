"""Joins tables to statistics: diagnose, decompose, cross-check. No arguments are parsed here and nothing is drawn."""
