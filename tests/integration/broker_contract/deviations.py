"""Deviations from the contract, with reasons.

Their tests must fail (strict xfail), so the list stays correct.

The contract is what Dramatiq documents, or what its users rely on. This project's broker deviates only deliberately.
"""

_IN_MEMORY = "StubBroker is for unit tests: what a worker had in its memory when it stopped is lost, it has no requeue"
_NO_DELAY_QUEUE = (
    "delayed messages wait in Redis, not in a second queue that a worker reads into its memory; "
    "so nothing of that is signalled"
)
_NO_DECLARATION = "a producer needs no declarations: it may run where the actors are not imported, as with Dramatiq's RedisBroker"

#: (broker, test) -> reason.
DEVIATIONS = {
    # This project's broker, deliberate.
    ("streams", "test_a_message_delayed_in_the_workers_memory_is_signalled"): _NO_DELAY_QUEUE,
    ("streams", "test_a_queue_has_a_delay_queue"): _NO_DELAY_QUEUE,
    ("streams", "test_a_declared_delay_queue_is_signalled"): _NO_DELAY_QUEUE,
    ("streams", "test_enqueueing_on_an_undeclared_queue_is_rejected"): _NO_DECLARATION,
    ("streams", "test_a_retried_message_carries_the_traceback"): (
        "the texts of exceptions and tracebacks may hold what people answered; the message keeps the exception's type, the log has the rest"
    ),
    # Dramatiq's RedisBroker.
    ("redis", "test_enqueueing_on_an_undeclared_queue_is_rejected"): _NO_DECLARATION,
    (
        "redis",
        "test_consuming_an_undeclared_queue_is_rejected",
    ): "RedisBroker looks nowhere whether the queue was declared",
    (
        "redis",
        "test_join_of_an_undeclared_queue_is_rejected",
    ): "RedisBroker looks nowhere whether the queue was declared",
    ("redis", "test_flush_keeps_dead_letters"): "RedisBroker's purge deletes the dead letters, too",
    ("redis", "test_delayed_messages_beyond_a_workers_prefetch_do_not_block_others"): (
        "workers read delayed messages in the order sent, so that what is due waits behind what is not"
    ),
    # Dramatiq's StubBroker.
    ("stub", "test_delayed_messages_beyond_a_workers_prefetch_do_not_block_others"): (
        "workers read delayed messages in the order sent, so that what is due waits behind what is not"
    ),
    ("stub", "test_a_delayed_message_survives_its_worker"): _IN_MEMORY,
    ("stub", "test_messages_a_stopping_worker_did_not_start_run_elsewhere"): _IN_MEMORY,
    (
        "stub",
        "test_an_actor_with_notify_shutdown_is_interrupted_and_retried",
    ): _IN_MEMORY,
    (
        "stub",
        "test_flush_drops_what_is_delayed",
    ): "StubBroker's flush leaves the delay queue; flush_all empties it",
}
