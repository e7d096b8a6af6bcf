from nmt_ablation.foreign.bert import Bert


class Roberta(Bert):
    """RoBERTa and XLM-R (Conneau et al. 2020): BERT's function, with other numbers of positions."""

    prefixes = ("roberta.",)
    before_positions = 2
