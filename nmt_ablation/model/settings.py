"""fairseq's settings of an architecture."""

from typing import get_args

from nmt_ablation.model.config import LEARNED_POSITIONS, STYLES, Model, StackName


def settings_of(model: Model) -> dict[str, str | int | float | bool]:
    """Return fairseq's settings of a model's architecture, by their names in its Transformer."""
    style = STYLES[model.style]
    found: dict[str, str | int | float | bool] = {
        "dropout": model.dropout,
        "activation_fn": style.activation,
        "layernorm_embedding": style.embedding_norm,
        "no_scale_embedding": not style.scaled,
    }
    layers = {"encoder": model.encoder_layers, "decoder": model.decoder_layers}
    for stack in get_args(StackName):
        found |= {
            f"{stack}_layers": layers[stack],
            f"{stack}_embed_dim": model.dimension,
            f"{stack}_ffn_embed_dim": model.feed_forward,
            f"{stack}_attention_heads": model.heads,
            f"{stack}_normalize_before": stack not in style.norm_last,
            f"{stack}_learned_pos": stack in style.learned_positions,
        }
    if style.learned_positions:
        found |= {f"max_{side}_positions": LEARNED_POSITIONS for side in ("source", "target")}
    return found
