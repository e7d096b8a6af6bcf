"""The base of all tasks of ours: a session, and a state that outlives a stop."""

from typing import Any

from fairseq.tasks.translation import TranslationConfig, TranslationTask

from nmt_ablation.training.glue import session


class ResumableTask(TranslationTask):  # type: ignore[misc]
    """fairseq's translation task, with the plan and the state of the session that was begun last.

    The state has a number `too_long`, and methods `plain` and `restore`, by which it travels in the
    checkpoint.
    """

    def __init__(self, cfg: TranslationConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.session = session()
        self.plan: Any = self.session.plan
        self.training: Any = self.session.state

    def filter_indices_by_size(self, indices: Any, *arguments: Any, **options: Any) -> Any:
        """Filter examples as fairseq does, and count those that are too long for a batch or a
        model. fairseq tells this to its log only."""
        kept = super().filter_indices_by_size(indices, *arguments, **options)
        self.training.too_long = len(indices) - len(kept)
        return kept

    def can_reuse_epoch_itr(self, dataset: Any) -> bool:
        """Have fairseq draw the batches of each epoch again. It draws them by seed and epoch, but
        would reuse those of the first epoch it sees, which after a resumption is a later one."""
        return False

    def get_checkpoint_dict(self) -> dict[str, Any]:
        """Return the state that fairseq keeps in the checkpoint, for `set_checkpoint_dict`."""
        return {type(self).__name__: self.training.plain()}

    def set_checkpoint_dict(self, state: dict[str, Any]) -> None:
        self.training.restore(state)
