"""At a service's start: wait for the store and bring it into shape."""

import asyncio
import logging
import random

from streams.backoff import store_backoff
from streams.port import Store, StoreUnavailable

log = logging.getLogger(__name__)


async def ensure_store(store: Store) -> None:
    """Ensure the basin and its streams, asking until the store answers."""
    tries = 0
    while True:
        try:
            return await store.ensure()
        except StoreUnavailable as error:
            tries += 1
            log.warning("the store is not there yet: %s", error)
            await asyncio.sleep(store_backoff(tries, random.random()))  # noqa: S311  # jitter
