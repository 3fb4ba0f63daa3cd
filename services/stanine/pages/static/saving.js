// Saves answers: on this device first, then on the server. Used by survey.js.

/** Milliseconds after the last change. */
const PAUSE = 600;
/** Milliseconds until a failed save is tried again: first and longest. */
const [FIRST_RETRY, LONGEST_RETRY] = [1_000, 15_000];
/** Milliseconds for an answer of the server. */
const TIMEOUT = 20_000;

/** Answers that the server does not have yet, in the storage of this browser. */
class LocalAnswers {
  constructor(session) {
    this.key = `stanine.${session}`;
    this.memory = null; // instead of the storage, if that is refused or full
  }

  read() {
    if (this.memory) return this.memory;
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "{}");
    } catch {
      return {};
    }
  }

  write(answers) {
    try {
      if (Object.keys(answers).length) localStorage.setItem(this.key, JSON.stringify(answers));
      else localStorage.removeItem(this.key);
      this.memory = null;
    } catch {
      this.memory = answers;
    }
  }

  keep(item, answer) {
    this.write({ ...this.read(), [item]: answer });
  }

  /** Forget answers that were sent, unless they changed since. */
  drop(sent) {
    const answers = this.read();
    for (const [item, answer] of Object.entries(sent)) {
      if (JSON.stringify(answers[item]) === JSON.stringify(answer)) delete answers[item];
    }
    this.write(answers);
  }
}

/** Forget everything that this browser keeps of a session. */
export function forget(session) {
  new LocalAnswers(session).write({});
}

export class AnswerSaver {
  constructor(data, page) {
    this.data = data;
    this.page = page;
    this.local = new LocalAnswers(data.session);
    this.seq = data.seq;
    this.retry = FIRST_RETRY;
    this.isClosed = false;
    this.isOffline = false;
    this.timer = 0;
    this.sending = null;
  }

  /** Return the answers that the server does not have. */
  unsent() {
    return this.local.read();
  }

  start() {
    addEventListener("online", () => this.flush());
    addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.flush());
    if (Object.keys(this.unsent()).length) this.schedule(0);
  }

  change(item, answer) {
    if (this.isClosed) return;
    this.local.keep(item, answer);
    this.schedule(PAUSE);
  }

  schedule(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), pause);
  }

  /** Send what is unsent; return whether the server has everything. */
  async flush() {
    clearTimeout(this.timer);
    while (this.sending) await this.sending;
    this.sending = this.send();
    try {
      return await this.sending;
    } finally {
      this.sending = null;
    }
  }

  async send() {
    for (;;) {
      const answers = Object.fromEntries(Object.entries(this.unsent()).filter(([item]) => this.page.isShown(item)));
      if (this.isClosed || Object.keys(answers).length === 0) return !this.isClosed;
      const [status, body] = await this.request(answers);
      if (status === 200) {
        this.seq = body.seq;
        this.local.drop(answers);
        this.connected();
        this.page.say(this.data.texts.saved);
      } else if (status === 409) {
        this.seq = body.seq;
        const mine = this.unsent();
        this.page.merge(Object.fromEntries(Object.entries(body.answers).filter(([item]) => !(item in mine))));
      } else if (status === 422) {
        this.local.drop(Object.fromEntries(Object.keys(body.errors).map((item) => [item, answers[item]])));
        this.connected();
        this.page.refuse(body.errors);
        if (Object.keys(body.errors).length === 0) return false;
      } else if (status === 404 || status === 410 || status === 403) {
        this.isClosed = true;
        this.local.write({});
        this.page.say(this.data.texts.closed, true);
        return false;
      } else {
        this.disconnected();
        return false;
      }
    }
  }

  async request(answers) {
    try {
      const response = await fetch(this.data.save, {
        method: "PATCH",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ seq: this.seq + 1, page: this.data.page, answers }),
        keepalive: document.visibilityState === "hidden", // it outlasts the page then
        signal: AbortSignal.timeout(TIMEOUT),
      });
      return [response.status, await response.json().catch(() => ({}))];
    } catch {
      return [0, {}]; // no connection, or no answer in time
    }
  }

  connected() {
    this.retry = FIRST_RETRY;
    this.isOffline = false;
  }

  disconnected() {
    this.isOffline = true;
    this.page.say(this.data.texts.offline, true);
    this.schedule(this.retry);
    this.retry = Math.min(2 * this.retry, LONGEST_RETRY);
  }

  /** Without a connection, keep the page instead of leaving it for the browser's error page. */
  beforeSubmit(event, form) {
    if (navigator.onLine && !this.isOffline) return;
    event.preventDefault();
    const button = event.submitter;
    this.flush().then((isSaved) => {
      if (isSaved && navigator.onLine) form.requestSubmit(button);
      else this.page.say(this.data.texts.offline, true);
    });
  }
}
