"""Metrics behind one registry, paired tests of two systems, and scores on resamples."""
