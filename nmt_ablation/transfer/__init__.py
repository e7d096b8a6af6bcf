"""An arm's only code: from a pretrained thing to a model that starts from it and is tuned."""
