"""Files in and out: schemas, tables, atomic writes, provenance. Knows nothing of genomes."""
