"""fairseq's trainer, and the plug-in that gives it arms."""

import logging

# Says at each import that tensorboardX is missing, which nothing here needs.
logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)
