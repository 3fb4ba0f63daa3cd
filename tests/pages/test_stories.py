"""Stories of participants, each in a browser of its own."""

import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.pages.instruments import TYPES, hostile, plain
from tests.pages.people import Arrive, answer, proceed, saved, start
from tests.pages.serving import Survey


@pytest.fixture(scope="module")
def types(survey: Survey) -> str:
    return survey.publish(TYPES)


@pytest.fixture(scope="module")
def short(survey: Survey) -> str:
    return survey.publish(plain("short"))


def test_every_type_of_question_is_answered_and_stored(
    person: Any, survey: Survey, types: str
) -> None:
    page = person()
    start(page, survey.invite(types, attributes={"sex": "female"}))
    assert page.get_by_text("Sex").count() == 0, "the invitation says it"
    page.get_by_label("Your age").fill("31")
    proceed(page)
    page.get_by_label("Agree", exact=True).check()
    page.get_by_label("Sometimes").check()
    page.get_by_label("How many glasses").fill("3")
    page.locator("input[type=range]").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#a-pain").input_value() == "0.5"
    proceed(page)
    page.get_by_label("Bus").check()
    page.get_by_label("Train").check()
    page.get_by_label("None of them").check()
    assert not page.get_by_label("Bus").is_checked()
    page.get_by_role("button", name="Move up: watch").click()
    page.get_by_label("Anything else?").fill("Two\nlines")
    page.get_by_label("One word").fill("word")
    page.get_by_label("Since when?").fill("2024-02-29")
    proceed(page)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    assert survey.submitted(page) == {
        "A1": 4, "d1": 1, "d2": 3, "pain": 0.5, "m1": ["none"], "r1": ["watch", "feel", "think", "do"],
        "note": "Two\nlines", "word": "word", "since": "2024-02-29",
    }  # fmt: skip


def test_everything_works_without_javascript(person: Any, survey: Survey, types: str) -> None:
    page = person(java_script_enabled=False)
    start(page, survey.invite(types, attributes={"sex": "female", "years": 31}))
    page.get_by_label("Sometimes").check()
    proceed(page)
    assert (
        page.get_by_role("alert").get_by_text("Your answer led to one more question").is_visible()
    )
    assert page.locator("#q-d2").is_visible()
    page.locator("#a-d2").fill("7")
    proceed(page)
    summary = page.locator("#summary")
    assert "I ask others how they are." in summary.text_content()
    page.get_by_label("Disagree", exact=True).check()
    proceed(page)
    page.get_by_role("button", name="Move down: feel").click()
    page.get_by_label("Tram").check()
    proceed(page)
    page.get_by_role("button", name="Submit").click()
    assert page.get_by_role("heading", name="Thank you").is_visible()
    answers = survey.submitted(page)
    assert answers["r1"] == ["watch", "feel", "think", "do"]
    assert (answers["A1"], answers["d2"], answers["m1"]) == (2, 7, ["c"])


def test_a_keyboard_is_enough(person: Any, survey: Survey, short: str) -> None:
    page = person()
    page.goto(survey.invite(short))
    press = page.keyboard.press

    def tab_to(name: str) -> None:
        for _ in range(12):
            press("Tab")
            text = page.evaluate(
                "(document.activeElement.innerText || document.activeElement.name || '').trim()"
            )
            if text.startswith(name):
                return
        raise AssertionError(f"{name} is not reached")

    tab_to("Agree and start")
    press("Enter")
    for number in (1, 2):
        page.wait_for_url(f"**/{number}")
        for item in (2 * number - 1, 2 * number):
            tab_to(f"a.q{item}")
            press("Space")
            press("ArrowDown")
        tab_to("Continue")
        press("Enter")
    page.wait_for_url("**/review")
    tab_to("Submit")
    press("Enter")
    page.get_by_role("heading", name="Thank you").wait_for()
    assert survey.submitted(page) == {"q1": 1, "q2": 1, "q3": 1, "q4": 1}


def test_an_error_gets_the_focus_and_leads_to_its_question(
    person: Any, survey: Survey, types: str
) -> None:
    page = person()
    start(page, survey.invite(types, attributes={"sex": "female", "years": 31}))
    proceed(page)
    page.wait_for_function("document.activeElement.id === 'summary'")
    page.locator("#summary a").click()
    assert page.evaluate("location.hash") == "#q-A1"
    assert page.locator("#q-A1").get_attribute("aria-describedby") == "e-A1"


def test_a_choice_is_cleared_by_keyboard(person: Any, survey: Survey, types: str) -> None:
    page = person()
    start(page, survey.invite(types, attributes={"sex": "female", "years": 31}))
    question = page.locator("#q-d1")
    clear = question.get_by_role("button", name="Clear answer")
    assert page.locator("#q-A1 button").count() == 0, "it is required"
    assert not clear.is_visible()
    page.get_by_label("Sometimes").check()
    saved(page)
    assert survey.session(page)["answers"]["d1"] == 1
    clear.focus()
    page.keyboard.press("Enter")
    assert not clear.is_visible()
    assert page.evaluate("document.activeElement.name") == "a.d1"
    assert not page.locator("#q-d2").is_visible(), "its condition needs the answer"
    page.get_by_role("status").get_by_text("Answer cleared").wait_for()
    saved(page)
    assert "d1" not in survey.session(page)["answers"]
    page.reload()
    assert page.locator("#q-d1 :checked").count() == 0


def test_a_choice_is_cleared_without_javascript(person: Any, survey: Survey, types: str) -> None:
    page = person(java_script_enabled=False)
    start(page, survey.invite(types, attributes={"sex": "female", "years": 31}))
    page.get_by_label("Neither").check()
    page.get_by_label("Never").check()
    page.locator("#q-d1").get_by_role("button", name="Clear answer").click()
    assert page.locator("#q-d1 :checked").count() == 0
    assert survey.session(page)["answers"] == {"A1": 3}
    page.locator("#a-pain").fill("2")
    page.locator("#a-pain").press("Enter")
    page.wait_for_url("**/2")
    assert survey.session(page)["answers"] == {"A1": 3, "pain": 2}, "Enter cleared nothing"


def test_skip_logic_acts_at_once(person: Any, survey: Survey, types: str) -> None:
    page = person()
    start(page, survey.invite(types, attributes={"sex": "female", "years": 31}))
    glasses = page.locator("#q-d2")
    assert glasses.is_hidden()
    page.get_by_label("Sometimes").check()
    assert glasses.is_visible()
    page.locator("#a-d2").fill("5")
    saved(page)
    page.get_by_label("Never").check()
    assert glasses.is_hidden()
    page.get_by_label("I prefer not to answer").check()
    assert glasses.is_hidden()
    page.get_by_label("Never").check()
    page.get_by_label("Agree", exact=True).check()
    proceed(page)
    page.get_by_label("Bus").check()
    proceed(page)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    answers = survey.submitted(page)
    assert answers.get("d2") is None
    assert answers["d1"] == 0


def test_answers_outlast_a_reload_and_the_back_button(
    person: Any, survey: Survey, short: str
) -> None:
    page = person()
    start(page, survey.invite(short))
    answer(page, q1=2)
    saved(page)
    page.reload()
    assert page.locator("#q-q1").get_by_label("Answer 2").is_checked()
    proceed(page)
    answer(page, q3=1)
    saved(page)
    page.go_back()
    page.wait_for_url("**/1")
    assert page.locator("#q-q1").get_by_label("Answer 2").is_checked()
    page.go_forward()
    assert page.locator("#q-q3").get_by_label("Answer 1").is_checked()


def test_half_a_minute_without_a_connection_loses_nothing(
    person: Arrive, survey: Survey, short: str
) -> None:
    page = person()
    page.clock.install()
    start(page, survey.invite(short))
    answer(page, q1=1)
    page.clock.run_for(1_000)
    saved(page)
    page.context.set_offline(True)
    status, offline = page.get_by_role("status"), "No connection. Your answers are kept"
    for second in range(30):
        if second == 1:
            answer(page, q1=3)
        if second == 20:
            answer(page, q2=1)
            proceed(page)
        page.clock.run_for(1_000)
        if second > 1:
            status.get_by_text(offline).wait_for()
    assert page.url.endswith("/1"), "the page is kept"
    assert survey.session(page)["answers"] == {"q1": 1}
    page.context.set_offline(False)
    saved(page)
    assert survey.session(page)["answers"] == {"q1": 3, "q2": 1}
    page.clock.resume()
    proceed(page)
    page.wait_for_url("**/2")


def test_answers_outlast_a_reload_without_a_connection(
    person: Arrive, survey: Survey, short: str
) -> None:
    page = person()
    start(page, survey.invite(short))
    address = page.url
    page.context.set_offline(True)
    answer(page, q1=3, q2=1)
    page.get_by_role("status").get_by_text("No connection").wait_for()
    with pytest.raises(Exception, match="ERR_INTERNET_DISCONNECTED"):
        page.reload()
    page.context.set_offline(False)
    page.goto(address)
    assert page.locator("#q-q2").get_by_label("Answer 1").is_checked()
    # Chromium may have loaded the page by itself before, and sent them: then the status says nothing
    deadline = time.monotonic() + 60
    while survey.session(page)["answers"] != {"q1": 3, "q2": 1}:
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_answers_that_were_not_sent_outlast_the_browser_page(
    person: Any, survey: Survey, short: str
) -> None:
    page = person()
    start(page, survey.invite(short))
    page.route("**/answers", lambda route: route.abort())
    answer(page, q1=3)
    page.get_by_role("status").get_by_text("No connection").wait_for()
    page.unroute("**/answers")
    page.reload()
    assert page.locator("#q-q1").get_by_label("Answer 3").is_checked()
    saved(page)
    assert survey.session(page)["answers"] == {"q1": 3}


def test_two_tabs_keep_the_answers_of_both(person: Any, survey: Survey, short: str) -> None:
    one = person()
    start(one, survey.invite(short))
    other = one.context.new_page()
    other.goto(one.url)
    answer(one, q1=1)
    saved(one)
    answer(other, q2=2)
    saved(other)
    assert other.locator("#q-q1").get_by_label("Answer 1").is_checked(), "merged into the tab"
    with one.expect_response(lambda found: found.request.method == "PATCH" and found.ok):
        answer(one, q1=3)
    assert survey.session(one)["answers"] == {"q1": 3, "q2": 2}


def test_another_device_continues(person: Any, survey: Survey, short: str) -> None:
    link = survey.invite(short)
    phone, computer = person(), person()
    start(phone, link)
    answer(phone, q1=1, q2=1)
    proceed(phone)
    answer(phone, q3=2)
    proceed(phone)
    start(computer, link)
    assert computer.url == phone.url.replace("review", "2")
    assert computer.locator("#q-q3").get_by_label("Answer 2").is_checked()


def test_a_session_without_the_cookie_says_what_to_do(
    person: Any, survey: Survey, short: str
) -> None:
    page, stranger = person(), person()
    start(page, survey.invite(short))
    answered = stranger.goto(page.url)
    assert answered.status == 403
    assert stranger.get_by_role("heading", name="Please open your link again").is_visible()


@pytest.mark.parametrize("script", [True, False])
def test_a_double_click_submits_once(person: Any, survey: Survey, short: str, script: bool) -> None:
    page = person(java_script_enabled=script)
    start(page, survey.invite(short))
    answer(page, q1=1)
    proceed(page)
    proceed(page)
    page.get_by_role("button", name="Submit").dblclick()
    page.get_by_role("heading", name="Thank you").wait_for()
    assert survey.submitted(page) == {"q1": 1, "q2": None, "q3": None, "q4": None}


def test_two_tabs_submit_one_attempt(person: Any, survey: Survey, short: str) -> None:
    one = person()
    start(one, survey.invite(short))
    answer(one, q1=1)
    proceed(one)
    proceed(one)
    other = one.context.new_page()
    other.goto(one.url)
    for page in (one, other):
        page.get_by_role("button", name="Submit").click()
        page.get_by_role("heading", name="Thank you").wait_for()
    assert survey.session(one)["attempt"] == survey.session(other)["attempt"]


def test_after_submitting_nothing_can_be_changed(person: Any, survey: Survey, short: str) -> None:
    page = person()
    start(page, survey.invite(short))
    first = page.url
    answer(page, q1=1)
    proceed(page)
    proceed(page)
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Thank you").wait_for()
    page.goto(first)
    assert page.url.endswith("/done")


def test_at_the_deadline_the_answers_are_submitted(person: Any, survey: Survey, short: str) -> None:
    page = person()
    page.goto(survey.invite(short, timeLimitSeconds=9))  # a busy browser needs seconds to answer
    assert page.get_by_text("You have 9 seconds").is_visible()
    page.locator("button.primary").click()
    answer(page, q1=2)
    assert re.match(r"Time left: 0:0\d", page.get_by_role("timer").text_content())
    page.get_by_role("heading", name="The time is over").wait_for(timeout=60_000)
    assert survey.session(page)["answers"] == {"q1": 2}


def test_after_the_deadline_a_participant_is_led_to_the_result(
    person: Any, survey: Survey, short: str
) -> None:
    page = person()
    start(page, survey.invite(short, timeLimitSeconds=3, show="Participant"))
    page.get_by_role("heading", name="The time is over").wait_for(timeout=10_000)
    link = page.get_by_role("link", name="Show my result")
    assert link.get_attribute("href") == f"/r/{survey.session(page)['session']}"


def test_after_the_deadline_the_result_is_said_to_be_computed(
    person: Any, survey: Survey, short: str
) -> None:
    page = person()
    start(page, survey.invite(short, timeLimitSeconds=9, show="Participant"))
    answer(page, q1=2)
    page.get_by_role("heading", name="The time is over").wait_for(timeout=60_000)
    page.get_by_role("link", name="Show my result").click()
    assert page.get_by_text("the result is being computed").is_visible()
    assert page.get_by_role("link", name="Continue").count() == 0


def test_the_answers_are_saved_as_a_file_before_they_are_submitted(
    person: Any, survey: Survey, short: str
) -> None:
    page = person()
    start(page, survey.invite(short))
    answer(page, q1=1, q2=3)
    proceed(page)
    proceed(page)
    page.wait_for_url("**/review")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save my answers").click()
    assert download.value.suggested_filename == f"answers-{short}.csv"
    assert Path(download.value.path()).read_text() == (
        "item,text,answer,label\nq1,Question q1,1,Answer 1\nq2,Question q2,3,Answer 3\n"
    )
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="Thank you").wait_for()


@pytest.mark.parametrize("shift", [-3_600_000, 3_600_000])
def test_a_clock_that_is_set_ends_no_session_early(
    person: Any, survey: Survey, short: str, shift: int
) -> None:
    page = person()
    page.add_init_script(
        "const now = Date.now; globalThis.shift = 0; Date.now = () => now() + globalThis.shift"
    )
    start(page, survey.invite(short, timeLimitSeconds=600))
    answer(page, q1=2)
    page.evaluate(f"globalThis.shift = {shift}")
    page.wait_for_timeout(2_500)  # two steps of the timer
    page.get_by_role("timer").get_by_text(re.compile(r"9:5\d")).wait_for()
    assert page.locator("#q-q1 :checked").count() == 1


def test_the_page_warns_before_the_deadline(person: Any, survey: Survey, short: str) -> None:
    page = person()
    page.clock.install()
    start(page, survey.invite(short, timeLimitSeconds=600))
    page.clock.run_for(1_000 * 301)
    assert page.get_by_role("status").get_by_text("Five minutes are left.").is_visible()
    page.clock.run_for(1_000 * 240)
    assert page.get_by_role("status").get_by_text("One minute is left.").is_visible()


def test_a_scanner_of_mails_uses_up_no_link(survey: Survey, short: str) -> None:
    link = survey.invite(short)
    with httpx.Client(trust_env=False) as scanner:
        for method in ("HEAD", "GET", "GET", "OPTIONS"):
            scanner.request(method, link)
        code = link.rsplit("/", 1)[1]
        listed = survey.api.http().get(
            f"/v1/instruments/{short}/invitations", params={"limit": 1000}
        )
    (its,) = [one for one in listed.json()["items"] if one["code"] == code]
    assert its.get("uses", 0) == 0


@pytest.mark.parametrize(
    ("order", "verb", "words"),
    [
        ({}, "revoke", "withdrawn by those who sent it"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, None, "The time for this invitation is over"),
    ],
)
def test_a_link_that_has_ended_says_why(
    person: Any, survey: Survey, short: str, order: dict[str, Any], verb: str | None, words: str
) -> None:
    body = survey.api.http().post(f"/v1/instruments/{short}/invitations", json=order).json()
    if verb:
        address = f"/v1/instruments/{short}/invitations/{body['invitation']}:{verb}"
        assert survey.api.http().post(address).is_success
    page = person()
    answered = page.goto(f"{survey.pages.url}/s/{body['code']}")
    assert answered.status == 410
    assert page.get_by_text(words).is_visible()


def test_a_link_of_two_uses_ends_after_two(person: Any, survey: Survey, short: str) -> None:
    link = survey.invite(short, maxUses=2)
    for _ in range(2):
        start(person(), link)
    page = person()
    assert page.goto(link).status == 410
    assert page.get_by_text("used as often as it may be").is_visible()


def test_a_wrong_link_is_not_found(person: Any, survey: Survey) -> None:
    page = person()
    assert page.goto(f"{survey.pages.url}/s/{'x' * 22}").status == 404
    assert page.get_by_role("heading", name="There is nothing at this address").is_visible()


def test_a_participant_chooses_the_language(person: Any, survey: Survey, types: str) -> None:
    page = person(locale="en-US")
    page.goto(survey.invite(types, attributes={"years": 31, "sex": "female"}))
    page.get_by_role("link", name="Deutsch").click()
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.get_by_role("heading", name="Jede Art von Frage").is_visible()
    assert page.get_by_text("Ich nehme freiwillig teil.").is_visible()
    page.get_by_role("button", name="Zustimmen und beginnen").click()
    assert page.get_by_text("Ich frage andere, wie es ihnen geht.").is_visible()
    assert page.get_by_role("button", name="Weiter").is_visible()


@pytest.mark.parametrize(
    ("order", "locale", "title"),
    [
        (
            {"language": "de"},
            "ar",
            "Jede Art von Frage",
        ),  # the invitation's language, whatever the browser's
        ({}, "de-AT", "Jede Art von Frage"),
        ({}, "fr", "Every type of question"),
    ],
)
def test_the_invitation_decides_the_language_then_the_browser(
    person: Any, survey: Survey, types: str, order: dict[str, Any], locale: str, title: str
) -> None:
    page = person(locale=locale)
    page.goto(survey.invite(types, **order))
    assert page.get_by_role("heading", level=1).text_content() == title


def test_an_arabic_page_runs_from_right_to_left(person: Any, survey: Survey, types: str) -> None:
    page = person(locale="ar", viewport={"width": 390, "height": 800})
    page.goto(survey.invite(types, attributes={"years": 31, "sex": "female"}))
    assert page.locator("html").get_attribute("dir") == "rtl"
    page.locator("button.primary").click()
    page.get_by_label("أحيانًا").check()
    page.locator("#a-d2").fill("\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}")
    page.get_by_text("حُفظت").wait_for()
    assert survey.session(page)["answers"]["d2"] == 12
    radio, label = page.locator("#q-d1 input[type=radio]").first, page.locator("#q-d1 span").first
    assert radio.bounding_box()["x"] > label.bounding_box()["x"]


def test_a_participant_withdraws(person: Any, survey: Survey, short: str) -> None:
    page = person()
    start(page, survey.invite(short))
    answer(page, q1=1)
    saved(page)
    session = survey.session(page)
    assert session["answers"] == {"q1": 1}
    page.get_by_role("link", name="Stop and delete my answers").click()
    page.get_by_role("button", name="Delete my answers").click()
    assert page.get_by_role("heading", name="Your answers are deleted").is_visible()
    page.goto(page.url.replace("withdraw", "1"))
    assert page.get_by_role("heading", name="Please open your link again").is_visible()


def test_the_return_address_follows_the_submission(person: Any, survey: Survey, short: str) -> None:
    back = "https://example.org/back"
    config = {"settings": {"returnUrls": "https://example.org/"}}
    assert survey.api.http().patch("/v1/config", json=config).is_success
    page = person()
    page.route("https://example.org/**", lambda route: route.fulfill(body="back"))
    for _ in range(50):  # the API reads its settings once a second
        made = survey.api.http().post(
            f"/v1/instruments/{short}/invitations", json={"returnUrl": back}
        )
        if made.is_success:
            break
        page.wait_for_timeout(100)
    start(page, f"{survey.pages.url}/s/{made.json()['code']}")
    answer(page, q1=1)
    proceed(page)
    proceed(page)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(back)


def test_texts_of_an_instrument_and_answers_run_nothing(person: Any, survey: Survey) -> None:
    evil = "</script><img src=x onerror=alert(1)><script>alert(2)</script>'\"{{7*7}}"
    name = survey.publish(hostile("hostile", evil))
    page = person()
    dialogs: list[Any] = []

    def close(dialog: Any) -> None:
        dialogs.append(dialog)
        dialog.dismiss()

    page.on("dialog", close)
    start(page, survey.invite(name))
    page.locator("#a-years").fill("31")
    proceed(page)
    page.locator("#q-A1 input[type=radio]").first.check()
    page.locator("#a-pain").fill(evil[:30])
    page.get_by_text("A number from 0 to 10").first.wait_for()
    page.locator("#a-pain").fill("")
    proceed(page)
    page.locator("#q-m1 input[type=checkbox]").first.check()
    page.locator("#a-note").fill(evil)
    saved(page)
    proceed(page)
    page.go_back()
    assert page.locator("#a-note").input_value() == evil
    assert page.locator("img, script:not([type])").count() == 0
    assert "49" not in page.content()
    assert not dialogs


def test_another_site_cannot_send_a_form(person: Any, survey: Survey, short: str) -> None:
    page = person()
    link = survey.invite(short)
    start(page, link)
    target = page.url
    page.route(
        "http://localhost:9/**",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f"<form method=post action='{target}'><input name=go value=next><button>x</button></form>",
        ),
    )
    page.goto("http://localhost:9/evil")
    with page.expect_response(lambda found: found.url == target) as caught:
        page.locator("button").click()
    assert caught.value.status == 403
    assert page.get_by_role("heading", name="This form was sent by another site").is_visible()


def test_plain_http_from_another_machine_gets_a_page_about_tls(survey: Survey, short: str) -> None:
    link = survey.invite(short)
    with httpx.Client(trust_env=False) as http:
        refused = http.post(link, headers={"host": "survey.example.org"})
        spoofed = http.post(
            link, headers={"host": "survey.example.org", "x-forwarded-proto": "https"}
        )
    assert (refused.status_code, spoofed.status_code) == (403, 403)
    assert "This address needs TLS" in refused.text
    assert "set-cookie" not in refused.headers


def test_many_participants_save_at_once(survey: Survey, short: str) -> None:
    """Requests of several participants do not mix."""
    links = [survey.invite(short) for _ in range(8)]
    wrong: list[str] = []

    def take_part(place: int) -> None:
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as http:
            page = http.post(links[place])
            for _ in range(3):
                http.post(page.url, data={"i": ["q1", "q2"], "a.q1": str(place % 4), "go": "next"})
                shown = http.get(page.url).text
                if f'name="a.q1" value="{place % 4}" checked' not in shown:
                    wrong.append(shown)

    threads = [threading.Thread(target=take_part, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
