"""The dual encoder that everything above works with: pictures and texts into one space."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxtyping import Float, Int
from torch import Tensor, nn

from samekind.clip.text import TextTower
from samekind.clip.tokenizer import TextTokenizer
from samekind.images.preprocess import Preprocess


class ImageFeatures(NamedTuple):
    """What the visual tower says about pictures; neither part is normalised."""

    tokens: Float[Tensor, "b n d"]
    pooled: Float[Tensor, "b e"]


class TokenBatch(NamedTuple):
    """Token ids, and the position that each text's vector is read from."""

    ids: Int[Tensor, "b l"]
    end: Int[Tensor, " b"]


class DualEncoder(nn.Module):
    """A visual and a text tower with what belongs to them: preprocessing, tokenizer, configuration.

    `name` is for people; `source` is what `load_encoder` was given, folders made absolute. `sha256` covers everything
    that a vector depends on but the preprocessing (configuration, weights, tokenizer); empty for an encoder that was
    never on disk. `revision` is the commit of a hub checkpoint. `config` is the checkpoint's config.json.
    """

    name: str
    source: str
    sha256: str
    revision: str | None

    def __init__(
        self,
        vision_model: nn.Module,
        text_model: TextTower,
        tokenizer: TextTokenizer,
        preprocess: Preprocess,
        *,
        config: Mapping[str, Any],
        token_dim: int,
        logit_scale: Float[Tensor, "..."],
        logit_bias: Float[Tensor, "..."] | None = None,
    ) -> None:
        super().__init__()
        self.vision_model = vision_model
        self.text_model = text_model
        self.tokenizer = tokenizer
        self.preprocess = preprocess
        self.config = dict(config)
        self.token_dim = token_dim
        # The natural logarithm of the factor on cosines, as in the checkpoints: logits = cosine * exp(logit_scale).
        self.logit_scale = nn.Parameter(logit_scale)
        self.logit_bias = None if logit_bias is None else nn.Parameter(logit_bias)
        self.name, self.source, self.sha256, self.revision = "unnamed", "", "", None

    @property
    def dim(self) -> int:
        """Dimension e of the joint space."""
        return self.text_model.config.projection_dim

    @property
    def text_width(self) -> int:
        """Dimension w of a token embedding."""
        return self.text_model.config.hidden_size

    @property
    def context(self) -> int:
        """The most tokens that a text may have, start and end included."""
        return self.text_model.config.max_position_embeddings

    def image(self, pixels: Float[Tensor, "b 3 h w"]) -> ImageFeatures:
        """Features of pictures that are normalised by the preprocessing's mean and std; gradients flow."""
        return ImageFeatures(*self.vision_model(pixels))

    def tokenize(self, texts: Sequence[str]) -> TokenBatch:
        """Ids on the encoder's device, truncated at the context with the end token kept."""
        ids = self.tokenizer(texts).to(self.logit_scale.device)
        return TokenBatch(ids, self.text_model.end(ids))

    def embed(self, ids: Int[Tensor, "b l"]) -> Float[Tensor, "b l w"]:
        """Token embeddings, without positions: replace any of them by a learned word, then call `text`."""
        return self.text_model.embed(ids)

    def text(self, embeddings: Float[Tensor, "b l w"], end: Int[Tensor, " b"]) -> Float[Tensor, "b e"]:
        """Vectors of texts given as embeddings, not normalised, with gradients to the embeddings."""
        vectors: Tensor = self.text_model(embeddings, end)
        return vectors

    def encode_text(self, texts: Sequence[str]) -> Float[Tensor, "b e"]:
        """Vectors of texts, not normalised."""
        ids, end = self.tokenize(texts)
        return self.text(self.embed(ids), end)
