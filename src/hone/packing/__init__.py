"""Batches without padding: between embeddings and head, the layers see real tokens alone, end to end."""
