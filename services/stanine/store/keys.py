"""Every key of the store is one function here.

All but one share the hash tag `{p0}`, one partition, so that a record and its message can be written by one function on a Redis Cluster
too. No key holds a person's data; the fingerprints of callers' keys and participants are fields.

    <namespace>:{p0}:instruments          zset    instrument names, for paging by name
    <namespace>:{p0}:numbers              hash    instrument number -> name; empty: that instrument was removed
    <namespace>:{p0}:instrument:<name>    hash    number, revision, form, digest; structure:<digest> -> form;
                                                  of each revision r: doc:r digest:r form:r at:r; managedBy,
                                                  managedUntil; of a removed one revision alone
    <namespace>:{p0}:answered             hash    instrument number -> 1 once an attempt at it was stored
    <namespace>:{p0}:index                hash    <name>/<form> -> index entry
    <namespace>:{p0}:index:changes        zset    <name>/<form> by the number of its last change
    <namespace>:{p0}:index:change         string  number and token of the last change, `12 9f3a…`: a view of the index
    <namespace>:{p0}:index:history        hash    number of a change -> its token, of the last 1,024 changes
    <namespace>:{p0}:arrivals             string  how many attempts have arrived
    <namespace>:{p0}:a:<block>            hash    slot -> attempt record; 32 attempts a block, in order of arrival
    <namespace>:{p0}:r:<block>            hash    slot -> result record
    <namespace>:{p0}:k:<level>:<bucket>   hash    fingerprint of a caller's key -> arrival number, digest of the content
    <namespace>:{p0}:p:<level>:<bucket>   hash    fingerprint of a participant -> arrival number of the first attempt
    <namespace>:{p0}:l:<block>            hash    slot of a first attempt -> its participant's attempts, and results by commit
    <namespace>:{p0}:l:<first>:<a|r>:<n>  string  a full page of these; <first>: the arrival number of the first attempt
    <namespace>:{p0}:sizes                hash    how many entries `k` and `p` have, which says how many buckets
    <namespace>:{p0}:once:<random>        string  the answer to a call of `submit` without keys, for a minute
    <namespace>:{p0}:once:probe           -       never there; removing it tells whether the server takes writes
    <namespace>:{p0}:commits              hash    instrument number -> how many results were committed
    <namespace>:{p0}:c:<number>:<chunk>   string  arrival numbers in commit order, 5 bytes each, 4,000 a chunk
    <namespace>:{p0}:low-water            string  the first block that no sweep has looked at
    <namespace>:{p0}:late                 zset    blocks before it that had attempts without a result
    <namespace>:{p0}:requeued             hash    attempt id -> when and how often the sweep re-queued it
    <namespace>:{p0}:s:<id>               hash    a session: what opened it, its deadline, and its answers in fields `A<item>`
    <namespace>:{p0}:sessions:due         zset    session ids by when the sweep must look at them (ms)
    <namespace>:{p0}:sessions             hash    how many were opened, submitted, withdrawn, expired
    <namespace>:{p0}:v:<id>               hash    an invitation
    <namespace>:{p0}:w:<level>:<bucket>   hash    fingerprint of an invitation's key -> its id, digest of the content
    <namespace>:{p0}:i:<number>:<chunk>   string  ids of an instrument's invitations in the order of creation, 8 bytes each
    <namespace>:{p0}:invited              hash    instrument number -> how many invitations were created
    <namespace>:{p0}:o:<fingerprint>      set     a participant's sessions (`s`, id) and invitations (`v`, id)
    <namespace>:{p0}:released             hash    instrument number -> when (ms) its results were released to participants
    <namespace>:{p0}:retention            hash    instrument number -> how many results of its list are past their retention
    <namespace>:{p0}:secret               hash    the secrets that attempt tokens are made with (`stanine.store.secret`)
    <namespace>:{p0}:secret:links         hash    the secrets that the codes of invitations are made with
    <namespace>:{p0}:config               hash    runtime settings: name -> text
    <namespace>:config                    string  the same in the older layout, one JSON text; without hash tag, as the older service has it
    <namespace>:{p0}:config:meta          hash    revision, digest, layout, dual, managedBy, string: as last written by configuration/
    <namespace>:{p0}:config:history       hash    revision -> when (ms), a line of what it was, and its settings as JSON
    <namespace>:{p0}:config:backup:hash   hash    the settings as they were when their layout became the string
    <namespace>:{p0}:config:backup:string string  the older text as it was when it was replaced
    <namespace>:{p0}:committed            channel arrival numbers just committed, 5 bytes each
"""

#: Attempts a block: enough that the key's overhead is shared, few enough that the hash keeps its compact encoding (listpack).
BLOCK_SIZE = 32
#: Arrival numbers a chunk of the commit log: with 5 bytes each, just within 20 KiB, a size class of jemalloc.
CHUNK_SIZE = 4000
#: Arrival numbers a page of a participant: a page is rewritten at each append, so it is kept small.
PAGE_SIZE = 64
#: Mean entries of a bucket of fingerprints at which buckets begin to be split: at twice that all are, and still listpacks (128 by default).
SPLIT_FROM = 48
#: Bytes of an invitation's id.
INVITATION_BYTES = 8
#: Buckets of fingerprints that there are at first, as a power of two: 4,096.
FIRST_BITS = 12


class Keys:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.partition = f"{namespace}:{{p0}}"
        self.instruments = f"{self.partition}:instruments"
        self.numbers = f"{self.partition}:numbers"
        self.answered = f"{self.partition}:answered"
        self.index = f"{self.partition}:index"
        self.index_changes = f"{self.partition}:index:changes"
        self.index_change = f"{self.partition}:index:change"
        self.index_history = f"{self.partition}:index:history"
        self.arrivals = f"{self.partition}:arrivals"
        self.commits = f"{self.partition}:commits"
        self.sizes = f"{self.partition}:sizes"
        self.probe = f"{self.partition}:once:probe"
        self.low_water = f"{self.partition}:low-water"
        self.late = f"{self.partition}:late"
        self.requeued = f"{self.partition}:requeued"
        self.sessions = f"{self.partition}:sessions"
        self.sessions_due = f"{self.partition}:sessions:due"
        self.invited = f"{self.partition}:invited"
        self.released = f"{self.partition}:released"
        self.retention = f"{self.partition}:retention"
        self.secret = f"{self.partition}:secret"
        self.link_secret = f"{self.partition}:secret:links"
        self.config = f"{self.partition}:config"
        self.config_string = f"{namespace}:config"
        self.config_meta = f"{self.partition}:config:meta"
        self.config_history = f"{self.partition}:config:history"
        self.config_backup_hash = f"{self.partition}:config:backup:hash"
        self.config_backup_string = f"{self.partition}:config:backup:string"
        self.committed = f"{self.partition}:committed"

    def instrument(self, name: str) -> str:
        """Return the key of an instrument's revisions."""
        return f"{self.partition}:instrument:{name}"

    def attempts(self, block: int) -> str:
        """Return the key of a block of attempts."""
        return f"{self.partition}:a:{block}"

    def results(self, block: int) -> str:
        """Return the key of a block of results."""
        return f"{self.partition}:r:{block}"

    def session(self, session_id: bytes) -> str:
        """Return the key of a session."""
        return f"{self.partition}:s:{session_id.hex()}"

    def invitation(self, invitation_id: bytes) -> str:
        """Return the key of an invitation."""
        return f"{self.partition}:v:{invitation_id.hex()}"

    def commit_log(self, number: int, chunk: int) -> str:
        """Return the key of a chunk of an instrument's commit log."""
        return f"{self.partition}:c:{number}:{chunk}"


def index_field(name: str, form: int) -> str:
    """Return the field of an index entry."""
    return f"{name}/{form}"
