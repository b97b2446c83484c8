"""Keys of the default world, for both sides of a conversation."""

import pytest

from emulator.client.documents import MessageReader
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.duis.encode import encode_message
from emulator.duis.messages import Message
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import sign_document
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from emulator.world import key_store

USER = Eui64(0x90B3D51F30010000)
ESME = Eui64(0x00DB1234567890A0)


@pytest.fixture(scope="session")
def world_keys() -> KeyStore:
    """Everything the default world knows."""
    return key_store(load_estate(default_estate_toml()))


@pytest.fixture
def keys(world_keys: KeyStore) -> KeyStore:
    """What a user has: the organisations' test keys and the public certificates of one device."""
    store = KeyStore()
    for record in world_keys.records():
        store.add(record)
    for usage in Usage:
        device = world_keys.device(ESME, usage)
        assert device is not None
        store.add(type(device)(**{**{name: getattr(device, name) for name in device.__slots__}, "private_key": None}))
    return store


@pytest.fixture(scope="session")
def schemas() -> SchemaSet:
    """The project's schemas, compiled once."""
    return SchemaSet()


@pytest.fixture
def reader(keys: KeyStore, schemas: SchemaSet) -> MessageReader:
    """A reader with the user's keys."""
    return MessageReader(keys, schemas)


def signed_by(store: KeyStore, message: Message, eui: Eui64 = ACCESS_CONTROL_BROKER) -> bytes:
    """A message as a party of the world signs it."""
    record = store.xml_signing(eui)
    assert record is not None
    assert record.private_key is not None
    return sign_document(encode_message(message), issuer=record.issuer, serial=record.serial, private_key=record.private_key)
