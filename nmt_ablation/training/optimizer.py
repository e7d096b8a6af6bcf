"""fairseq's Adam in torch's fused form, with a learning rate for each way of tuning."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from fairseq.optim import register_optimizer
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from torch import Tensor, nn

from nmt_ablation.training.collective import mean
from nmt_ablation.transfer.tuning import Tuned

# torch's own step without its wrapper, which imports torch's compiler: as slow as the import of all
# else of torch.
_STEP = inspect.unwrap(torch.optim.AdamW.step)


@register_optimizer("fused_adam", dataclass=FairseqAdamConfig)
class FusedAdam(FairseqAdam):  # type: ignore[misc]
    """AdamW in one pass over the weights, where fairseq's takes eight.

    Weights that are tuned alike (their attribute `tuned`) form a parameter group of torch's; all
    other weights form one more. Gradients are clipped separately for each model of a stack.
    """

    def __init__(self, cfg: FairseqAdamConfig, parameters: Iterable[nn.Parameter]) -> None:
        _keep_compiler_out()
        weights = list(parameters)
        super().__init__(cfg, weights)
        of_tuning: dict[Tuned | None, list[nn.Parameter]] = defaultdict(list)
        for weight in weights:
            of_tuning[getattr(weight, "tuned", None)].append(weight)
        groups = [{"params": group} for group in of_tuning.values()]
        self.tuned = list(of_tuning)
        """The tuning of each parameter group; None for weights that learn as usual."""
        self._optimizer = torch.optim.AdamW(groups, fused=True, **self.optimizer_config)
        self.rate: float = self.optimizer_config["lr"]
        """The learning rate of weights that learn as usual."""
        self.factor = 1.0
        self.on_broken: Callable[[int], None] = lambda number: None
        """A callback for a model whose gradient is not finite and was discarded, by its number."""

    def get_lr(self) -> float:
        return self.rate

    def set_lr(self, lr: float) -> None:
        self.rate = lr
        super().set_lr(lr)

    def tune(self, update: int) -> None:
        """Set the learning rate of each group for the next update.

        A weight whose multiplier is 0 loses its gradient, so that Adam neither changes the weight
        nor keeps moments for it.

        Args:
            update: the number of updates done so far.
        """
        for group, tuned in zip(self.param_groups, self.tuned, strict=True):
            if tuned is not None:
                multiplier = tuned.multiplier(update)
                group["lr"] = self.rate * multiplier
                if multiplier == 0:
                    for weight in group["params"]:
                        weight.grad = None

    def step(self, closure: Any = None, scale: float = 1.0, groups: Any = None) -> None:
        with torch.no_grad():
            _STEP(self.optimizer)

    def all_reduce_grads(self, module: nn.Module) -> None:
        """Average gradients over all processes. fairseq's own function would give a gradient to
        weights that have none, and so start their moments."""
        mean([weight.grad for weight in self.params if weight.grad is not None])

    def multiply_grads(self, c: Any) -> None:
        """Keep a factor for `clip_grad_norm`, which the trainer calls next; this saves a pass."""
        self.factor *= float(c)

    def clip_grad_norm(self, max_norm: float, aggregate_norm_fn: Any = None) -> Tensor:
        """Clip the gradient of each model; return the norm over all models."""
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
                self.on_broken(number)
        whole: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return whole


def _keep_compiler_out() -> None:
    """Have torch's optimizers not import its compiler, by which they would mark their methods as
    not to be compiled."""
    for method in vars(torch.optim.Optimizer).values():
        if (unmarked := getattr(method, "__wrapped__", None)) is not None:
            unmarked.__dynamo_disable = unmarked
