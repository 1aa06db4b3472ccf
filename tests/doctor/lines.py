"""A host and the work that waits for it: one piece after the other, in a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any


class Line:
    """`setup` makes the host, once `begin` is called. Work that fails fails the test that asks for what it found."""

    def __init__(self, setup: Callable[[], AbstractContextManager[Any]]) -> None:
        self._setup = setup
        self._work: list[tuple[Future[Any], Callable[..., Any], Mapping[str, Any]]] = []
        self._futures: dict[str, Future[Any]] = {}
        self._box: Future[Any] = Future()
        self._turn = threading.Condition()
        self._taken = False
        self._asked = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def add(self, name: str, work: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
        """Queue `work(box, **parameters)`. Everything is queued before `begin`."""
        self._futures[name] = Future()
        self._work.append((self._futures[name], work, dict(parameters)))

    @property
    def queued(self) -> bool:
        """Say whether there is any work for this host."""
        return bool(self._work)

    def begin(self) -> None:
        """Set up the host and do the work, in the background."""
        if not self._thread.ident:
            self._thread.start()

    def found(self, name: str) -> Any:
        """Wait for what a piece of work found."""
        self.begin()
        return self._futures[name].result()

    @contextlib.contextmanager
    def alone(self) -> Iterator[Any]:
        """Have the host between two pieces of work."""
        self.begin()
        box = self._box.result()
        with self._turn:
            self._asked += 1
            self._turn.wait_for(lambda: not self._taken)
            self._asked -= 1
            self._taken = True
        try:
            yield box
        finally:
            self._give_back()

    def end(self) -> None:
        """Stop after the piece that is under way, and remove the host."""
        self._over.set()
        if self._thread.ident:
            self._thread.join()

    def _run(self) -> None:
        try:
            with self._setup() as box:
                self._box.set_result(box)
                for future, work, parameters in self._work:
                    if self._over.is_set():
                        break
                    with self._turn:
                        # A test that asks for the host has its turn next.
                        self._turn.wait_for(lambda: not self._taken and not self._asked)
                        self._taken = True
                    _do(future, work, box, parameters)
                    self._give_back()
                self._let_go(RuntimeError("the host was removed before this was its turn"))
                self._over.wait()
        except BaseException as error:  # the tests have to hear of it, not this thread
            self._let_go(error)

    def _let_go(self, error: BaseException) -> None:
        """Fail every test that waits for something that will not come."""
        for waiting in [self._box, *self._futures.values()]:
            if not waiting.done():
                waiting.set_exception(error)

    def _give_back(self) -> None:
        with self._turn:
            self._taken = False
            self._turn.notify_all()


def _do(future: Future[Any], work: Callable[..., Any], box: Any, parameters: Mapping[str, Any]) -> None:
    try:
        future.set_result(work(box, **parameters))
    except BaseException as error:
        future.set_exception(error)
