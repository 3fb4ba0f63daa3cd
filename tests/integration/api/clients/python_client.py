"""Uses the generated Python client like its users. Run by test_generated.py.

It runs in the generator's environment, which has no Stanine:

    python python_client.py STEP URL KEY

A step prints what it received as one JSON value; the test acts as the watchers between two steps.
"""

# ruff: noqa: T201 - it prints its results
# mypy: ignore-errors

import io
import json
import sys

from stanine_client import AuthenticatedClient
from stanine_client.api.attempts import read_attempt, submit_attempt, submit_attempts
from stanine_client.api.instruments import list_instruments, publish_instrument, read_form
from stanine_client.api.probes import ready
from stanine_client.api.queues import (
    delete_dead_letters,
    list_dead_letters,
    list_queues,
    read_dead_letter,
    requeue_dead_letters,
)
from stanine_client.api.results import list_participant_results, list_results, read_result
from stanine_client.models import (
    AttemptBody,
    AttemptBodyAnswers,
    DeadLetterOrder,
    Instrument,
    LineAnswer,
    ProblemDocument,
)
from stanine_client.types import File

ITEMS = ("i1", "i2", "i3")


def attempt(key, *values):
    answers = AttemptBodyAnswers.from_dict(dict(zip(ITEMS, values, strict=True)))
    return AttemptBody(answers=answers, key=key, participant="p-1")


def publish(client):
    document = Instrument.from_dict(json.load(sys.stdin))
    done = publish_instrument.sync("a-mood", client=client, body=document)
    again = publish_instrument.sync_detailed("a-mood", client=client, body=document)
    return {
        "revision": done.revision,
        "changed": done.changed,
        "again": again.status_code,
        "againChanged": again.parsed.changed,
    }


def submit(client):
    listed = list_instruments.sync(client=client)
    form = read_form.sync("a-mood", client=client)
    one = submit_attempt.sync(
        "a-mood", client=client, body=attempt("k-1", 1, 2, None), idempotency_key="k-1"
    )
    wrong = submit_attempt.sync("a-mood", client=client, body=attempt("k-2", 9, 2, 3))
    assert isinstance(wrong, ProblemDocument)
    lines = "".join(
        json.dumps(attempt(f"k-{number}", number % 5 + 1, 3, 4).to_dict()) + "\n"
        for number in range(1, 301)
    )
    answer = submit_attempts.sync(
        "a-mood", client=client, body=File(payload=io.BytesIO(lines.encode()))
    )
    answers = [
        LineAnswer.from_dict(json.loads(line)) for line in answer.payload.read().splitlines()
    ]
    return {
        "ready": ready.sync(client=client).ok,
        "titles": [each.title for each in listed.items],
        "options": [option.value for option in form.items[0].options],
        "one": [one.attempt, one.state],
        "wrong": [wrong.status, wrong.errors[0].pointer],
        "statuses": [each.status for each in answers],
        "conflict": answers[0].problem.type_,
        "attempts": [one.attempt, *[each.attempt for each in answers[1:]]],
    }


def results(client):
    found, after = [], ""
    while True:
        page = list_results.sync(
            "a-mood", client=client, limit=100, **({"after": after} if after else {})
        )
        if not page.items:
            break
        found, after = [*found, *page.items], page.next_
    of_person = list_participant_results.sync("p-1", client=client, limit=5)
    first = read_result.sync(found[0].attempt, client=client)
    missing = read_result.sync_detailed("0" * 32, client=client)
    return {
        "scores": {each.attempt: each.scales.additional_properties["mood"].raw for each in found},
        "person": len(of_person.items),
        "first": first.state,
        "answers": read_attempt.sync(found[0].attempt, client=client).answers.additional_properties,
        "missing": [missing.status_code, missing.parsed.type_],
    }


def letters(client):
    page = list_dead_letters.sync("results", client=client, limit=2)
    rest = list_dead_letters.sync("results", client=client, after=page.next_)
    one = read_dead_letter.sync("results", page.items[0].id, client=client)
    put_back = requeue_dead_letters.sync(
        "results", client=client, body=DeadLetterOrder(ids=[one.id])
    )
    gone = delete_dead_letters.sync(
        "results", client=client, body=DeadLetterOrder(all_=True, token="once")
    )
    return {
        "dead": [each.dead for each in list_queues.sync(client=client).items],
        "listed": [len(page.items), len(rest.items), rest.next_],
        "reason": one.reason,
        "counts": [put_back.count, gone.count],
    }


def main():
    step, url, key = sys.argv[1:]
    with AuthenticatedClient(base_url=url, token=key) as client:
        print(
            json.dumps(
                {"publish": publish, "submit": submit, "results": results, "letters": letters}[
                    step
                ](client)
            )
        )


if __name__ == "__main__":
    main()
