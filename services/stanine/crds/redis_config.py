"""The spec of a RedisConfig: one server, its parameters, and the settings of one key namespace."""

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from stanine.broker.connection.environment import DEFAULT_NAMESPACE
from stanine.crds.references import MAX_INT32, SecretKeyRef
from stanine.crds.server_parameters import PARAMETERS
from stanine.crds.settings import SettingsSpec
from stanine.domain.instruments.records import Record

if TYPE_CHECKING:
    ParameterName = str
else:
    ParameterName = Literal[tuple(PARAMETERS)]

#: Maximum length of a parameter's value: `save` and `client-output-buffer-limit` have about 100 characters.
MAX_PARAMETER_VALUE = 512
#: Milliseconds: a shorter timeout fails on a busy machine, a longer one blocks the operator.
Timeout = Annotated[int, Meta(ge=100, le=60_000)]

KeyNamespace = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=63,
        pattern="^[A-Za-z0-9._-]+$",
        description="a prefix of keys: letters, digits, ., _ and -",
    ),
]
Host = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern="^[A-Za-z0-9:]([A-Za-z0-9._:-]*[A-Za-z0-9])?$",
        description="a host name or IP address",
    ),
]
Port = Annotated[int, Meta(ge=1, le=65_535)]


class SentinelNode(Record, frozen=True):
    """One sentinel."""

    #: Host name or IP address of the sentinel. A name without a dot is a service in the resource's own namespace.
    host: Host
    #: The port of the sentinel. Default: 26379.
    port: Port = 26_379


class Sentinel(Record, frozen=True):
    """The sentinels that know the primary."""

    #: The sentinels' name of the primary.
    master_name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=128,
            pattern="^[A-Za-z0-9._-]+$",
            description="a name: letters, digits, ., _ and -",
        ),
    ]
    #: The sentinels; the first that answers is used.
    nodes: Annotated[tuple[SentinelNode, ...], Meta(min_length=1, max_length=16)]
    #: The user name for the sentinels, if required.
    username_secret_ref: SecretKeyRef | None = None
    #: The password for the sentinels, if required.
    password_secret_ref: SecretKeyRef | None = None


class Tls(Record, frozen=True):
    """TLS to the server.

    If empty (`{}`), the server is verified with the system's certificate authorities.
    """

    #: The certificate authorities (PEM) that verify the server. Default: the system's.
    ca_secret_ref: SecretKeyRef | None = None
    #: The client certificate (PEM), if the server requires one.
    certificate_secret_ref: SecretKeyRef | None = None
    #: The private key (PEM) of the client certificate.
    private_key_secret_ref: SecretKeyRef | None = None
    #: The expected name in the server's certificate. Default: the host as written here, or the primary's own with
    #: sentinels.
    server_name: Host | None = None


class Connection(Record, frozen=True):
    """Address, credentials and timeouts. Secrets are read from the resource's own namespace."""

    #: Host name or IP address of the server. A name without a dot is a service in the resource's own namespace.
    #: Either host or sentinel is required.
    host: Host | None = None
    #: The server's port. Default: 6379.
    port: Port = 6_379
    #: The sentinels that know the primary, instead of a host.
    sentinel: Sentinel | None = None
    #: The database number. Default: 0.
    db: Annotated[int, Meta(ge=0, le=1_023)] = 0
    #: The user name. Default: the server's default user.
    username_secret_ref: SecretKeyRef | None = None
    #: The password. Default: none.
    password_secret_ref: SecretKeyRef | None = None
    #: TLS to the server; if absent, the connection is not encrypted.
    tls: Tls | None = None
    #: Timeout of a connection attempt in milliseconds. Default: 2000.
    connect_timeout_milliseconds: Timeout = 2_000
    #: Timeout of a command in milliseconds. Default: 5000.
    command_timeout_milliseconds: Timeout = 5_000


class ServerParameter(Record, frozen=True):
    """One runtime parameter of the server, set with CONFIG SET."""

    #: The parameter's name; only the listed ones may be set.
    name: ParameterName
    #: The value for CONFIG SET, always a string: "100mb", "yes", "3600 1 300 100".
    value: Annotated[str, Meta(max_length=MAX_PARAMETER_VALUE)]


class RedisConfigSpec(Record, frozen=True, kw_only=True):
    """The desired state of a RedisConfig."""

    #: The prefix of all keys of this resource. Immutable. Default: stanine.
    key_namespace: KeyNamespace = DEFAULT_NAMESPACE
    #: Address, credentials and timeouts of the server.
    connection: Connection
    #: Apply sets the server's parameters; Observe only reports differences, for a managed server that rejects CONFIG
    #: SET. Default: Apply.
    management_policy: Literal["Apply", "Observe"] = "Apply"
    #: What happens to a server parameter that another client changed: Correct sets it again, Report only reports it.
    #: Default: Correct.
    drift_policy: Literal["Correct", "Report"] = "Correct"
    #: The server's runtime parameters, applied all or none. Parameters that are not listed are not changed.
    server: Annotated[
        tuple[ServerParameter, ...], Meta(max_length=100, extra={"keys": ("name",)})
    ] = ()
    #: The application's runtime settings, written as a new revision when they change. Omitted settings have their
    #: defaults.
    settings: SettingsSpec = SettingsSpec()
    #: How the settings are stored: as a hash, or as one string like earlier versions. A change migrates them.
    #: Default: Hash.
    layout: Literal["Hash", "String"] = "Hash"
    #: DualWrite writes the settings in both layouts, for services of an earlier version. Default: None.
    compatibility: Literal["None", "DualWrite"] = "None"
    #: While set, the values of this revision of the settings are in effect, and spec.settings is not applied.
    rollback_to: Annotated[int, Meta(ge=1, le=MAX_INT32)] | None = None
    #: Percentage of the server's maxmemory above which the condition MemoryHigh is True. Default: 80.
    memory_warning_percent: Annotated[int, Meta(ge=1, le=100)] = 80
