"""A Redis Function library that is loaded under the hash of its own text, so that versions stand side by side during a rollout.

The store and the broker each have one. The bootstrap loads them; a call whose function is missing (flushed, or a server restored
without it) loads its library and is made again.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import redis
import redis.asyncio

#: What a Lua source says in place of its own version.
VERSION_PLACEHOLDER = "@VERSION@"

Argument = bytes | str | int | float


class Library:
    """One Redis Function library: `functions.lua` of a package, its version being the hash of its text.

    The source names itself `#!lua name=NAME_@VERSION@` and registers every function as `NAME_@VERSION@`.
    """

    def __init__(self, name: str, source: str) -> None:
        self.version = hashlib.sha256(source.encode()).hexdigest()[:12]
        self.name = f"{name}_{self.version}"
        self.source = source.replace(VERSION_PLACEHOLDER, self.version)

    def function(self, name: str) -> str:
        """Return the name under which a function of this version is registered."""
        return f"{name}_{self.version}"

    def is_loaded(self, client: "redis.Redis") -> bool:
        """Tell whether the server has this version."""
        return bool(client.function_list(library=self.name))

    def load(self, client: "redis.Redis") -> bool:
        """Load the library unless this version is there; return whether it was missing."""
        try:
            client.function_load(self.source)
        except redis.ResponseError as error:
            if _is_loaded_already(error):
                return False
            raise
        return True

    async def load_async(self, client: "redis.asyncio.Redis") -> bool:
        """Load the library unless this version is there; return whether it was missing."""
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
        """Call a function of this library; errors are redis-py's own."""
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
        """Call a function of this library from asyncio; errors are redis-py's own."""
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
        """Return the words of the FCALL, for use in a pipeline (which must itself see to a missing function)."""
        return cast(
            "tuple[Argument, ...]", ("FCALL", self.function(function), len(keys), *keys, *args)
        )


def is_function_missing(error: Exception) -> bool:
    """Tell whether the server said that it does not have the function."""
    return "Function not found" in str(error)


def _is_loaded_already(error: Exception) -> bool:
    return "already exists" in str(error)
