"""The client for scripts without asyncio: the same things, each call waiting for its result.

The event loop runs in a thread of its own, so pushes are taken while the script does something else.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from emulator.client.documents import MessageReader
from emulator.client.receiver import Received, Receiver
from emulator.client.session import TIMEOUT_S, DuisClient, SignedCommand
from emulator.domain.identifiers import Eui64, RequestId
from emulator.duis.messages import Request, ServiceResponse
from emulator.pki.keystore import KeyStore

T = TypeVar("T")


class BlockingClient:
    """A user with its endpoint. Use as a context manager."""

    def __init__(
        self,
        url: str,
        user: Eui64,
        keys: KeyStore,
        *,
        timeout_s: float = TIMEOUT_S,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        endpoint_tls: ssl.SSLContext | None = None,
    ) -> None:
        """``url`` is the root of the DUIS service; the endpoint listens on ``host`` and ``port`` (0: any free one).

        ``tls`` is for requests and ``endpoint_tls`` for pushes, as :mod:`emulator.client.tls` makes them.
        """
        reader = MessageReader(keys)
        self._client = DuisClient(url, user, keys, timeout_s=timeout_s, reader=reader, tls=tls)
        self.receiver = Receiver(reader, host, port, tls=endpoint_tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="duis-client", daemon=True)

    def __enter__(self) -> "BlockingClient":
        self._thread.start()
        try:
            self._run(self.receiver.__aenter__())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run(self._client.close())
        self._run(self.receiver.__aexit__(None, None, None))
        self._stop()

    @property
    def endpoint(self) -> str:
        """The URL at which pushes are taken; the DCC must be told."""
        return self.receiver.url

    def send(self, request: Request) -> ServiceResponse:
        """See :meth:`DuisClient.send`."""
        return self._run(self._client.send(request))

    def send_template(self, document: bytes, *, preserve_counter: bool = False) -> ServiceResponse:
        """See :meth:`DuisClient.send_template`."""
        return self._run(self._client.send_template(document, preserve_counter=preserve_counter))

    def transform_and_send(self, request: Request) -> SignedCommand | ServiceResponse:
        """See :meth:`DuisClient.transform_and_send`."""
        return self._run(self._client.transform_and_send(request))

    def wait_for(self, predicate: Callable[[Received], bool], timeout_s: float = 10.0) -> Received:
        """See :meth:`Receiver.wait_for`."""
        return self._run(self.receiver.wait_for(predicate, timeout_s))

    def answer_to(self, request_id: RequestId | str, timeout_s: float = 10.0) -> Received:
        """See :meth:`Receiver.answer_to`."""
        wanted = RequestId.parse(request_id) if isinstance(request_id, str) else request_id
        return self._run(self.receiver.answer_to(wanted, timeout_s))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
