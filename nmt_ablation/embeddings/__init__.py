"""Vectors: trained or read, then placed on the rows of a dictionary."""
