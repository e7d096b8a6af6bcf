"""Somebody's model: brought here, read as data, and written into fairseq's own Transformer.

No code that comes with a model is ever run, and of a pickle nothing but tensors is read.
"""
