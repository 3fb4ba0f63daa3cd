// Shows the time that is left for the whole and for a section, warns, and leaves the page at the end. Used by survey.js.

/** Seconds before the end at which the page warns. */
const WARNINGS = [300, 60];

function clock(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => (place ? String(part).padStart(2, "0") : part)).join(":");
}

/** Return a function of the seconds since now. One clock may stop while the device sleeps, the other may be set back. */
function stopwatch() {
  const [date, steady] = [Date.now(), performance.now()];
  return () => Math.max(Date.now() - date, performance.now() - steady) / 1_000;
}

/**
 * Count seconds down. A clock that was set forward leads to the end early; the server then leads back.
 *
 * `texts`: the time left, the warnings, the end; `finish` saves and returns whether there is a connection.
 */
function countDown(seconds, place, texts, address, say, finish) {
  const elapsed = stopwatch();
  let last = seconds;
  const leave = async () => {
    if (await finish()) location.assign(address);
    else setTimeout(leave, 5_000); // without a connection the browser would show an error page
  };
  const step = () => {
    const left = Math.max(0, Math.ceil(seconds - elapsed()));
    place.textContent = texts.left.replace("%(time)s", clock(left));
    place.classList.toggle("urgent", left <= 60);
    WARNINGS.forEach((limit, number) => {
      if (last > limit && left <= limit) say(texts.warnings[number], true);
    });
    last = left;
    if (left > 0) return;
    clearInterval(ticking);
    say(texts.over, true);
    leave();
  };
  const ticking = setInterval(step, 1_000);
  step();
}

/** Start the timers of a page. */
export function startTimers(data, say, finish) {
  const { texts } = data;
  if (data.left !== undefined) {
    const its = { left: texts.timeLeft, warnings: [texts.fiveMinutes, texts.oneMinute], over: texts.over };
    countDown(data.left, document.getElementById("time"), its, data.done, say, finish);
  }
  if (data.sectionLeft !== undefined) {
    const warnings = [texts.sectionFiveMinutes, texts.sectionOneMinute];
    const its = { left: texts.sectionTimeLeft, warnings, over: texts.sectionOver };
    countDown(data.sectionLeft, document.getElementById("section-time"), its, data.sectionOver, say, finish);
  }
}
