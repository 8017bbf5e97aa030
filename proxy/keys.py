"""What the handlers find in the application, by typed key."""

import asyncio

from aiohttp import web

from casts.settings import Settings
from proxy.channel import Channels
from proxy.ledger import Ledger
from proxy.overview import Casts
from proxy.submit import Submitter
from proxy.voices import Voices
from proxy.workers import Workers
from streams.port import Store

SETTINGS = web.AppKey("settings", Settings)
STORE = web.AppKey("store", Store)
LEDGER = web.AppKey("ledger", Ledger)
VOICES = web.AppKey("voices", Voices)
WORKERS = web.AppKey("workers", Workers)
ADMIN_KEY = web.AppKey("admin_key", str)
"""Absent where there is no admin API."""
CASTS = web.AppKey("casts", Casts)
CHANNELS = web.AppKey("channels", Channels)
SUBMITTER = web.AppKey("submitter", Submitter)
GROUP = web.AppKey("group", asyncio.TaskGroup)
SUBMITS = web.AppKey("submits", set[asyncio.Task[None]])
STOPPING = web.AppKey("stopping", asyncio.Event)
