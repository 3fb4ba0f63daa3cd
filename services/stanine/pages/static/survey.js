// The script of a page of questions and of the review. Without it the pages work too: everything is saved by Continue.

import { Questions } from "./questions.js";
import { AnswerSaver } from "./saving.js";

const data = JSON.parse(document.getElementById("survey-data").textContent);
const form = document.getElementById("survey");
const status = document.getElementById("status");
// What only some pages need is loaded by those.
const states = data.conditions ? (await import("./conditions.js")).states : null;

function say(text, isWarning = false) {
  status.textContent = text;
  status.classList.toggle("warning", isWarning);
}

/** Show and hide the questions of the page by the present answers. */
function showQuestions(questions) {
  if (!states) return;
  const here = questions.all().map((one) => ({ ...one, conditions: data.conditions[one.id] }));
  const found = states([...data.others, ...here], data.attributes);
  for (const { id } of here) questions.show(id, found.get(id) === true);
}

async function watchPage() {
  const questions = new Questions(form);
  if (form.querySelector("[data-slider]")) (await import("./sliders.js")).watchSliders(form);
  if (form.querySelector("ol.ranking")) (await import("./ranking.js")).watchRankings(form, say);
  const saver = new AnswerSaver(data, {
    say,
    isShown: (item) => questions.isShown(item),
    merge(answers) {
      questions.writeAll(answers);
      showQuestions(questions);
    },
    refuse: (errors) => questions.refuse(errors),
  });
  questions.writeAll(saver.unsent());
  showQuestions(questions);
  const changed = (item) => {
    questions.offerClearing(item);
    showQuestions(questions);
    questions.accept(item);
    saver.change(item, questions.answer(item));
  };
  const change = (event) => {
    const item = questions.itemOf(event.target);
    if (item === null) return;
    questions.keepAlone(event.target);
    changed(item);
  };
  form.addEventListener("input", change);
  form.addEventListener("change", (event) => {
    if (event.target.matches("[type=radio], [type=checkbox]")) return; // `input` came before
    change(event);
  });
  form.addEventListener("ranked", change);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=clear]");
    if (!button) return;
    event.preventDefault();
    const item = questions.itemOf(button);
    questions.clear(item);
    changed(item);
    say(data.texts.cleared);
  });
  form.addEventListener("submit", (event) => saver.beforeSubmit(event, form));
  saver.start();
  return saver;
}

/** Let a form be sent once, however often its button is pressed. */
function sendOnce(each) {
  each.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (each.dataset.sent) event.preventDefault();
    each.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => delete each.dataset.sent);
}

const saver = form ? await watchPage() : null;
for (const each of document.forms) sendOnce(each);
if (data.left !== undefined || data.sectionLeft !== undefined) {
  const { startTimers } = await import("./timer.js");
  startTimers(data, say, async () => {
    await saver?.flush();
    return navigator.onLine && !saver?.isOffline;
  });
}
