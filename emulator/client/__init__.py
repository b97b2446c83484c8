"""A user's side of DUIS: sign, send, receive, correlate, decode."""

from emulator.client.blocking import BlockingClient
from emulator.client.control import ControlClient
from emulator.client.decode import Decoded, Verdict, decode_payload, payload_of
from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer, ClientError, KeyMissing, NothingCame, Rejected, Unexpected, Unreachable
from emulator.client.keys import fetch_key_store, load_key_store
from emulator.client.receiver import Received, Receiver
from emulator.client.session import DuisClient, Exchange, SignedCommand
from emulator.client.smki import SmkiClient
from emulator.client.tls import client_tls, endpoint_tls

__all__ = [
    "BadAnswer",
    "BlockingClient",
    "ClientError",
    "ControlClient",
    "Decoded",
    "DuisClient",
    "Exchange",
    "KeyMissing",
    "MessageReader",
    "NothingCame",
    "Received",
    "Receiver",
    "Rejected",
    "SignedCommand",
    "SmkiClient",
    "Unexpected",
    "Unreachable",
    "Verdict",
    "client_tls",
    "decode_payload",
    "endpoint_tls",
    "fetch_key_store",
    "load_key_store",
    "payload_of",
]
