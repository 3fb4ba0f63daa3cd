// Moves the options of a ranking: by its buttons, or by dragging with mouse, pen or finger. Used by survey.js.

function changed(list) {
  const set = list.closest("fieldset");
  set.querySelector("[name^='ok.']").checked = true;
  list.querySelectorAll("li").forEach((row, place) => {
    for (const button of row.querySelectorAll("button")) {
      const [item, , direction] = button.value.split("|");
      button.value = `${item}|${place}|${direction}`;
    }
  });
  set.dispatchEvent(new Event("ranked", { bubbles: true }));
}

/** Say the new place of an option. */
function sayPlace(row, say) {
  say(`${[...row.parentElement.children].indexOf(row) + 1}. ${row.querySelector("span").textContent}`);
}

function move(button, say) {
  const row = button.closest("li");
  const list = row.parentElement;
  const other = button.value.endsWith("|up") ? row.previousElementSibling : row.nextElementSibling;
  if (other) {
    if (button.value.endsWith("|up")) other.before(row);
    else other.after(row);
  }
  changed(list);
  button.focus();
  sayPlace(row, say);
}

/** Put the dragged row where the pointer is among the others. */
function follow(list, dragged, y) {
  const next = [...list.children].find((row) => {
    const { top, height } = row.getBoundingClientRect();
    return row !== dragged && y < top + height / 2;
  });
  if (next === undefined) list.append(dragged);
  else if (dragged.nextElementSibling !== next) next.before(dragged);
}

/** Let rows be dragged. A finger drags the handle of a row only, and scrolls the page everywhere else. */
function drag(list, say) {
  for (const row of list.children) {
    const handle = document.createElement("div");
    handle.className = "handle";
    row.prepend(handle);
  }
  let [dragged, before] = [null, []];
  const end = (isKept) => {
    if (!dragged) return;
    const row = dragged;
    dragged = null;
    row.classList.remove("dragged");
    if (!isKept) list.append(...before);
    if (before.every((one, place) => one === list.children[place])) return;
    changed(list);
    sayPlace(row, say);
  };
  list.addEventListener("pointerdown", (event) => {
    const row = event.target.closest("li");
    if (!row || dragged || !event.isPrimary || event.button !== 0 || event.target.closest("button")) return;
    if (event.pointerType === "touch" && !event.target.closest(".handle")) return;
    event.preventDefault(); // no text is selected
    list.setPointerCapture(event.pointerId);
    [dragged, before] = [row, [...list.children]];
    row.classList.add("dragged");
  });
  list.addEventListener("pointermove", (event) => dragged && follow(list, dragged, event.clientY));
  list.addEventListener("pointerup", () => end(true));
  list.addEventListener("pointercancel", () => end(false));
  addEventListener("keydown", (event) => event.key === "Escape" && end(false));
}

export function watchRankings(form, say) {
  for (const list of form.querySelectorAll("ol.ranking")) drag(list, say);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=move]");
    if (!button) return;
    event.preventDefault();
    move(button, say);
  });
}
