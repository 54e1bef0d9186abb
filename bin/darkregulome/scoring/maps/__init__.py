"""Dependency maps of many sequences: made on disk, read for blocks and stems, compared between models."""
