"""The registry of metrics."""

from nmt_ablation.registry import Registry
from nmt_ablation.scoring.metric import Metric

METRICS: Registry[Metric] = Registry(
    "metric",
    "nmt_ablation.metrics",
    {
        "bleu": "nmt_ablation.scoring.bleu:Bleu",
        "chrf": "nmt_ablation.scoring.chrf:Chrf",
        "chrf++": "nmt_ablation.scoring.chrf_plus_plus:ChrfPlusPlus",
        "ter": "nmt_ablation.scoring.ter:Ter",
        "command": "nmt_ablation.scoring.command:Command",
    },
)
"""The metrics that an experiment file may name."""
