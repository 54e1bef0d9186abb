"""What is asked of edits, and which table it becomes: elements, variants, maps, logos; and embeddings."""
