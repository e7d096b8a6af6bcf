"""Will pretrained embeddings help a translation model, at a given corpus size?"""

__version__ = "0.1.0"
