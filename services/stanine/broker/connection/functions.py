"""A Redis function library, versioned by the hash of its source.

Several versions coexist during a rollout. Store and broker have one each. The bootstrap loads them. If a function is
missing (flushed or restored server), the call loads the library and is repeated.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import redis
import redis.asyncio

#: Placeholder for the version in the Lua source.
VERSION_PLACEHOLDER = "@VERSION@"

Argument = bytes | str | int | float


class Library:
    """A Redis function library whose version is the hash of its source.

    The source declares `#!lua name=NAME_@VERSION@` and registers every function as `NAME_@VERSION@`.
    """

    def __init__(self, name: str, source: str) -> None:
        self.version = hashlib.sha256(source.encode()).hexdigest()[:12]
        self.name = f"{name}_{self.version}"
        self.source = source.replace(VERSION_PLACEHOLDER, self.version)

    def function(self, name: str) -> str:
        """Return the registered name of a function in this version."""
        return f"{name}_{self.version}"

    def is_loaded(self, client: "redis.Redis") -> bool:
        """Return whether the server has loaded this version."""
        return bool(client.function_list(library=self.name))

    def load(self, client: "redis.Redis") -> bool:
        """Load the library unless this version is loaded; return whether it was missing."""
        try:
            client.function_load(self.source)
        except redis.ResponseError as error:
            if _is_loaded_already(error):
                return False
            raise
        return True

    async def load_async(self, client: "redis.asyncio.Redis") -> bool:
        """Load the library unless this version is loaded; return whether it was missing."""
        try:
            await client.function_load(self.source)
        except redis.ResponseError as error:
            if _is_loaded_already(error):
                return False
            raise
        return True

    def call(
        self,
        client: "redis.Redis",
        function: str,
        keys: Sequence[str],
        args: Sequence[Argument] = (),
    ) -> Any:
        """Call a function of this library. Errors of redis-py propagate."""
        command, execute = self.command(function, keys, args), cast("Any", client).execute_command
        try:
            return execute(*command)
        except redis.ResponseError as error:
            if not is_function_missing(error):
                raise
        self.load(client)
        return execute(*command)

    async def call_async(
        self,
        client: "redis.asyncio.Redis",
        function: str,
        keys: Sequence[str],
        args: Sequence[Argument] = (),
    ) -> Any:
        """Call a function of this library from asyncio. Errors of redis-py propagate."""
        command, execute = self.command(function, keys, args), cast("Any", client).execute_command
        try:
            return await execute(*command)
        except redis.ResponseError as error:
            if not is_function_missing(error):
                raise
        await self.load_async(client)
        return await execute(*command)

    def command(
        self, function: str, keys: Sequence[str], args: Sequence[Argument] = ()
    ) -> tuple[Argument, ...]:
        """Return the FCALL command for a pipeline; the caller must handle a missing function."""
        return cast(
            "tuple[Argument, ...]", ("FCALL", self.function(function), len(keys), *keys, *args)
        )


def is_function_missing(error: Exception) -> bool:
    """Return whether the error says that the function does not exist."""
    return "Function not found" in str(error)


def _is_loaded_already(error: Exception) -> bool:
    return "already exists" in str(error)
