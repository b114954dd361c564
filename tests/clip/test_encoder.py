"""The encoder's own promises: shapes, truncation, learned words, batches that do not look at each other."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from samekind.clip.config import TextConfig
from samekind.clip.encoder import DualEncoder
from samekind.clip.inference import encoding_copy
from samekind.clip.text import TextTower
from samekind.clip.weights import load_encoder


@pytest.fixture(scope="module")
def encoder(tiny_clip: Path) -> DualEncoder:
    """The tiny checkpoint, loaded."""
    return load_encoder(tiny_clip)


def test_sizes_are_those_of_the_checkpoint(encoder: DualEncoder) -> None:
    assert (encoder.dim, encoder.token_dim, encoder.text_width, encoder.context) == (16, 32, 24, 12)
    features = encoder.image(torch.zeros(2, 3, 32, 32))
    assert features.tokens.shape == (2, 1 + (32 // 8) ** 2, 32)
    assert features.pooled.shape == (2, 16)


def test_a_learned_word_moves_only_its_own_text(encoder: DualEncoder) -> None:
    ids, end = encoder.tokenize(["a dog", "a cat"])
    embeddings = encoder.embed(ids)
    word = torch.nn.Parameter(embeddings[0, 2].clone())
    learned = embeddings.clone()
    learned[0, 2] = word
    assert torch.equal(encoder.text(learned, end), encoder.text(embeddings, end)), "the same word, the same vector"
    encoder.text(learned, end)[0].sum().backward()
    assert word.grad is not None
    assert word.grad.abs().max() > 1e-4
    with torch.no_grad():
        learned[0, 2] = word + torch.linspace(-1, 1, 24)  # a constant would be lost in the layer norm
        moved = encoder.text(learned, end) - encoder.text(embeddings, end)
    assert moved[0].norm() > 1e-2
    assert moved[1].norm() == 0


def test_what_stands_behind_the_end_cannot_be_seen(encoder: DualEncoder) -> None:
    ids, end = encoder.tokenize(["a dog", "a photo of the red car"])
    assert end[0] < ids.shape[1] - 1
    noisy = encoder.embed(ids).clone()
    noisy[0, end[0] + 1 :] += torch.randn_like(noisy[0, end[0] + 1 :])
    torch.testing.assert_close(encoder.text(noisy, end), encoder.text(encoder.embed(ids), end))


@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_a_text_has_one_vector_whatever_stands_beside_it(encoder: DualEncoder, texts: list[str]) -> None:
    together = encoder.encode_text(texts)
    alone = torch.cat([encoder.encode_text([text]) for text in texts])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert together.isfinite().all()


def test_empty_texts_emoji_and_a_thousand_words_have_vectors(encoder: DualEncoder) -> None:
    vectors = encoder.encode_text(["", "🐶", "dog " * 1000])
    assert vectors.shape == (3, 16)
    assert vectors.isfinite().all()


def test_no_pictures_and_no_texts_give_no_vectors(encoder: DualEncoder) -> None:
    assert encoder.image(torch.zeros(0, 3, 32, 32)).pooled.shape == (0, 16)
    assert encoder.encode_text([]).shape == (0, 16)


def test_a_picture_of_the_wrong_size_is_refused_with_both_sizes(encoder: DualEncoder) -> None:
    with pytest.raises(ValueError, match="32 x 32 pixels, not of 40 x 48"):
        encoder.image(torch.zeros(1, 3, 40, 48))


def test_more_tokens_than_the_context_are_refused(encoder: DualEncoder) -> None:
    with pytest.raises(ValueError, match="13 tokens does not fit the context of 12"):
        encoder.text(torch.zeros(1, 13, 24), torch.tensor([12]))


def test_shapes_are_checked(encoder: DualEncoder) -> None:
    with pytest.raises(TypeCheckError):
        encoder.image(torch.zeros(3, 32, 32))


def test_bfloat16_towers_take_float32_input(tiny_clip: Path) -> None:
    encoder, exact = load_encoder(tiny_clip).to(torch.bfloat16), load_encoder(tiny_clip)
    pixels = torch.randn(2, 3, 32, 32)
    close = torch.cosine_similarity(encoder.image(pixels).pooled.float(), exact.image(pixels).pooled)
    assert close.min() > 0.99
    texts = torch.cosine_similarity(encoder.encode_text(["a dog"]).float(), exact.encode_text(["a dog"]))
    assert texts.min() > 0.99


def test_a_fresh_text_tower_learns_to_tell_words_apart() -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    tower = TextTower(TextConfig.from_dict(sizes, num_attention_heads=4, eos_token_id=1, projection_dim=16))
    ids = torch.stack([torch.tensor([0, word, 1]) for word in range(2, 34)])
    targets = torch.nn.functional.normalize(torch.randn(32, 16), dim=-1)
    optimiser = torch.optim.AdamW(tower.parameters(), lr=3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        vectors = torch.nn.functional.normalize(tower(tower.embed(ids), tower.end(ids)), dim=-1)
        torch.nn.functional.cross_entropy(20 * vectors @ targets.T, torch.arange(32)).backward()
        optimiser.step()
    with torch.no_grad():
        vectors = torch.nn.functional.normalize(tower(tower.embed(ids), tower.end(ids)), dim=-1)
    assert (vectors @ targets.T).argmax(-1).tolist() == list(range(32))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_copy_for_encoding_gives_the_same_vectors_and_leaves_the_original(tiny_clip: Path, dtype) -> None:
    tower = load_encoder(tiny_clip).vision_model
    pixels = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    tokens, pooled = encoding_copy(tower, dtype)(pixels)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    assert (tokens.dtype, pooled.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(tokens, tower(pixels)[0], atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(pooled, tower(pixels)[1], atol=tolerance, rtol=tolerance)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tower.state_dict().items())


def test_the_copy_for_encoding_serves_siglip(siglip_folder) -> None:
    _, folder = siglip_folder()
    tower = load_encoder(folder).vision_model
    pixels = torch.randn(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    _, pooled = encoding_copy(tower, torch.bfloat16)(pixels)
    assert torch.cosine_similarity(pooled, tower(pixels)[1]).min() > 0.999
