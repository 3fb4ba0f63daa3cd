"""Types shared by the kinds' records: bounded strings and Secret references."""

from typing import Annotated

from msgspec import Meta

from stanine.domain.instruments.records import Record

#: Maximum length of a Kubernetes object's name (DNS-1123 subdomain) and of a key in a Secret.
MAX_NAME = 253
#: Integers in a custom resource have at most 32 bits.
MAX_INT32 = (1 << 31) - 1

ObjectName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="the name of an object: lower-case letters, digits, - and ., beginning and ending with a letter or digit",
    ),
]
SecretKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_NAME,
        pattern="^[-._a-zA-Z0-9]+$",
        description="a Secret's key: letters, digits, -, _ and .",
    ),
]
#: Identifies a one-shot request: a new token repeats it.
Token = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern="^[A-Za-z0-9][A-Za-z0-9._:-]*$",
        description="a token: letters, digits, ., _, : and -",
    ),
]


class SecretKeyRef(Record, frozen=True):
    """One key of a Secret in the resource's own namespace."""

    #: The Secret's name.
    name: ObjectName
    #: The key of the value in the Secret.
    key: SecretKey
