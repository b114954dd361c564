"""Both stages of pre-training, each part and the whole, on a drawn table."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from samekind.clip.mobilenet import MobileNetConfig, MobileNetV2
from samekind.clip.tokenizer import TextTokenizer
from samekind.clip.weights import load_encoder
from samekind.errors import SamekindError, UsageError
from samekind.pretrain.augment import Augment, Dice, edges, invert, luma
from samekind.pretrain.recipe import Recipe
from samekind.pretrain.run import first_projection, held_out, plain_ground, pretrain
from samekind.pretrain.teachers import NameSpace, Start
from samekind.pretrain.visual import Material, VisualRecipe, losses, make_batch, train_visual
from samekind.pretrain.words import STYLES, Vocabulary, WordsRecipe, train_tokenizer, train_words

TINY_WORDS = WordsRecipe(
    vocabulary=400, width=32, layers=1, heads=2, context=24, steps=60, batch=64, rate=5e-3, warmup=5
)
TINY_VISUAL = VisualRecipe(steps=6, batch=8, small=32, large=64, warmup=2, save_every=2)
TINY = Recipe(visual=TINY_VISUAL, words=TINY_WORDS, image_size=64, trust={"sketch": 0.0})


def dice(count: int, seed: int = 0) -> Dice:
    return Dice(count, torch.Generator().manual_seed(seed))


@pytest.fixture
def material() -> Material:
    """Sixteen random pictures of two captions in two domains, in a space of 32 dimensions."""
    rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)

    def unit(n):
        return F.normalize(torch.randn(n, 32, generator=generator), dim=1)

    return Material(
        pictures=rng.integers(0, 256, (16, 160, 160, 3), np.uint8),
        weights=np.full(16, 1 / 16),
        caption=torch.arange(16) % 2,
        domain=torch.arange(16) // 8,
        drawn=torch.arange(16) >= 8,
        texts=unit(2),
        domain_texts=unit(2),
        label_texts=unit(3),
        label_logs=torch.log_softmax(torch.randn(16, 3, generator=generator), 1),
        features=torch.rand(16, 1280, generator=generator),
        trusted=torch.ones(16),
    )


def tower(seed: int = 0) -> MobileNetV2:
    torch.manual_seed(seed)
    return MobileNetV2(MobileNetConfig(image_size=64, projection_dim=32))


def test_augmented_pictures_have_the_size_stay_in_range_and_repeat_with_the_seed():
    x, drawn = torch.rand(6, 3, 80, 80), torch.arange(6) % 2 == 0
    twice = [Augment()(x, drawn, 48, torch.Generator().manual_seed(3)) for _ in range(2)]
    assert twice[0].shape == (6, 3, 48, 48)
    assert twice[0].min() >= 0
    assert twice[0].max() <= 1
    assert torch.equal(*twice)
    assert not torch.equal(twice[0], Augment()(x, drawn, 48, torch.Generator().manual_seed(4)))


def test_edges_of_an_even_picture_are_blank_and_a_step_gives_a_dark_line():
    even = torch.full((2, 3, 32, 32), 0.5)
    assert torch.allclose(edges(even, dice(2)), torch.ones(2, 3, 32, 32))
    step = even.clone()
    step[:, :, :, 16:] = 0.05
    drawn = edges(step, dice(2))
    assert drawn[:, :, :, 13:19].min() < 0.5
    assert torch.allclose(drawn[:, :, :, :8], torch.ones(2, 3, 32, 8))


def test_brightness_of_white_is_one_and_inverting_twice_changes_nothing():
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(luma(torch.ones(1, 3, 4, 4)), torch.ones(1, 1, 4, 4))
    assert torch.allclose(invert(invert(x, dice(2)), dice(2)), x)


def test_a_picture_on_white_is_drawn_and_a_photo_is_not():
    paper = np.full((160, 160, 3), 255, np.uint8)
    paper[60:90, 60:90] = 0
    assert plain_ground(paper)
    assert not plain_ground(np.full((160, 160, 3), 120, np.uint8))


def test_vectors_on_their_captions_cost_nothing_but_what_is_wrong_does(material):
    recipe = replace(TINY_VISUAL, temperature=0.001, smoothing=0.0)
    rows = torch.arange(16)
    right = losses(material.features, material.texts[material.caption], rows, material, recipe)
    wrong = losses(-material.features, material.texts[1 - material.caption], rows, material, recipe)
    assert right["caption"] < 1e-3 < 1 < wrong["caption"]
    assert right["feature"] == pytest.approx(0, abs=1e-5)
    assert wrong["feature"] == pytest.approx(2 * recipe.feature_weight, rel=1e-4)


def test_a_zero_vector_knows_nothing_it_costs_the_log_of_the_number_of_captions(material):
    parts = losses(material.features, torch.zeros(16, 32), torch.arange(16), material, TINY_VISUAL)
    assert float(parts["caption"]) == pytest.approx(np.log(2), rel=1e-5)
    assert float(parts["domain"]) == pytest.approx(TINY_VISUAL.domain_weight * np.log(2), rel=1e-5)


def test_untrusted_pictures_are_not_asked_of_the_classifier(material):
    none = replace(material, trusted=torch.zeros(16))
    parts = losses(torch.rand(16, 1280), torch.randn(16, 32), torch.arange(16), none, TINY_VISUAL)
    assert parts["label"] == 0
    assert parts["feature"] == 0


def test_a_batch_depends_on_seed_and_step_alone_and_grows_at_the_half(material):
    first, again = (make_batch(material, TINY_VISUAL, 1, 2) for _ in range(2))
    assert torch.equal(first.pixels, again.pixels)
    assert first.pixels.shape == (8, 3, 32, 32)
    assert make_batch(material, TINY_VISUAL, 1, 3).pixels.shape == (8, 3, 64, 64)
    assert not torch.equal(first.rows, make_batch(material, TINY_VISUAL, 2, 2).rows)


def test_a_run_killed_and_resumed_gives_the_weights_of_an_undisturbed_one(material, tmp_path):
    def train(work, stop_at=None):
        def report(parts):
            if parts["step"] == stop_at:
                raise KeyboardInterrupt

        return train_visual(tower(), material, TINY_VISUAL, seed=5, work=work, report=report)

    whole = train(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", stop_at=5)
    resumed = train(tmp_path / "b")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_another_seed_does_not_take_up_a_checkpoint(material, tmp_path):
    train_visual(tower(), material, TINY_VISUAL, seed=1, work=tmp_path, report=lambda _: None)
    with pytest.raises(SamekindError, match="seed 1"):
        train_visual(tower(), material, TINY_VISUAL, seed=2, work=tmp_path, report=lambda _: None)


def test_a_loss_that_is_no_number_stops_the_run_with_the_step(material, tmp_path):
    broken = replace(material, texts=torch.full((2, 32), float("nan")))
    with pytest.raises(SamekindError, match="step 0"):
        train_visual(tower(), broken, TINY_VISUAL, seed=1, work=tmp_path, report=lambda _: None)


def test_given_names_keep_their_vectors_and_near_phrases_land_beside_them(inputs, sentences):
    space = NameSpace(inputs.vectors, inputs.names)
    vectors = space(["dog", "dog dog", "tree"])
    assert torch.allclose(vectors[0], space.given[3])
    assert vectors[1] @ vectors[0] > 0.9  # the same sentence vector, so the same place up to the ridge
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))


def test_names_and_vectors_that_do_not_match_are_refused(inputs, sentences):
    inputs.names.write_text('["one"]')
    with pytest.raises(UsageError, match="1 names"):
        NameSpace(inputs.vectors, inputs.names)


def test_the_first_projection_names_what_the_classifier_knows(inputs, sentences):
    start = Start.load(inputs.start, inputs.labels, 32)
    texts = NameSpace(inputs.vectors, inputs.names)(start.labels)
    projected = F.normalize(F.normalize(start.classifier, dim=1) @ first_projection(start, texts).T, dim=1)
    assert ((projected @ texts.T).argmax(1) == torch.arange(3)).all()


def test_the_tokenizer_frames_lower_cases_and_survives_what_it_never_saw():
    tokenizer = TextTokenizer({"tokenizer.json": train_tokenizer(["dog", "domestic dog"], 400)}, context=24)
    ids = tokenizer(["A DOG", "a dog", "\N{SNOWMAN} \u0430 dog"])
    assert torch.equal(ids[0], ids[1])
    assert (ids[2] == tokenizer.end_id).nonzero().min() == ids.shape[1] - 1  # what it never saw ends no text


def test_styled_prompts_belong_nearer_to_their_style(sentences, inputs):
    space = NameSpace(inputs.vectors, inputs.names)
    vocabulary = Vocabulary(["dog"], space(["dog"]), 1, space(STYLES))
    texts, targets = vocabulary.draw(replace(TINY_WORDS, styled=1.0, known=1.0), np.random.default_rng(0))
    assert torch.allclose(targets.norm(dim=1), torch.ones(len(texts)))
    place = next(i for i, text in enumerate(texts) if "sketch" in text)
    styles = [s for s in range(len(STYLES)) if STYLES[s] in texts[place]]
    plain = vocabulary.styles[styles] @ vocabulary.vectors[0]
    assert (vocabulary.styles[styles] @ targets[place] > plain).any()


def test_the_text_tower_learns_where_its_phrases_belong(sentences, inputs):
    space = NameSpace(inputs.vectors, inputs.names)
    tokenizer = TextTokenizer({"tokenizer.json": train_tokenizer(space.names, 400)}, context=24)
    vocabulary = Vocabulary(space.names, space(space.names), 6, space(STYLES))
    seen = []
    text = train_words(tokenizer, vocabulary, TINY_WORDS, seed=0, report=seen.append)
    ids = tokenizer([f"a {name}" for name in space.names])
    found = F.normalize(text(text.embed(ids), text.end(ids)), dim=1) @ vocabulary.vectors.T
    assert (found.argmax(1) == torch.arange(6)).all()
    assert seen[-1]["cosine"] < 0.5 * seen[0]["cosine"]


def test_a_picture_size_that_no_tokens_fill_is_refused_before_any_work(inputs, tmp_path):
    with pytest.raises(UsageError, match="multiple of 32"):
        pretrain(inputs, tmp_path / "out", replace(TINY, image_size=100), seed=0, report=lambda *_: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_from_a_table_to_an_encoder_that_loads_and_a_second_call_that_only_finishes(inputs, sentences, tmp_path):
    out, told = tmp_path / "out", []
    card = pretrain(inputs, out, TINY, seed=0, report=lambda stage, parts: told.append(stage))
    encoder = load_encoder(out)
    assert encoder.dim == 32
    assert encoder.image(torch.zeros(1, 3, 64, 64)).tokens.shape == (1, 4, 32)
    assert encoder.encode_text(["a sketch of a disc"]).shape == (1, 32)
    assert json.loads((out / "pretrain.json").read_text()) == card
    assert card["data"]["pictures"] + card["data"]["held_out"] == 40
    before = (out / "model.safetensors").read_bytes()
    told.clear()
    pretrain(inputs, out, TINY, seed=0, report=lambda stage, parts: told.append(stage))
    assert told == []
    assert (out / "model.safetensors").read_bytes() == before


def test_held_out_pictures_are_of_captions_that_two_domains_share(inputs):
    from samekind.pretrain.captions import Captioned

    rows = [Captioned(f"{i}.jpg", domain, "dog") for i, domain in enumerate(["photo", "sketch"] * 60)]
    alone = [Captioned(f"x{i}.jpg", "photo", "cat") for i in range(120)]
    marked = held_out(rows + alone)
    assert 0 < marked[:120].sum() < 30
    assert not marked[120:].any()
