"""Lets MTEB evaluate a retriever: its encoder protocol over ours, for pictures and for texts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from PIL import Image

from samekind.errors import SamekindError, UsageError
from samekind.evaluation.run_by_name import likeness

if TYPE_CHECKING:
    from mteb.models.model_meta import ModelMeta

    from samekind.retriever.store import Retriever


class MtebEncoder:
    """A retriever as MTEB's `EncoderProtocol` (mteb 2): `mteb.evaluate(MtebEncoder("mini"), tasks)`.

    MTEB's sketch-to-photo task is `mteb.get_task("SketchyI2IRetrieval")`; its data come from the Hugging Face hub. The
    retriever is not told any domain. MTEB keeps results by name and revision: the revision is the retriever's hash.
    """

    def __init__(
        self, model_name: "Retriever | str | Path" = "mini", revision: str | None = None, *, device: str | None = None
    ) -> None:
        """Wrap a retriever, or load what `samekind.load` takes. Raises UsageError for another revision than asked."""
        if isinstance(model_name, str | Path):
            from samekind.retriever.store import load

            self.retriever = load(model_name, device=device or "auto")
        else:
            self.retriever = model_name
        if revision not in (None, self.retriever.sha256):
            raise UsageError(f"{self.retriever.name} has the hash {self.retriever.sha256}, not {revision}.")

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: Any = None,
        **kwargs: Any,
    ) -> Float32[np.ndarray, "n d"]:
        """Vectors of MTEB's batches (`image`: PIL pictures, or `text`: strings), in order.

        Raises UsageError for a task that asks for a picture and a text at once, or for anything else.
        """
        vectors = [self._batch(batch) for batch in inputs]
        return np.concatenate(vectors) if vectors else np.zeros((0, self.retriever.dim), np.float32)

    def _batch(self, batch: Mapping[str, Any]) -> Float32[np.ndarray, "b d"]:
        if "image" in batch and "text" in batch:
            raise UsageError("The task asks for a picture and a text at once, which has no one vector here.")
        if "image" in batch:
            return self.retriever.encode_images([_picture(each) for each in batch["image"]])
        if "text" in batch:
            return self.retriever.encode_texts(list(batch["text"]))
        raise UsageError(f"A retriever encodes pictures and texts; the task gives {', '.join(batch) or 'nothing'}.")

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Float32[np.ndarray, "n m"]:
        """Inner products, or what ranks as the distance does in the space `poincare`: of one row larger is nearer."""
        a, b = (np.atleast_2d(np.asarray(each, np.float32)) for each in (embeddings1, embeddings2))
        return np.asarray(likeness(a, b, self.retriever.space), np.float32)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Float32[np.ndarray, " n"]:
        """The same for the first with the first, the second with the second, and so on."""
        a, b = (np.atleast_2d(np.asarray(each, np.float32)) for each in (embeddings1, embeddings2))
        pairs = [self.similarity(left, right)[0, 0] for left, right in zip(a, b, strict=True)]
        return np.array(pairs, np.float32)

    @property
    def mteb_model_meta(self) -> "ModelMeta":
        """What MTEB writes above its results; raises SamekindError where mteb is not installed."""
        try:
            from mteb.models.model_meta import ModelMeta
        except ImportError as error:
            raise SamekindError("mteb is not installed: pip install 'samekind[mteb]'.") from error
        return ModelMeta(
            loader=None,
            name=f"samekind/{self.retriever.name}",
            revision=self.retriever.sha256,
            release_date=None,
            languages=["eng-Latn"],
            n_parameters=sum(each.numel() for each in self.retriever.encoder.parameters()),
            memory_usage_mb=None,
            max_tokens=self.retriever.encoder.context,
            embed_dim=self.retriever.dim,
            license=None,
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name=None,
            use_instructions=False,
            training_datasets=None,
            modalities=["image", "text"],
        )


def _picture(image: Any) -> Image.Image:
    if not isinstance(image, Image.Image):
        raise UsageError(f"MTEB gave a {type(image).__name__} where a picture was expected.")
    return image
