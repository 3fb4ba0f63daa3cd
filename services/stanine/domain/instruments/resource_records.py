"""Members of a custom resource's spec that are no part of the instrument document, as records. Used by `records`."""

from typing import Annotated

from msgspec import Meta

from stanine.domain.instruments.record_types import DnsLabel, Record


class RedisConfigRef(Record, frozen=True):
    """The RedisConfig that says where a custom resource's Redis is; no part of the document."""

    #: The RedisConfig's name, in the resource's own namespace. Default: default.
    name: DnsLabel = "default"


class RescoreRequest(Record, frozen=True):
    """A one-shot request of a custom resource to score all attempts again; no part of the document."""

    #: Identifies the request. It is executed once per new token; a token that exists when the resource is created is never executed.
    token: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=64,
            pattern="^[A-Za-z0-9][A-Za-z0-9._:-]*$",
            description="a token: letters, digits, ., _, : and -",
        ),
    ]
    #: Only report what would change. Default: false.
    dry_run: bool = False
