"""fairseq's Transformer at the machine's speed: the same function of the same weights.

fairseq's modules hold the weights and write the checkpoints. This module computes their loss faster
than they do:

- sentences are packed, so that padding costs nothing outside of attention;
- batches are rounded up to few shapes, for each of which matrix products are prepared once;
- matrix products are in bfloat16 if asked for, and each weight is cast once an update;
- dropout draws 16 bits for each number, where torch draws a double, and attention's softmax is in
  float32, where torch is fastest;
- the loss and its gradient with respect to the logits come from one pass over blocks that stay in
  the cache, where automatic differentiation takes ten passes over tokens x dictionary.

Models of one shape are computed together as a stack: tensors then have the models as their first
dimension, written as `...` below. Dropout is the same in all models of a stack.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from nmt_ablation.model.parts import Sees

BLOCK_BYTES = {"cpu": 1 << 20, "cuda": 256 << 20}
"""Bytes of logits in one block of the loss: as many as fit into a core's cache, or keep a GPU
busy."""

ALIGNED = 16
"""The multiple that the dictionary is padded to; with other sizes, products are slower by a
fifth."""

ROUNDED = {"sentences": 8, "length": 4, "tokens": 32}
"""Multiples that small batches are rounded up to. For each new shape, torch's matrix library
generates code, which takes as long as the product; and hardly two batches have equally many
tokens."""

OUT_OF_SIGHT = -1e4
"""The score of a masked position, added or put in place; its exp is 0 in every type."""


def losses(
    models: Sequence[nn.Module],
    source: Tensor,
    previous: Tensor,
    target: Tensor,
    padding: int,
    smoothing: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Return the label-smoothed cross-entropy and the negative log-likelihood, summed over all
    target tokens, in nats.

    Models learn by the first, which is as fairseq defines it. The second has no gradient.

    Args:
        models: fairseq Transformers of one shape.
        source: indices of tokens (sentences x length), padded anywhere.
        previous: indices of the target tokens (sentences x length), each at the position where the
            next one is predicted; padded at the end.
        target: indices of the tokens to predict (sentences x length).
        smoothing: the share of probability that is spread over all tokens.
        dtype: the type of matrix products; sums are in float32.

    Returns:
        two tensors with a number for each model.
    """
    stack = _Stack(models, dtype)
    sources, targets = _Packed(source, padding), _Packed(previous, padding)
    states = stack.decode(targets, sources, stack.encode(sources))
    return stack.losses(states, stack.output(), target[previous != padding], smoothing)


def objective_loss(
    model: nn.Module,
    source: Tensor | None,
    previous: Tensor | None,
    target: Tensor,
    padding: int,
    dtype: torch.dtype,
    sees: Sees = "all",
) -> Tensor:
    """Return the negative log-likelihood of target tokens, summed, in nats.

    The encoder alone predicts with its own embeddings as the output layer, the decoder with the
    model's output layer.

    Args:
        model: a fairseq Transformer.
        source: indices of the encoder's tokens (sentences x length), or None to leave it out.
        previous: indices of the decoder's tokens (sentences x length), or None to leave it out. A
            decoder without an encoder has no cross-attention.
        target: indices of the tokens to predict, each at the position of the decoder, or else of
            the encoder, that predicts it; padding where nothing is predicted.
        dtype: the type of matrix products; sums are in float32.
        sees: the positions that the encoder's attend to.
    """
    stack = _Stack([model], dtype)
    encoder = None if source is None else _Packed(source, padding)
    decoder = None if previous is None else _Packed(previous, padding)
    memory = None if encoder is None else stack.encode(encoder, sees)
    if decoder is not None:
        states, packed, output = stack.decode(decoder, encoder, memory), decoder, stack.output()
    else:
        assert encoder is not None and memory is not None, "an objective needs a stack"
        states, packed = memory, encoder
        output = stack.weights([[one.encoder.embed_tokens.weight] for one in stack.models])
    wanted = packed.pack(target)
    predicted = (wanted != padding).nonzero().squeeze(1)
    # Filled up with any other states, so that few different shapes occur.
    filled = F.pad(predicted, (0, _rounded(len(predicted), "tokens") - len(predicted)))
    return stack.losses(states[filled], output, wanted[predicted], 0.0)[0]


def divergence(
    model: nn.Module,
    sources: tuple[Tensor, Tensor],
    previous: Tensor,
    target: Tensor,
    padding: int,
    dtype: torch.dtype,
) -> Tensor:
    """Return the divergence (Kullback and Leibler) of predictions from one source from those from
    another, summed over target tokens, in nats.

    Args:
        model: a fairseq Transformer.
        sources: indices of the encoder's tokens (sentences x length each). Predictions from the
            first have no dropout and get no gradient; those from the second learn.
        previous: indices of the decoder's tokens (sentences x length).
        target: indices of the predicted tokens (sentences x length); padding where none counts.
        dtype: the type of matrix products; sums are in float32.
    """
    packed = _Packed(previous, padding)
    counts = (packed.pack(target) != padding).nonzero().squeeze(1)

    def predictions(source: Tensor, stack: _Stack) -> Tensor:
        encoder = _Packed(source, padding)
        states = stack.decode(packed, encoder, stack.encode(encoder))
        products = states[counts].to(dtype) @ stack.output().to(dtype).T
        return F.log_softmax(products.float() if dtype == torch.bfloat16 else products, 1)

    with torch.no_grad():
        wanted = predictions(sources[0], _Stack([model], dtype, dropout=0.0))
    found = predictions(sources[1], _Stack([model], dtype))
    return F.kl_div(found, wanted, reduction="sum", log_target=True)


def layer_states(
    stack: Any, tokens: Tensor, padding: int, dtype: torch.dtype, sees: Sees
) -> Tensor:
    """Return the states of a stack's embeddings and layers, without cross-attention: layers x
    sentences x length x dimension.

    Args:
        stack: fairseq's encoder or decoder.
        tokens: indices of tokens (sentences x length), padded anywhere.
        dtype: the type of matrix products; sums are in float32.
        sees: the positions that a position attends to.
    """
    packed, one = _Packed(tokens, padding), _Stack([], dtype, _rate(stack))
    states = torch.stack(list(one.states([stack], packed, packed.unseen_by(sees))))
    sentences, length = tokens.shape
    return packed.pad(states)[:, :sentences, :length]


def sentence_vectors(model: nn.Module, tokens: Tensor, padding: int, dtype: torch.dtype) -> Tensor:
    """Return the direction of the mean of each sentence's encoder states (sentences x dimension, of
    length 1, in float32).

    Args:
        model: a fairseq Transformer.
        tokens: indices of tokens (sentences x length), padded at the end.
        dtype: the type of matrix products; sums are in float32.
    """
    packed = _Packed(tokens, padding)
    sentences, length = tokens.shape
    states = packed.pad(_Stack([model], dtype).encode(packed))[:sentences, :length].float()
    there = (tokens != padding).unsqueeze(2)
    return F.normalize((states * there).sum(1), dim=1)


class _Packed:
    """The tokens of a padded batch in one row, some padding behind them, and the way back to
    sentences."""

    def __init__(self, tokens: Tensor, padding: int) -> None:
        sentences, length = tokens.shape
        columns, rows = _rounded(length, "length"), _rounded(sentences, "sentences")
        tokens = F.pad(tokens, (0, columns - length, 0, rows - sentences), value=padding)
        there = tokens != padding
        self.tokens = tokens
        """All tokens, with padding: sentences x length."""
        self.sentences, self.length = tokens.shape
        # Stable: tokens keep their order, and padding follows.
        in_order = (~there).flatten().to(torch.uint8).argsort(stable=True)
        count = int(there.sum())
        self.where = in_order[: _rounded(count, "tokens")]
        self.indices = tokens.flatten()[self.where]
        self.positions = (there.cumsum(1) - 1).flatten()[self.where]
        unseen = torch.zeros(there.shape, device=tokens.device)
        self.unseen = unseen.masked_fill_(~there, OUT_OF_SIGHT)[:, None, None, :]
        """A mask to add to attention scores: sentences x 1 x 1 x length."""
        # Padding follows all tokens, so the causal mask hides it.
        later = torch.full((self.length, self.length), OUT_OF_SIGHT, device=tokens.device)
        self.unseen_later = later.triu_(1)
        self.beside: Tensor | None = None
        """The features that every layer attends to beside its own attention, packed."""
        self._added, self._padding = (0, columns - length, 0, rows - sentences), padding

    def pack(self, other: Tensor) -> Tensor:
        """Pack other indices of the same shape: sentences x length to tokens."""
        return F.pad(other, self._added, value=self._padding).flatten()[self.where]

    def unseen_by(self, sees: Sees) -> Tensor:
        """Return the mask to add to attention scores between positions."""
        if sees == "earlier":
            return self.unseen_later
        return self.unseen + self.unseen_later.mT if sees == "later" else self.unseen

    def pad(self, x: Tensor) -> Tensor:
        """Reshape ... x tokens x dimension to ... x sentences x length x dimension."""
        x = _apply(_Pad, x, self.where, self.sentences * self.length)
        return _split(x, -2, self.sentences)

    def unpad(self, x: Tensor) -> Tensor:
        """Reshape ... x sentences x length x dimension to ... x tokens x dimension."""
        unpadded: Tensor = _apply(_Unpad, x.flatten(-3, -2), self.where)
        return unpadded


class _Stack:
    """Models of one shape, computed together."""

    def __init__(
        self, models: Sequence[Any], dtype: torch.dtype, dropout: float | None = None
    ) -> None:
        self.models, self.dtype = models, dtype
        self.dropout = _rate(models[0].encoder) if dropout is None else dropout

    def encode(self, tokens: _Packed, sees: Sees = "all") -> Tensor:
        stacks = [model.encoder for model in self.models]
        *_, x = self.states(stacks, tokens, tokens.unseen_by(sees))
        return self._last_norm(x, stacks)

    def states(self, stacks: Sequence[Any], tokens: _Packed, unseen: Tensor) -> Iterator[Tensor]:
        """Yield the states of embeddings and of each layer, without cross-attention."""
        x = self._embed(stacks, tokens)
        yield x
        for layers in zip(*(stack.layers for stack in stacks), strict=True):
            x = self._self_attention(x, layers, tokens, unseen)
            x = self._feed_forward(x, layers)
            yield x

    def decode(self, tokens: _Packed, sources: _Packed | None, memory: Tensor | None) -> Tensor:
        stacks = [model.decoder for model in self.models]
        x = self._embed(stacks, tokens)
        for layers in zip(*(stack.layers for stack in stacks), strict=True):
            x = self._self_attention(x, layers, tokens, tokens.unseen_later)
            if sources is not None and memory is not None:
                x = self._cross_attention(x, layers, tokens, sources, memory)
            x = self._feed_forward(x, layers)
        return self._last_norm(x, stacks)

    def output(self) -> Tensor:
        """Return the weights of the output layer."""
        return self.weights([[model.decoder.output_projection.weight] for model in self.models])

    def losses(
        self, states: Tensor, output: Tensor, target: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        """Return the label-smoothed and the plain cross-entropy, a number for each model."""
        sums: tuple[Tensor, Tensor] = _apply(_SmoothedLoss, states, output, target, smoothing)
        return sums[0].reshape(-1), sums[1].reshape(-1)

    def weights(self, of_models: Sequence[Sequence[Tensor]]) -> Tensor:
        """Stack each model's weight, in the type of matrix products. Several weights of a model are
        concatenated first."""
        joined = [torch.cat(list(own)) if len(own) > 1 else own[0] for own in of_models]
        return _stacked(joined).to(self.dtype)

    def _embed(self, stacks: Sequence[Any], tokens: _Packed) -> Tensor:
        tables = [stack.embed_tokens for stack in stacks]
        found = [self._rows(table, tokens) for table in tables]
        positions = self._positions([stack.embed_positions for stack in stacks], tokens)
        x = torch.add(positions, _stacked(found), alpha=stacks[0].embed_scale)
        if stacks[0].layernorm_embedding is not None:
            x = self._exact_norm(x, [stack.layernorm_embedding for stack in stacks])
        return self._drop(x)

    def _positions(self, tables: Sequence[Any], tokens: _Packed) -> Tensor:
        """Return the embeddings of positions, learned or sinusoids."""
        first = tables[0]
        at = tokens.positions + first.padding_idx + 1
        if isinstance(first, nn.Embedding):
            # Features of a longer sentence than the network has read: its last position repeats.
            at = at.clamp(max=first.num_embeddings - 1)
            return _stacked([F.embedding(at, it.weight, first.padding_idx) for it in tables])
        first(torch.ones(1, int(tokens.length), device=tokens.indices.device))  # fills its weights
        found: Tensor = first.weights[at]
        return found

    def _rows(self, table: Any, tokens: _Packed) -> Tensor:
        """Return the embeddings of tokens, with the features that feed them."""
        own = F.embedding(tokens.indices, table.weight, table.padding_idx)
        if (features := getattr(table, "features", None)) is None:
            return own
        states = tokens.unpad(features(tokens.tokens, self.dtype))
        if features.fed.fused:
            assert len(self.models) <= 1, "fused models are computed alone"
            tokens.beside = states
            return own
        fed: Tensor = table.fed(own, states)
        return fed

    def _self_attention(
        self, x: Tensor, layers: Sequence[Any], tokens: _Packed, unseen: Tensor
    ) -> Tensor:
        attention = [layer.self_attn for layer in layers]
        norms = [layer.self_attn_layer_norm for layer in layers]
        h = self._norm(x, norms) if layers[0].normalize_before else x.to(self.dtype)
        joined = self._linear(h, [(a.q_proj, a.k_proj, a.v_proj) for a in attention])
        query, key, value = tokens.pad(joined).chunk(3, dim=-1)
        change = self._attend(query, key, value, unseen, attention, tokens)
        x = self._add(x, self._fused(change, h, attention, tokens, tokens))
        return x if layers[0].normalize_before else self._exact_norm(x, norms)

    def _cross_attention(
        self, x: Tensor, layers: Sequence[Any], tokens: _Packed, sources: _Packed, memory: Tensor
    ) -> Tensor:
        attention = [layer.encoder_attn for layer in layers]
        norms = [layer.encoder_attn_layer_norm for layer in layers]
        h = self._norm(x, norms) if layers[0].normalize_before else x.to(self.dtype)
        query = tokens.pad(self._linear(h, [(a.q_proj,) for a in attention]))
        joined = self._linear(memory, [(a.k_proj, a.v_proj) for a in attention])
        key, value = sources.pad(joined).chunk(2, dim=-1)
        change = self._attend(query, key, value, sources.unseen, attention, tokens)
        x = self._add(x, self._fused(change, h, attention, tokens, sources))
        return x if layers[0].normalize_before else self._exact_norm(x, norms)

    def _fused(
        self,
        change: Tensor,
        h: Tensor,
        attention: Sequence[Any],
        tokens: _Packed,
        sources: _Packed,
    ) -> Tensor:
        """Return attention's output with its share of attention to features, if there are some."""
        if sources.beside is None:
            return change
        (own,) = attention
        query = tokens.pad(self._linear(h, [(own.other.q_proj,)]))
        of_fed = self._linear(sources.beside.to(self.dtype), [(own.other.k_proj, own.other.v_proj)])
        key, value = sources.pad(of_fed).chunk(2, dim=-1)
        other = self._attend(query, key, value, sources.unseen, [own.other], tokens)
        first, second = own.shares
        mean: Tensor = first * change + second * other
        return mean

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        unseen: Tensor,
        attention: Sequence[Any],
        tokens: _Packed,
    ) -> Tensor:
        """Return attention's output. Query, key and value are padded."""
        heads = attention[0].num_heads
        query, key, value = (
            _split(part, -1, heads).transpose(-2, -3) for part in (query, key, value)
        )
        # Plain products: for sequences as short as sentences, blocked attention is slower.
        scores = torch.matmul(query * attention[0].scaling, key.mT)
        # In float32, the type of `unseen`: in bfloat16 softmax is less exact and far slower.
        weights = torch.softmax(scores + unseen, dim=-1).to(value.dtype)
        found = torch.matmul(weights, value)
        packed = tokens.unpad(found.transpose(-2, -3).flatten(-2))
        return self._linear(packed, [(a.out_proj,) for a in attention])

    def _feed_forward(self, x: Tensor, layers: Sequence[Any]) -> Tensor:
        norms = [layer.final_layer_norm for layer in layers]
        h = self._norm(x, norms) if layers[0].normalize_before else x.to(self.dtype)
        h = layers[0].activation_fn(self._linear(h, [(layer.fc1,) for layer in layers]))
        x = self._add(x, self._linear(h, [(layer.fc2,) for layer in layers]))
        return x if layers[0].normalize_before else self._exact_norm(x, norms)

    def _linear(self, x: Tensor, of_models: Sequence[Sequence[nn.Linear]]) -> Tensor:
        """Apply linear layers to the same input, and concatenate each model's outputs."""
        weight = self.weights([[layer.weight for layer in layers] for layers in of_models])
        bias = self.weights([[layer.bias for layer in layers] for layers in of_models])
        if weight.dim() == 2:
            return F.linear(x, weight, bias)
        return torch.baddbmm(bias.unsqueeze(-2), x, weight.mT)

    def _last_norm(self, x: Tensor, stacks: Sequence[Any]) -> Tensor:
        """Apply the norm of a stack's states, if it has one: norms behind sublayers leave none."""
        if stacks[0].layer_norm is None:
            return x.to(self.dtype)
        return self._norm(x, [stack.layer_norm for stack in stacks])

    def _norm(self, x: Tensor, norms: Sequence[nn.LayerNorm]) -> Tensor:
        """Apply a norm, for matrix products."""
        return self._exact_norm(x, norms).to(self.dtype)

    def _exact_norm(self, x: Tensor, norms: Sequence[nn.LayerNorm]) -> Tensor:
        """Apply a norm, for what sublayers are added to."""
        shape, epsilon = norms[0].normalized_shape, norms[0].eps
        if len(norms) == 1:
            return F.layer_norm(x, shape, norms[0].weight, norms[0].bias, epsilon)
        weight, bias = (_stacked([getattr(n, name) for n in norms]) for name in ("weight", "bias"))
        plain = F.layer_norm(x, shape, eps=epsilon)
        return torch.addcmul(bias.unsqueeze(-2), plain, weight.unsqueeze(-2))

    def _drop(self, x: Tensor) -> Tensor:
        return x * _dropout(x, self.dropout) if self.dropout else x

    def _add(self, x: Tensor, change: Tensor) -> Tensor:
        if not self.dropout:
            return x + change
        return torch.addcmul(x, change.to(x.dtype), _dropout(x, self.dropout))


def _rate(stack: Any) -> float:
    """Return the rate of dropout of fairseq's encoder or decoder: 0 unless it is training."""
    return float(stack.dropout_module.p) if stack.training else 0.0


def _rounded(number: int, of: str) -> int:
    """Round a number up, so that few different shapes occur: by a sixteenth at most, or to the next
    multiple of `ROUNDED[of]`."""
    step = max(ROUNDED[of], 1 << max(0, number.bit_length() - 5))
    return number + -number % step


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    return function.apply(*arguments)  # type: ignore[no-untyped-call]


def _split(x: Tensor, dimension: int, parts: int) -> Tensor:
    """Split a dimension into two: parts x the rest."""
    split: Tensor = x.unflatten(dimension, (parts, -1))  # type: ignore[no-untyped-call]
    return split


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.stack(list(tensors))


def _dropout(x: Tensor, rate: float) -> Tensor:
    """Draw dropout's factors for ... x tokens x dimension: 0 or 1 / (1 - rate), tokens x
    dimension."""
    shape = x.shape[-2:]
    if x.device.type != "cpu":
        return (
            torch.empty(shape, dtype=x.dtype, device=x.device).bernoulli_(1 - rate).div_(1 - rate)
        )
    count = math.prod(shape)
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    least = round(rate * 2**16) - 2**15
    factors = torch.empty(shape, dtype=x.dtype)
    torch.ge(drawn.view(torch.int16)[:count].view(shape), least, out=factors)
    return factors.mul_(1 / (1 - rate))


class _Pad(torch.autograd.Function):
    """A scatter of ... x tokens x dimension into ... x rows x dimension, with zeros for padding."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, where: Tensor, rows: int) -> Tensor:
        ctx.where = where
        return x.new_zeros(*x.shape[:-2], rows, x.shape[-1]).index_copy_(-2, where, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return gradients[0].index_select(-2, ctx.where), None, None


class _Unpad(torch.autograd.Function):
    """The inverse of `_Pad`: a gather of the tokens."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, where: Tensor) -> Tensor:
        ctx.where, ctx.rows = where, x.shape[-2]
        return x.index_select(-2, where)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        padded = gradient.new_zeros(*gradient.shape[:-2], ctx.rows, gradient.shape[-1])
        return padded.index_copy_(-2, ctx.where, gradient), None


class _SmoothedLoss(torch.autograd.Function):
    """Label-smoothed and plain cross-entropy of states under an output layer, summed over tokens.

    States beyond the target's tokens are padding, and don't count. The forward pass overwrites the
    logits with their gradient, block by block.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, target: Tensor, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        size = weight.shape[-2]
        weight = F.pad(weight, (0, 0, 0, -size % ALIGNED))
        logits = torch.matmul(states, weight.mT)
        logits[..., size:] = OUT_OF_SIGHT
        tokens = len(target)
        others = smoothing / (size - 1)  # the share of each wrong token
        exact = torch.promote_types(logits.dtype, torch.float32)
        # The sum of a token's logits, without a pass over them.
        sums = torch.matmul(states.to(exact), weight.sum(-2, dtype=exact).unsqueeze(-1)).squeeze(-1)
        smoothed = logits.new_zeros(logits.shape[:-2], dtype=exact)
        plain = torch.zeros_like(smoothed)
        row = logits.element_size() * logits.numel() // logits.shape[-2]
        step = max(1, BLOCK_BYTES[logits.device.type] // row)
        for start in range(0, tokens, step):
            end = min(start + step, tokens)
            block = logits[..., start:end, :]
            right = target[start:end, None].expand(*block.shape[:-1], 1)
            probability = torch.softmax(block, -1)
            own = probability.gather(-1, right).to(exact).clamp_(torch.finfo(exact).tiny).log_()
            total = block.gather(-1, right).to(exact) - own
            lost = -own.sum((-1, -2))
            plain += lost
            smoothed += (1 - smoothing - others) * lost
            smoothed += others * (size * total.squeeze(-1) - sums[..., start:end]).sum(-1)
            gradient = probability.sub_(others)
            change = torch.full_like(right, smoothing + others - 1, dtype=block.dtype)
            block.copy_(gradient.scatter_add_(-1, right, change))
        logits[..., size:] = 0
        logits[..., tokens:, :] = 0
        ctx.save_for_backward(states, weight, logits)
        ctx.size = size
        ctx.mark_non_differentiable(plain)
        return smoothed, plain

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        states, weight, by_logits = ctx.saved_tensors
        by_loss = gradients[0].to(states.dtype)[..., None, None]
        by_states = torch.matmul(by_logits, weight).mul_(by_loss)
        by_weight = torch.matmul(by_logits.mT, states).mul_(by_loss)
        return by_states, by_weight[..., : ctx.size, :], None, None
