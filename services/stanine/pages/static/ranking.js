// Moves the options of a ranking: by its buttons, or by dragging. Used by survey.js.

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
  say(`${[...list.children].indexOf(row) + 1}. ${row.querySelector("span").textContent}`);
}

function drag(list) {
  let dragged = null;
  for (const row of list.children) row.draggable = true;
  list.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    event.dataTransfer.effectAllowed = "move";
  });
  list.addEventListener("dragover", (event) => {
    const row = event.target.closest("li");
    if (!dragged || !row) return;
    event.preventDefault();
    const { top, height } = row.getBoundingClientRect();
    if (row !== dragged) row[event.clientY < top + height / 2 ? "before" : "after"](dragged);
  });
  list.addEventListener("dragend", () => {
    if (dragged) changed(list);
    dragged = null;
  });
}

export function watchRankings(form, say) {
  for (const list of form.querySelectorAll("ol.ranking")) drag(list);
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=move]");
    if (!button) return;
    event.preventDefault();
    move(button, say);
  });
}
