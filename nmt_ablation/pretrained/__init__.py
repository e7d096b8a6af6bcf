"""Everything learned from other data than the sample: vectors of words or tokens, and networks."""
