"""The training of `centred`: a mean for each domain."""

from samekind.methods.base import EncoderFacts
from samekind.methods.centred import Centred
from samekind.training.adapt import Trainer, Uses
from samekind.training.adapt_settings import AdaptSettings
from samekind.training.cache import PictureCache
from samekind.training.groups import domain_vectors
from samekind.training.loop import Run
from samekind.training.outcome import Learned, Wanted


def learn(cache: PictureCache, wanted: Wanted[AdaptSettings], run: Run, learned: Learned) -> Centred:
    """Take the means. A number of classes is of no use here and is not looked at."""
    facts = EncoderFacts.of(cache.engine.encoder)
    method = Centred(cache.data.domains, facts.dim)
    method.places.fit(domain_vectors(cache))
    return method.eval()


def _uses(settings: AdaptSettings) -> Uses:
    return "pooled"


CENTRED = Trainer("centred", AdaptSettings, learn, _uses)
