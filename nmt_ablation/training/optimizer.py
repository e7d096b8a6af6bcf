"""fairseq's Adam in torch's fused form, with gradients clipped for each model of a stack alone."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from fairseq.optim import register_optimizer
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from torch import Tensor, nn

from nmt_ablation.training.collective import mean


@register_optimizer("fused_adam", dataclass=FairseqAdamConfig)
class FusedAdam(FairseqAdam):  # type: ignore[misc]
    """One pass over the weights where fairseq's Adam takes eight."""

    on_broken: ClassVar[Callable[[int], None]] = staticmethod(lambda number: None)
    """Called with the number of a model whose gradient is no number, and which is left alone."""

    def __init__(self, cfg: FairseqAdamConfig, parameters: Iterable[nn.Parameter]) -> None:
        weights = list(parameters)
        super().__init__(cfg, weights)
        self._optimizer = torch.optim.AdamW(weights, fused=True, **self.optimizer_config)
        self.factor = 1.0

    def all_reduce_grads(self, module: nn.Module) -> None:
        """Average over all processes, where there are several. fairseq's own way would give a
        gradient to weights that have none, and so start their moments."""
        mean([weight.grad for weight in self.params if weight.grad is not None])

    def multiply_grads(self, c: Any) -> None:
        """Remembered until `clip_grad_norm`, which the trainer calls next: one pass less."""
        self.factor *= float(c)

    def clip_grad_norm(self, max_norm: float, aggregate_norm_fn: Any = None) -> Tensor:
        """Clip the gradient of each model; return the norm over all of them."""
        of_models = defaultdict(list)
        for weight in self.params:
            if weight.grad is not None:
                of_models[getattr(weight, "model_number", 0)].append(weight)
        factor, self.factor = self.factor, 1.0
        norms = [torch.tensor(0.0)]
        for number, weights in of_models.items():
            gradients = [weight.grad for weight in weights]
            norm = nn.utils.get_total_norm(gradients) * factor
            if torch.isfinite(norm):
                norms.append(norm.cpu())
                clip = torch.clamp(max_norm / norm, max=1.0) if max_norm else 1.0
                torch._foreach_mul_(gradients, factor * clip)
            else:
                for weight in weights:
                    weight.grad = None
                type(self).on_broken(number)
        whole: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return whole
