"""Pretrained things, learned from other data than the sample: vectors, and networks."""
