"""Corpora of OPUS: found, listed, fetched, mirrored, locked."""
