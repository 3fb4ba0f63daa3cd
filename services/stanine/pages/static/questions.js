// The questions of a page in the document: reads and writes answers, shows and hides. Used by survey.js.

const NUMBER = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)$/;

/** Return a typed number, the text if it is none, null if it is blank; as the server reads it. */
export function readNumber(text) {
  const plain = text
    .trim()
    .replace(/\p{Nd}/gu, (digit) => String(digitValue(digit)))
    .replace(/[,\u066b]/g, ".")
    .replace(/[\u2212\u2013]/g, "-");
  if (plain === "") return null;
  return NUMBER.test(plain) ? Number(plain) : text;
}

function digitValue(digit) {
  const code = digit.codePointAt(0);
  let first = code; // the digits of a script follow one another, from 0
  while (code - first < 9 && /\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return code < 0x80 ? code - 0x30 : code - first;
}

export class Questions {
  constructor(form) {
    this.sets = new Map();
    for (const set of form.querySelectorAll("fieldset[data-item]")) this.sets.set(set.dataset.item, set);
  }

  /** Return every item in order, as conditions need it; attributes (`p.…`) have none, and a page of their own. */
  all() {
    const items = [...this.sets].filter(([id]) => !id.startsWith("p."));
    return items.map(([id, set]) => ({
      id,
      type: set.dataset.type,
      answer: this.answer(id),
      missing: JSON.parse(set.dataset.missing ?? "[]"),
      options: this.inputs(id, ["Ranking"].includes(set.dataset.type) ? "hidden" : "option").map((one) =>
        JSON.parse(one.value),
      ),
    }));
  }

  inputs(item, kind) {
    const wanted = {
      hidden: "ol input[type=hidden]",
      option: "[name^='a.'][type=radio], [name^='a.'][type=checkbox], [name^='p.'][type=radio]",
    };
    return [...this.sets.get(item).querySelectorAll(wanted[kind])];
  }

  isShown(item) {
    return !this.sets.get(item)?.hidden;
  }

  show(item, shown) {
    const set = this.sets.get(item);
    set.hidden = set.disabled = !shown;
  }

  /** Return the question that an element belongs to. */
  itemOf(element) {
    return element.closest("fieldset[data-item]")?.dataset.item ?? null;
  }

  answer(item) {
    const set = this.sets.get(item);
    const chosen = () => this.inputs(item, "option").filter((one) => one.checked);
    switch (set.dataset.type) {
      case "Choice":
        return chosen().map((one) => JSON.parse(one.value))[0] ?? null;
      case "Multiple": {
        const values = chosen().map((one) => JSON.parse(one.value));
        return values.length ? values : null;
      }
      case "Ranking": {
        if (!set.querySelector("[name^='ok.']").checked) return null;
        return this.inputs(item, "hidden").map((one) => JSON.parse(one.value));
      }
      case "Number":
        return readNumber(this.field(item).value);
      default:
        return this.field(item).value.trim() || null;
    }
  }

  /** Remove the answer of a question of one choice. Its button disappears, so that the first option gets the focus. */
  clear(item) {
    this.write(item, null);
    this.inputs(item, "option")[0].focus();
  }

  /** Show the button that clears an answer where there is one. */
  offerClearing(item) {
    const button = this.sets.get(item).querySelector("button[name=clear]");
    if (button) button.hidden = this.answer(item) === null;
  }

  field(item) {
    return this.sets.get(item).querySelector("input:not([type=hidden], [type=range]), textarea");
  }

  /** Write answers that came from another tab, another device, or from this device after a reload. */
  writeAll(answers) {
    for (const [item, answer] of Object.entries(answers)) {
      if (this.sets.has(item) && JSON.stringify(this.answer(item)) !== JSON.stringify(answer)) this.write(item, answer);
    }
  }

  write(item, answer) {
    const set = this.sets.get(item);
    const literals = [answer].flat().map((one) => JSON.stringify(one));
    if (set.dataset.type === "Choice" || set.dataset.type === "Multiple") {
      for (const one of this.inputs(item, "option")) one.checked = literals.includes(one.value);
      this.offerClearing(item);
    } else if (set.dataset.type === "Ranking") {
      const rows = new Map(this.inputs(item, "hidden").map((one) => [one.value, one.closest("li")]));
      for (const literal of literals) if (rows.has(literal)) set.querySelector("ol").append(rows.get(literal));
      set.querySelector("[name^='ok.']").checked = answer !== null;
    } else {
      this.field(item).value = answer ?? "";
      set.dispatchEvent(new Event("written"));
    }
  }

  /** Uncheck what cannot be chosen together with the option that was just checked. */
  keepAlone(input) {
    if (input.type !== "checkbox" || !input.checked || !input.name.startsWith("a.")) return;
    for (const other of this.inputs(this.itemOf(input), "option")) {
      if (other !== input && (input.hasAttribute("data-alone") || other.hasAttribute("data-alone"))) other.checked = false;
    }
  }

  /** Show why answers cannot be saved. */
  refuse(errors) {
    for (const [item, text] of Object.entries(errors)) {
      const set = this.sets.get(item);
      if (!set) continue;
      this.accept(item);
      const error = document.createElement("p");
      error.className = "error";
      error.id = `e-${item}`;
      error.textContent = text;
      set.querySelector("legend").after(error);
      const isField = !["Choice", "Multiple", "Ranking"].includes(set.dataset.type);
      const place = isField ? this.field(item) : set;
      place.setAttribute("aria-describedby", `${place.getAttribute("aria-describedby") ?? ""} e-${item}`.trim());
      if (isField) place.setAttribute("aria-invalid", "true");
    }
  }

  /** Remove the error of a question, since its answer changed. */
  accept(item) {
    const set = this.sets.get(item);
    set.querySelector(".error")?.remove();
    for (const one of [set, ...set.querySelectorAll("[aria-describedby]")]) {
      const others = (one.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== `e-${item}`);
      if (others.length) one.setAttribute("aria-describedby", others.join(" "));
      else one.removeAttribute("aria-describedby");
      one.removeAttribute("aria-invalid");
    }
  }
}
