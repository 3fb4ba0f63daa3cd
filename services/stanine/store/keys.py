"""Names of all keys of the store.

All but one share the hash tag `{p0}` (one partition), so that a function can write a record and its message atomically
on a Redis Cluster as well. Key names contain no personal data. Fingerprints of callers' keys and participants are
fields, except in `o`; each is removed with the last record that has the key or the participant
(docs/explanation/decisions/0024-hashes-of-erased-persons.md).

    <namespace>:{p0}:instruments          zset    instrument names, for paging by name
    <namespace>:{p0}:numbers              hash    instrument number -> name; empty: that instrument was removed
    <namespace>:{p0}:instrument:<name>    hash    number, revision, form, digest; structure:<digest> -> form;
                                                  of each revision r: doc:r digest:r form:r at:r; managedBy,
                                                  managedUntil; of a removed one revision alone
    <namespace>:{p0}:answered             hash    instrument number -> 1 once an attempt at it was stored
    <namespace>:{p0}:index                hash    <name>/<form> -> index entry
    <namespace>:{p0}:index:changes        zset    <name>/<form> by the number of its last change
    <namespace>:{p0}:index:change         string  number and token of the last change, `12 9f3a…`: an index view
    <namespace>:{p0}:index:history        hash    number of a change -> its token, of the last 1,024 changes
    <namespace>:{p0}:arrivals             string  number of attempts that have arrived
    <namespace>:{p0}:a:<block>            hash    slot -> attempt record; 32 attempts per block, in order of arrival
    <namespace>:{p0}:r:<block>            hash    slot -> result record
    <namespace>:{p0}:k:<level>:<bucket>   hash    fingerprint of a caller's key -> arrival number, digest of the content
    <namespace>:{p0}:p:<level>:<bucket>   hash    fingerprint of a participant -> arrival number of the first attempt
    <namespace>:{p0}:l:<block>            hash    slot of a first attempt -> its participant's attempts and results
    <namespace>:{p0}:l:<first>:<a|r>:<n>  string  a full page of these; <first>: arrival number of the first attempt
    <namespace>:{p0}:sizes                hash    entries in `k` and `p`, which determine the number of buckets
    <namespace>:{p0}:once:<random>        string  reply to a `submit` call without keys, for a minute
    <namespace>:{p0}:once:probe           -       never exists; deleting it tests whether the server accepts writes
    <namespace>:{p0}:commits              hash    instrument number -> number of committed results
    <namespace>:{p0}:c:<number>:<chunk>   string  arrival numbers in commit order, 5 bytes each, 4,000 per chunk
    <namespace>:{p0}:replacing            hash    instrument number -> number of these that replaced an earlier result
    <namespace>:{p0}:h:<block>            hash    slot -> where the current result is listed, and the earlier results
    <namespace>:{p0}:rescoring            set     numbers of the instruments that are being re-scored
    <namespace>:{p0}:rescoring:<number>   hash    the last re-scoring of an instrument (`stanine.store.rescoring`)
    <namespace>:{p0}:rescored             hash    instrument number -> number of the index change that the last re-scoring
                                                  started with: results of an older index are refused
    <namespace>:{p0}:b:<number>:<chunk>   string  blocks with attempts of an instrument, ascending, 5 bytes each
    <namespace>:{p0}:blocks               hash    instrument number -> number of blocks in `b`
    <namespace>:{p0}:listed               string  the first block that `b` does not contain; `b` is derived data
    <namespace>:{p0}:low-water            string  the first block that no sweep has inspected
    <namespace>:{p0}:late                 zset    earlier blocks that had attempts without a result
    <namespace>:{p0}:requeued             hash    attempt id -> time and number of requeues by the sweep
    <namespace>:{p0}:s:<id>               hash    a session: its options, deadline, and answers in fields `A<item>`
    <namespace>:{p0}:sessions:due         zset    session ids by the time of their next sweep (ms)
    <namespace>:{p0}:sessions             hash    numbers of sessions opened, submitted, withdrawn, expired
    <namespace>:{p0}:v:<id>               hash    an invitation
    <namespace>:{p0}:w:<level>:<bucket>   hash    fingerprint of an invitation's key -> its id, digest of the content
    <namespace>:{p0}:i:<number>:<chunk>   string  ids of an instrument's invitations in order of creation, 8 bytes each
    <namespace>:{p0}:invited              hash    instrument number -> number of invitations created
    <namespace>:{p0}:o:<fingerprint>      set     a participant's sessions (`s`, id) and invitations (`v`, id)
    <namespace>:{p0}:login:<digest>       hash    a login: SHA-256 of its API key, end; expires by itself
    <namespace>:{p0}:logins:<owner>       zset    an API key's logins by their beginning (ms)
    <namespace>:{p0}:processes            hash    random name of a process -> time and state of its last note
    <namespace>:{p0}:throughput           hash    slot of ten seconds -> sample, a ring of 15 minutes
    <namespace>:{p0}:audit                hash    random name -> time and record of a change by an API key
    <namespace>:{p0}:audit:order          zset    names of changes by their number
    <namespace>:{p0}:released             hash    instrument number -> when (ms) its results were released to participants
    <namespace>:{p0}:retention            hash    instrument number -> how many results of its list are past their retention
    <namespace>:{p0}:backups              hash    `newest`: when (ms) the newest good backup was taken; its `bytes`, `attempts`
    <namespace>:{p0}:tombstones           zset    MACs of keys of erased attempts by the time (ms) until which they are refused
    <namespace>:{p0}:erasures             stream  the erasure journal: what was erased by order (`stanine.store.journal`)
    <namespace>:{p0}:secret:erasure       hash    the secrets of tombstones and of the journal
    <namespace>:{p0}:secret               hash    the secrets that attempt tokens are made with (`stanine.store.secret`)
    <namespace>:{p0}:secret:links         hash    the secrets that the codes of invitations are made with
    <namespace>:{p0}:config               hash    runtime settings: name -> text
    <namespace>:config                    string  runtime settings in the string layout (JSON); without hash tag, as the
                                                  older service expects it
    <namespace>:{p0}:config:meta          hash    revision, digest, layout, dual, string, managedBy, managedUntil
    <namespace>:{p0}:config:history       hash    revision -> time (ms), a line of metadata, and its settings as JSON
    <namespace>:{p0}:config:backup:hash   hash    the hash that a migration to the string replaced
    <namespace>:{p0}:config:backup:string string  the string that a migration or an overwrite replaced
    <namespace>:{p0}:committed            channel arrival numbers of new results, 5 bytes each
"""

#: Attempts per block: many share the key's overhead, and the hash remains a listpack.
BLOCK_SIZE = 32
#: Arrival numbers per chunk of the commit log, and blocks per chunk of an instrument's list of blocks: at 5 bytes each
#: just below 20 KiB, a size class of jemalloc.
CHUNK_SIZE = 4000
#: Arrival numbers per page of a participant's list; small, because each append rewrites the page.
PAGE_SIZE = 64
#: Mean entries per fingerprint bucket at which splitting begins. It ends at twice that, still within a listpack (128 by
#: default).
SPLIT_FROM = 48
#: Bytes of an invitation's id.
INVITATION_BYTES = 8
#: Initial number of fingerprint buckets, as a power of two: 4,096.
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
        self.replacing = f"{self.partition}:replacing"
        self.rescoring = f"{self.partition}:rescoring"
        self.rescored = f"{self.partition}:rescored"
        self.low_water = f"{self.partition}:low-water"
        self.late = f"{self.partition}:late"
        self.requeued = f"{self.partition}:requeued"
        self.sessions = f"{self.partition}:sessions"
        self.sessions_due = f"{self.partition}:sessions:due"
        self.invited = f"{self.partition}:invited"
        self.released = f"{self.partition}:released"
        self.retention = f"{self.partition}:retention"
        self.tombstones = f"{self.partition}:tombstones"
        self.erasures = f"{self.partition}:erasures"
        self.erasure_secret = f"{self.partition}:secret:erasure"
        self.backups = f"{self.partition}:backups"
        self.secret = f"{self.partition}:secret"
        self.link_secret = f"{self.partition}:secret:links"
        self.config = f"{self.partition}:config"
        self.config_string = f"{namespace}:config"
        self.config_meta = f"{self.partition}:config:meta"
        self.config_history = f"{self.partition}:config:history"
        self.config_backup_hash = f"{self.partition}:config:backup:hash"
        self.config_backup_string = f"{self.partition}:config:backup:string"
        self.processes = f"{self.partition}:processes"
        self.throughput = f"{self.partition}:throughput"
        self.audit = f"{self.partition}:audit"
        self.audit_order = f"{self.partition}:audit:order"
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

    def history(self, block: int) -> str:
        """Return the key of a block of earlier results."""
        return f"{self.partition}:h:{block}"

    def rescoring_of(self, number: int) -> str:
        """Return the key of the last re-scoring of an instrument."""
        return f"{self.rescoring}:{number}"

    def session(self, session_id: bytes) -> str:
        """Return the key of a session."""
        return f"{self.partition}:s:{session_id.hex()}"

    def invitation(self, invitation_id: bytes) -> str:
        """Return the key of an invitation."""
        return f"{self.partition}:v:{invitation_id.hex()}"

    def login(self, token_digest: bytes) -> str:
        """Return the key of a login."""
        return f"{self.partition}:login:{token_digest.hex()}"

    def commit_log(self, number: int, chunk: int) -> str:
        """Return the key of a chunk of an instrument's commit log."""
        return f"{self.partition}:c:{number}:{chunk}"


def index_field(name: str, form: int) -> str:
    """Return the field of an index entry."""
    return f"{name}/{form}"
