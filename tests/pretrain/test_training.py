"""Both stages of pre-training, each part and the whole, on a drawn table."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import TINY, TINY_VISUAL, TINY_WORDS, tower
from torch.nn import functional as F

from samekind.clip.tokenizer import TextTokenizer
from samekind.clip.weights import load_encoder
from samekind.errors import SamekindError, UsageError
from samekind.pretrain.augment import DRAWING, MIXED, OWN
from samekind.pretrain.origin import Inputs, find_origin, first_projection
from samekind.pretrain.run import held_out, plain_ground, pretrain
from samekind.pretrain.teachers import NameSpace, Start
from samekind.pretrain.visual import (
    Batch,
    Trainer,
    losses,
    make_batch,
    train_visual,
)
from samekind.pretrain.words import STYLES, Vocabulary, train_tokenizer, train_words


def batch(rows: int = 16, style: int = OWN) -> Batch:
    """The first rows, as if their pictures had been made into `style`."""
    return Batch(torch.zeros(rows, 3, 32, 32), torch.arange(rows), torch.full((rows,), style))


def test_a_picture_on_white_is_drawn_and_a_photo_is_not():
    paper = np.full((160, 160, 3), 255, np.uint8)
    paper[60:90, 60:90] = 0
    assert plain_ground(paper)
    assert not plain_ground(np.full((160, 160, 3), 120, np.uint8))


def test_vectors_on_their_captions_cost_nothing_but_what_is_wrong_does(material):
    recipe = replace(TINY_VISUAL, temperature=0.001, smoothing=0.0)
    right = losses(material.features, material.texts[material.caption], batch(), material, recipe)
    wrong = losses(-material.features, material.texts[1 - material.caption], batch(), material, recipe)
    assert right["caption"] < 1e-3 < 1 < wrong["caption"]
    assert right["feature"] == pytest.approx(0, abs=1e-5)
    assert wrong["feature"] == pytest.approx(2 * recipe.feature_weight, rel=1e-4)


def test_a_zero_vector_knows_nothing_it_costs_the_log_of_the_number_of_captions(material):
    parts = losses(material.features, torch.zeros(16, 32), batch(), material, TINY_VISUAL)
    assert float(parts["caption"]) == pytest.approx(np.log(2), rel=1e-5)
    assert float(parts["domain"]) == pytest.approx(TINY_VISUAL.domain_weight * np.log(2), rel=1e-5)


def test_a_picture_with_a_given_style_is_asked_for_that_style_and_one_without_a_word_for_none(material):
    recipe = replace(TINY_VISUAL, temperature=0.001, domain_weight=1.0)
    on_first = material.domain_texts[0].expand(16, -1)
    drawn = losses(material.features, on_first, batch(style=DRAWING), material, recipe)["domain"]
    assert float(drawn) == pytest.approx(0, abs=1e-3)
    assert losses(material.features, on_first, batch(), material, recipe)["domain"] > 1  # half are of the second domain
    assert losses(material.features, on_first, batch(style=MIXED), material, recipe)["domain"] == 0


def test_untrusted_pictures_are_not_asked_of_the_classifier(material):
    none = replace(material, trusted=torch.zeros(16))
    parts = losses(torch.rand(16, 1280), torch.randn(16, 32), batch(), none, TINY_VISUAL)
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


def test_the_rate_warms_up_stays_and_falls_to_nearly_nothing(material):
    trainer, rates = Trainer(tower(), TINY_VISUAL), []
    for step in range(TINY_VISUAL.steps):
        trainer.set_rate(step)
        rates.append(trainer.optimiser.param_groups[0]["lr"] / TINY_VISUAL.rate)
    assert rates == pytest.approx([0.5, 1, 1, 1, 1, 0.5])


def test_frozen_blocks_stay_as_they_were_and_the_rest_moves(material, tmp_path):
    before = tower().state_dict()
    after = train_visual(
        tower(), material, replace(TINY_VISUAL, frozen=3), seed=5, work=tmp_path, report=lambda _: None
    ).state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not [name for name in moved if name.startswith(("stem", "blocks.0.", "blocks.1.", "blocks.2."))]


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
    tokenizer = TextTokenizer({"tokenizer.json": train_tokenizer(["dog", "domestic dog"], 700)}, context=24)
    ids = tokenizer(["A DOG", "a dog", "\N{SNOWMAN} \u0430 dog"])
    assert torch.equal(ids[0], ids[1])
    assert (ids[2] == tokenizer.end_id).nonzero().min() == ids.shape[1] - 1  # what it never saw ends no text


def test_the_same_phrases_give_the_same_tokenizer():
    assert len({train_tokenizer(["dog", "domestic dog", "red fox"], 700) for _ in range(4)}) == 1


def test_styled_prompts_belong_nearer_to_their_style(sentences, inputs):
    space = NameSpace(inputs.vectors, inputs.names)
    vocabulary = Vocabulary(["dog"], space(["dog"]), 1, 0, space(STYLES))
    texts, targets = vocabulary.draw(replace(TINY_WORDS, styled=1.0), np.random.default_rng(0))
    assert torch.allclose(targets.norm(dim=1), torch.ones(len(texts)))
    place = next(i for i, text in enumerate(texts) if "sketch" in text)
    styles = [s for s in range(len(STYLES)) if STYLES[s] in texts[place]]
    plain = vocabulary.styles[styles] @ vocabulary.vectors[0]
    assert (vocabulary.styles[styles] @ targets[place] > plain).any()


def test_the_text_tower_learns_where_its_phrases_belong(sentences, inputs, tmp_path):
    space = NameSpace(inputs.vectors, inputs.names)
    tokenizer = TextTokenizer({"tokenizer.json": train_tokenizer(space.names, 700)}, context=24)
    vocabulary = Vocabulary(space.names, space(space.names), 6, 0, space(STYLES))
    seen = []
    text = train_words(tokenizer, vocabulary, TINY_WORDS, seed=0, file=tmp_path / "w", report=seen.append)
    ids = tokenizer([f"a {name}" for name in space.names])
    found = F.normalize(text(text.embed(ids), text.end(ids)), dim=1) @ vocabulary.vectors.T
    assert (found.argmax(1) == torch.arange(6)).all()
    assert seen[-1]["cosine"] < 0.5 * seen[0]["cosine"]


def test_a_text_stage_killed_and_resumed_gives_the_weights_of_an_undisturbed_one(sentences, inputs, tmp_path):
    space = NameSpace(inputs.vectors, inputs.names)
    tokenizer = TextTokenizer({"tokenizer.json": train_tokenizer(space.names, 700)}, context=24)
    vocabulary = Vocabulary(space.names, space(space.names), 6, 0, space(STYLES))
    recipe, steps = replace(TINY_WORDS, steps=7, save_every=2), []

    def train(file, stop_at=None):
        def report(parts):
            steps.append(parts["step"])
            if parts["step"] == stop_at:
                raise KeyboardInterrupt

        return train_words(tokenizer, vocabulary, recipe, seed=3, file=file, report=report)

    whole = train(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", stop_at=5)
    steps.clear()
    resumed = train(tmp_path / "b")
    assert steps == [5, 6, 7]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_picture_size_that_no_tokens_fill_is_refused_before_any_work(inputs, tmp_path):
    with pytest.raises(UsageError, match="multiple of 32"):
        pretrain(inputs, tmp_path / "out", replace(TINY, image_size=100), seed=0, report=lambda *_: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_from_a_table_to_an_encoder_that_loads_and_a_second_call_that_only_finishes(inputs, sentences, tmp_path):
    out, told = tmp_path / "out", []
    card = pretrain(inputs, out, TINY, seed=0, report=lambda stage, parts: told.append(stage), command="typed")
    assert card["command"] == "typed"
    encoder = load_encoder(out)
    assert encoder.dim == 32
    assert encoder.image(torch.zeros(1, 3, 64, 64)).tokens.shape == (1, 4, 32)
    assert encoder.encode_text(["a sketch of a disc"]).shape == (1, 32)
    assert json.loads((out / "pretrain.json").read_text()) == card
    assert card["data"]["pictures"] + card["data"]["held_out"] == 40
    before = (out / "model.safetensors").read_bytes()
    assert list(dict.fromkeys(told)) == ["opening", "asking", "pictures", "words", "head"]
    assert (out / "skipped.jsonl").read_text() == ""
    told.clear()
    pretrain(inputs, out, TINY, seed=0, report=lambda stage, parts: told.append(stage))
    assert set(told) == {"head"}  # the last stage is short, and done again
    assert (out / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_a_finished_encoder_is_specialised_without_teachers_and_keeps_its_words(inputs, sentences, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    pretrain(inputs, first, TINY, seed=0, report=lambda *_: None)
    card = pretrain(Inputs(inputs.captions, first), second, TINY, seed=0, report=lambda *_: None)
    assert card["data"]["start"] == load_encoder(first).name
    for name, tensor in load_encoder(first).text_model.state_dict().items():
        assert torch.equal(tensor, load_encoder(second).text_model.state_dict()[name]), name
    weights = [load_encoder(folder).vision_model.projection.weight for folder in (first, second)]
    assert not torch.equal(*weights)


def test_a_network_without_teachers_is_refused_with_what_to_give(inputs):
    with pytest.raises(UsageError, match="--labels, --vectors and --names"):
        find_origin(Inputs(inputs.captions, inputs.start), TINY)


def test_held_out_pictures_are_of_captions_that_two_domains_share(inputs):
    from samekind.pretrain.captions import Captioned

    rows = [Captioned(f"{i}.jpg", domain, "dog") for i, domain in enumerate(["photo", "sketch"] * 60)]
    alone = [Captioned(f"x{i}.jpg", "photo", "cat") for i in range(120)]
    marked = held_out(rows + alone)
    assert 0 < marked[:120].sum() < 30
    assert not marked[120:].any()
