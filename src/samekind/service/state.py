"""What the routes of one service share."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, cast

from fastapi import Depends, Request

from samekind.service.batching import Batcher
from samekind.service.decoding import Decoders
from samekind.service.metrics import Metrics
from samekind.service.pictures import Pictures
from samekind.service.refusals import UnknownGallery
from samekind.service.served import Served
from samekind.service.settings import Settings

FETCHES: Final = 3  # addresses that are asked at once


@dataclass(slots=True)
class State:
    """The galleries by name, and what decodes, computes, shows and counts; `ready` between start and stop."""

    served: Mapping[str, Served]
    settings: Settings
    decoders: Decoders
    batcher: Batcher
    pictures: Pictures
    metrics: Metrics
    ready: bool = False
    fetching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(FETCHES))
    began: float = field(default_factory=time.monotonic)

    def gallery(self, name: str) -> Served:
        """The gallery of this name; raises UnknownGallery."""
        if name not in self.served:
            raise UnknownGallery(name)
        return self.served[name]


async def state_of(request: Request) -> State:
    """The state of the service that a request came to; a coroutine, as FastAPI would use a thread for anything else."""
    return cast("State", request.app.state.service)


Service = Annotated[State, Depends(state_of)]
