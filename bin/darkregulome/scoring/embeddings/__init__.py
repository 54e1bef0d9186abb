"""Windows of a genome as points: embeddings by any model, their map, and their clusters against annotation."""
