"""Text to token ids, as the checkpoint's own tokenizer does it."""

import json
import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from samekind.errors import SamekindError

START, END = "<|startoftext|>", "<|endoftext|>"

# CLIP's pieces before byte-pair encoding (Radford et al. 2021, published code): the two marks, English contractions,
# runs of letters, single digits, runs of anything else that is no space.
CLIP_PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

PUNCTUATION = str.maketrans("", "", string.punctuation)


class TextTokenizer:
    """Ids of a batch of texts, cut at the context with the end token kept.

    `files` holds the bytes it was made from, by file name: they are hashed with the weights and written back by
    `save_encoder`. CLIP batches are as long as their longest text (right padding cannot be seen through causal
    attention); SigLIP's are always padded to the whole context, as the model was trained.
    """

    def __init__(self, files: Mapping[str, bytes], *, context: int, siglip: bool = False) -> None:
        self.files = dict(files)
        self.context = context
        self.siglip = siglip
        self._settings = _json_object(files, "tokenizer_config.json") if "tokenizer_config.json" in files else {}
        self._tokenizer = _from_json(files["tokenizer.json"]) if "tokenizer.json" in files else self._from_vocabulary()
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context)
        frame = self._tokenizer.encode("").ids
        if not frame or context <= len(frame):
            raise SamekindError(
                f"the tokenizer adds no end token, or none that fits a context of {context}: its tokenizer.json has no "
                "usable post_processor. Save it again with transformers' save_pretrained."
            )
        self.end_id: int = frame[-1]

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values())

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Ids [b, l], int64, padded on the right; empty texts and lone surrogates are fine."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch([self._clean(text) for text in texts])]
        length = self.context if self.siglip else max(map(len, rows), default=1)
        pad = self._pad_id()
        return torch.tensor([row + [pad] * (length - len(row)) for row in rows], dtype=torch.long).view(-1, length)

    def _clean(self, text: str) -> str:
        """What has to happen before the tokenizer proper."""
        text = text.encode("utf-8", "replace").decode()  # a lone surrogate becomes "?"
        if not self.siglip:
            return text
        text = text.lower()  # SigLIP and SigLIP 2 were trained on lower case
        if self._settings.get("tokenizer_class", "SiglipTokenizer").startswith("SiglipTokenizer"):
            # The first SigLIP also dropped punctuation (big_vision, canonicalize_text), outside of its tokenizer.
            text = re.sub(r"\s+", " ", text.translate(PUNCTUATION)).strip()
        return text

    def _pad_id(self) -> int:
        """CLIP: the end token, the first of which is read; SigLIP: what its settings name, or else id 1, "</s>"."""
        if not self.siglip:
            return self.end_id
        pad = self._settings.get("pad_token", "</s>")
        found = self._tokenizer.token_to_id(pad["content"] if isinstance(pad, dict) else pad)
        return 1 if found is None else int(found)

    def _from_vocabulary(self) -> Tokenizer:
        """CLIP's tokenizer out of vocab.json and merges.txt."""
        if self.siglip or not {"vocab.json", "merges.txt"} <= self.files.keys():
            raise SamekindError(
                "the checkpoint has no tokenizer.json"
                + (" (SigLIP's spiece.model alone is not read)" if self.siglip else ", nor vocab.json with merges.txt")
                + ". Save its tokenizer with transformers' AutoTokenizer.from_pretrained(...).save_pretrained(folder)."
            )
        vocabulary = _json_object(self.files, "vocab.json")
        lines = self.files["merges.txt"].decode("utf-8", "replace").split("\n")
        pairs = [line.split() for line in lines if line.strip() and not line.startswith("#version")]
        missing = [mark for mark in (START, END) if type(vocabulary.get(mark)) is not int]
        if missing:
            raise SamekindError(f"vocab.json has no {' and no '.join(missing)}: it is not a CLIP vocabulary.")
        try:
            bpe = models.BPE(
                vocab=vocabulary, merges=[(a, b) for a, b in pairs], end_of_word_suffix="</w>", unk_token=END
            )
        except Exception as error:  # the library raises bare Exceptions
            raise SamekindError(f"vocab.json and merges.txt do not fit each other: {error}") from error
        tokenizer = clip_pieces(bpe)
        frame(tokenizer)
        tokenizer.add_special_tokens([START, END])
        return tokenizer


def clip_pieces(bpe: models.BPE) -> Tokenizer:
    """A tokenizer that cleans and cuts texts as CLIP's does before byte-pair encoding."""
    tokenizer = Tokenizer(bpe)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pieces = pre_tokenizers.Split(Regex(CLIP_PIECES), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def frame(tokenizer: Tokenizer) -> None:
    """Put the start mark before each text and the end mark behind it; the vocabulary must have both."""
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=marks)


def _from_json(data: bytes) -> Tokenizer:
    try:
        return Tokenizer.from_str(data.decode())
    except Exception as error:  # the library raises bare Exceptions
        raise SamekindError(f"tokenizer.json cannot be read: {error}. Fetch the checkpoint again.") from error


def _json_object(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    try:
        values = json.loads(files[name])
    except ValueError as error:
        raise SamekindError(f"{name} is not JSON: {error}. Fetch the checkpoint again.") from error
    if not isinstance(values, dict):
        raise SamekindError(f"{name} holds no JSON object. Fetch the checkpoint again.")
    return values
