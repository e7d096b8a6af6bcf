"""fairseq's Transformer: its weights, checkpoints, and a fast computation of its loss."""
