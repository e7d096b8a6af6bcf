"""Text on disk: read, cleaned, held out, pooled, sampled."""
