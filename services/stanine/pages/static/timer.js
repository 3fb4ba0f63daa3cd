// Shows the time that is left, warns, and leaves the page at the end. Used by survey.js.

/** Seconds before the end at which the page warns, and the sentence. */
const WARNINGS = [
  [300, "fiveMinutes"],
  [60, "oneMinute"],
];

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

/** Count `data.left` down. A clock that was set forward leads to the end early; the server then leads back. */
export function startTimer(data, say, finish) {
  const elapsed = stopwatch();
  const place = document.getElementById("time");
  let last = data.left;
  const step = async () => {
    const left = Math.max(0, Math.ceil(data.left - elapsed()));
    place.textContent = data.texts.timeLeft.replace("%(time)s", clock(left));
    place.classList.toggle("urgent", left <= 60);
    for (const [seconds, text] of WARNINGS) if (last > seconds && left <= seconds) say(data.texts[text], true);
    last = left;
    if (left > 0) return;
    clearInterval(ticking);
    say(data.texts.over, true);
    await finish();
    location.assign(data.done);
  };
  const ticking = setInterval(step, 1_000);
  step();
}
